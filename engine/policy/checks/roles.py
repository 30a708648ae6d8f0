"""Find the roles that extend each role."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def with_those_that_extend(
    extends: Mapping[str, Sequence[str]],
) -> tuple[dict[str, frozenset[str]], list[str]]:
    """For each role, the role itself and all roles that extend it; and the roles that extend themselves."""
    below: dict[str, set[str]] = {name: {name} for name in extends}
    cycles: list[str] = []
    for name in extends:
        seen: set[str] = set()
        waiting = list(extends[name])
        while waiting:
            above = waiting.pop()
            if above in seen or above not in below:
                continue
            seen.add(above)
            below[above].add(name)
            waiting += extends[above]
        if name in seen:
            cycles.append(name)
    return {name: frozenset(names) for name, names in below.items()}, cycles
