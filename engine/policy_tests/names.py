"""Find names in a file of policy tests that are not in the policy or the staff.

The checks work on the tree. So they find all such names even if another part of the file has the wrong shape.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from difflib import get_close_matches
from typing import Final

from engine.policy.book import PolicyBook
from engine.policy.problems import PolicyProblem, problem
from engine.policy.tree import Node, each, short
from engine.policy_tests.document import NOTHING

_UNKNOWN_AGENT: Final = "unknown_agent"
_DIGITS: Final = re.compile("[0-9]+")


def unknown_names(tree: Node, book: PolicyBook, people: Collection[str]) -> list[PolicyProblem]:
    """A problem at each mandate, prohibition, budget and role that the policy lacks, and each misspelt id.

    A test may use an unknown person on purpose. So an agent id counts as misspelt only if somebody has nearly
    the same id, and that step, test or file does not expect `unknown_agent`.
    """
    return list(_Names(tree, book, people).unknown())


def people_of(tree: Node, lines: Sequence[bytes] | None) -> list[str]:
    """The agent ids in the readable staff records. `lines`: the lines of the file that `staff` names."""
    found = [one.text for row in each(tree.get("staff")) if (one := row.get("agent_id")) is not None]
    for line in lines or ():
        with suppress(ValueError):
            record = json.loads(line)
            found.append(record.get("agent_id") if isinstance(record, dict) else None)
    return [one for one in found if isinstance(one, str)]


class _Names:
    def __init__(self, tree: Node, book: PolicyBook, people: Collection[str]) -> None:
        rows = [row for by_kind in book.mandates.values() for row in by_kind.every()]
        self._tree = tree
        self._people = sorted(people)
        self._known = {
            "mandate": sorted({row.id for row in rows}),
            "prohibition": [row.id for row in book.prohibitions.every()],
            "budget": sorted({budget.id for row in rows for budget in row.budgets}),
            "role": list(book.roles),
        }

    def unknown(self) -> Iterator[PolicyProblem]:
        yield from self._person(_agent(self._tree), [self._tree])
        for test in each(self._tree.get("tests")):
            yield from self._person(_agent(test), [test])
            for step in each(test.get("cases")):
                yield from self._step(step)

    def _step(self, step: Node) -> Iterator[PolicyProblem]:
        expected = step.get("expect") or step
        yield from self._name("mandate", expected.get("mandate"))
        yield from self._name("role", expected.get("step"))
        for charge in each(expected.get("charges")):
            yield from self._name("budget", charge.get("budget"))
        for reason in each(expected.get("reasons")):
            yield from self._name("mandate", reason.get("mandate"))
            yield from self._name("prohibition", reason.get("prohibition"))
        yield from self._person(_agent(step), [step])
        for verdict in (step.get("approve"), step.get("reject")):
            yield from self._person(verdict and verdict.get("by"), [step])
        for one in each(expected.get("approvers")):
            yield from self._person(one, [step])

    def _name(self, what: str, node: Node | None) -> Iterator[PolicyProblem]:
        known = self._known[what]
        if node is None or not node.text or node.text in (*known, NOTHING):
            return
        close = get_close_matches(node.text, known, 1)
        hint = f"; did you mean `{close[0]}`?" if close else ""
        yield problem(node.spot, f"there is no {what} `{short(node.text)}` in the policy{hint}")

    def _person(self, node: Node | None, scope: list[Node]) -> Iterator[PolicyProblem]:
        if node is None or not node.text or node.text in self._people:
            return
        numbers = _DIGITS.findall(node.text)
        alike = [one for one in self._people if _DIGITS.findall(one) == numbers]
        close = get_close_matches(node.text, alike, 1, 0.75)
        if close and not any(map(_expects_nobody, scope)):
            text = f"nobody on the staff has the id `{short(node.text)}`; did you mean `{close[0]}`?"
            yield problem(node.spot, f"{text} If this is intended, expect `reasons: [{_UNKNOWN_AGENT}]`")


def _agent(layer: Node) -> Node | None:
    case = layer.get("case")
    return None if case is None else case.get("agent_id")


def _expects_nobody(scope: Node) -> bool:
    """Whether this file, test or step expects an unknown agent."""
    steps = [scope, *each(scope.get("cases"))]
    steps += [step for test in each(scope.get("tests")) for step in each(test.get("cases"))]
    expected = [one for step in steps if (one := step.get("expect")) is not None]
    reasons = [reason for one in expected for reason in each(one.get("reasons"))]
    return any((reason.get("code") or reason).text == _UNKNOWN_AGENT for reason in reasons)
