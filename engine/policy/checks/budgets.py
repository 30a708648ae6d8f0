"""Check the budgets of a policy, both shared and inline (docs/policy.md, Budgets)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Final, NamedTuple

from engine.policy.checks.money import read_money
from engine.policy.problems import PolicyProblem, problem
from engine.policy.tree import Node, each, one_or_list, short

_DAYS: Final = re.compile(r"([1-9][0-9]{0,2})d")


class WrittenBudgets(NamedTuple):
    """The caps in minor units, by the `id()` of the cap's node; and the problems."""

    caps: dict[int, int]
    problems: list[PolicyProblem]


def read_budgets(tree: Node, decimals: int) -> WrittenBudgets:
    """Check all budgets of the file, and the names of budgets in mandates."""
    reader = _BudgetReader(tree, decimals)
    reader.read()
    return WrittenBudgets(reader.caps, reader.problems)


def days_of(window: str) -> int:
    """The N of an `Nd` window; 0 for a calendar window."""
    found = _DAYS.fullmatch(window)
    return int(found[1]) if found else 0


class _BudgetReader:
    def __init__(self, tree: Node, decimals: int) -> None:
        self._tree = tree
        self._decimals = decimals
        self.caps: dict[int, int] = {}
        self.problems: list[PolicyProblem] = []

    def read(self) -> None:
        shared = self._tree.get("budgets")
        names = (shared.entries if shared is not None else None) or {}
        for _, entry in names.values():
            self._read_budget(entry)
        for mandate in each(self._tree.get("mandates")):
            self._read_mandate(mandate, names)
        if self._tree.get("timezone") is None and (key := next(self._keys(), None)) is not None:
            self._add_problem(
                key, "the windows of budgets need a time zone; write `timezone: Europe/Amsterdam`"
            )

    def _add_problem(self, node: Node, text: str) -> None:
        self.problems.append(problem(node.spot, text))

    def _keys(self) -> Iterator[Node]:
        """All keys `budgets` in the file."""
        for owner in (self._tree, *each(self._tree.get("mandates"))):
            if (entry := (owner.entries or {}).get("budgets")) is not None:
                yield entry[0]

    def _read_mandate(self, mandate: Node, shared: dict[str, tuple[Node, Node]]) -> None:
        seen: dict[str, Node] = {}
        for place, one in enumerate(one_or_list(mandate.get("budgets")), 1):
            if one.entries is not None:
                self._read_budget(one)
                given = one.get("id")
                name = f".{given.text if given is not None else place}"
            elif isinstance(one.value, str) and one.text:
                name = one.text
                self._check_name(one, shared)
            else:
                continue
            if name in seen:
                self._add_problem(one, f"budget `{short(name.removeprefix('.'))}` is listed twice")
            seen[name] = one

    def _check_name(self, one: Node, shared: dict[str, tuple[Node, Node]]) -> None:
        if one.text in shared:
            return
        close = get_close_matches(one.text or "", shared, 1)
        hint = f"; did you mean `{close[0]}`?" if close else "; write it under `budgets`"
        self._add_problem(one, f"there is no budget `{short(one.text or '')}`{hint}")

    def _read_budget(self, budget: Node) -> None:
        if budget.entries is None:
            return
        cap, count = budget.get("cap"), budget.get("count")
        if (cap is None) == (count is None):
            said = "this one has both" if cap is not None else "this one has neither"
            self._add_problem(budget, f"a budget has a `cap` (money) or a `count` (decisions); {said}")
        if cap is not None:
            self._read_cap(cap)

    def _read_cap(self, node: Node) -> None:
        minor = read_money(node, self._decimals, "a cap")
        if minor == 0:
            minor = "a cap must be above 0"
        if isinstance(minor, str):
            self._add_problem(node, minor)
        elif minor is not None:
            self.caps[id(node)] = minor
