"""How a batch is cut into rounds (LEDGER.md, Worker: round)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from services.rules.core.inputs import Input, Submission

MOST_INPUTS: Final = 500


def rounds(inputs: Iterable[Input], most: int = MOST_INPUTS) -> Iterator[list[Input]]:
    """Cut, in order, so that a round holds two inputs of one case only if both are submissions.

    A verdict reads the state of its approval, which the round before must have settled.
    """
    current: list[Input] = []
    seen: dict[tuple[str, str], bool] = {}
    for one in inputs:
        submission = isinstance(one, Submission)
        mixed = one.case_key in seen and not (submission and seen[one.case_key])
        if mixed or len(current) == most:
            yield current
            current, seen = [], {}
        current.append(one)
        seen[one.case_key] = submission
    if current:
        yield current
