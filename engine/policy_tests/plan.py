"""Turn a file of policy tests into a plan: the staff, and the inputs in order with their expected results."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, get_args

from pydantic import BaseModel

from engine.inputs import (
    OFFLINE,
    Input,
    Reply,
    Submission,
    WithdrawalInput,
)
from engine.judging.staff import Staff
from engine.policy.book import PolicyBook
from engine.policy.problems import PolicyProblem, PolicyProblems, Spot, problem
from engine.policy.tree import Node, Path
from engine.policy_tests.document import (
    Expectation,
    PolicyTestsDocument,
    StepOfTest,
    TestEntry,
    VerdictEntry,
    as_text,
)
from engine.policy_tests.shape import unknown_key
from schemas.case import Case, Customer, DecisionRequest, SubmittedCase
from schemas.errors import Unreadable
from schemas.ids import approval_id
from schemas.reading import read
from schemas.reply import Verdict
from schemas.staff import NewStaffMember, StaffMember
from schemas.withdrawal import Withdrawal

A_MONDAY: Final = "2026-01-05T12:00:00Z"
"""The default of `opened_at`."""
_REPLIES: Final[Mapping[str, type[Reply]]] = {
    kind.event_type.split(".")[-2]: kind for kind in get_args(Reply)
}
"""The key of a step, such as `approve` -> the kind of reply that it gives."""
_ACTIONS: Final = ("case", *_REPLIES, "withdraw")
_PARTS: Final[Mapping[str, type[BaseModel]]] = {"customer": Customer, "request": DecisionRequest}


@dataclass(frozen=True)
class Step:
    """An input and its expected result. `node`: the step in the file."""

    input: Input
    expected: Expectation
    node: Node


@dataclass(frozen=True)
class Test:
    """Steps that share one ledger, which starts empty."""

    name: str
    spot: Spot
    steps: tuple[Step, ...]


@dataclass
class Plan:
    """The tests that can run, and all problems."""

    staff: Staff = field(default_factory=Staff)
    tests: list[Test] = field(default_factory=list)
    problems: list[PolicyProblem] = field(default_factory=list)


def make_plan(
    document: PolicyTestsDocument, tree: Node, book: PolicyBook, staff_lines: Sequence[bytes] | None
) -> Plan:
    """The plan. `staff_lines`: the lines of the file that `staff` names, None if `staff` is a list."""
    return _Planner(document, tree, book).plan(staff_lines)


class _Planner:
    def __init__(self, document: PolicyTestsDocument, tree: Node, book: PolicyBook) -> None:
        self._document = document
        self._tree = tree
        self._book = book
        self._plan = Plan()

    def plan(self, staff_lines: Sequence[bytes] | None) -> Plan:
        for line, spot in self._people(staff_lines):
            with self._collecting_problems():
                self._plan.staff.put(self._member(line, spot))
        for place, entry in enumerate(self._document.tests):
            self._plan.tests.append(self._test(entry, ("tests", place)))
        return self._plan

    @contextmanager
    def _collecting_problems(self) -> Iterator[None]:
        """Collect the problems that the block raises, and go on."""
        try:
            yield
        except PolicyProblems as found:
            self._plan.problems += found.problems

    # Staff

    def _people(self, lines: Sequence[bytes] | None) -> Iterator[tuple[bytes, Spot]]:
        node = self._tree.find(("staff",))[0]
        if lines is not None:
            yield from ((line, node.spot) for line in lines if line.strip())
        elif node.items is None:
            self._plan.problems.append(
                problem(node.spot, "`staff` must name a file, or be a list of records")
            )
        for item in node.items or ():
            yield json.dumps(_person(item.plain(), self._book.tenant)).encode(), item.spot

    def _member(self, line: bytes, spot: Spot) -> StaffMember:
        try:
            member = read(NewStaffMember, line)
        except Unreadable as flaw:
            raise _error_at(spot, f"not a staff record: {flaw.detail}") from flaw
        if member.tenant != self._book.tenant:
            raise _error_at(spot, f"{member.agent_id} works for {member.tenant}, not for {self._book.tenant}")
        if self._plan.staff.get(member.agent_id) is not None:
            raise _error_at(spot, f"{member.agent_id} is listed twice")
        return member

    # Tests

    def _test(self, entry: TestEntry, path: Path) -> Test:
        steps: list[Step] = []
        cases: dict[str, Case] = {}
        for place, one in enumerate(entry.cases):
            at = (*path, "cases", place)
            now = steps[-1].input.time if steps else None
            with self._collecting_problems():
                step_input = self._input(one, at, entry, cases, now)
                steps.append(Step(step_input, one.expect, self._tree.find(at)[0]))
        return Test(entry.test, self._tree.find(path)[0].spot, tuple(steps))

    def _input(
        self, one: StepOfTest, path: Path, entry: TestEntry, cases: dict[str, Case], now: datetime | None
    ) -> Input:
        node = self._tree.find(path)[0]
        named = [action for action in _ACTIONS if getattr(one, action) is not None]
        if len(named) != 1:
            raise _error_at(node.spot, f"write exactly one of {', '.join(_ACTIONS)}")
        if one.case is not None:
            case = self._case(one, path, entry)
            cases.pop(case.case_id, None)  # so that it becomes the last one
            cases[case.case_id] = case
            return Submission(OFFLINE, _name(path), one.time or case.opened_at, None, case)
        spot = node.key_spot(named[0])
        if one.withdraw is not None:
            about = _case_by_id(one.withdraw.case, cases, spot)
            return _withdrawal(about, one.time or now or about.opened_at, _name(path))
        verdict: VerdictEntry = getattr(one, named[0])
        about = _case_by_id(verdict.case, cases, spot)
        return _reply(verdict, _REPLIES[named[0]], about, one.time or now or about.opened_at, _name(path))

    def _case(self, one: StepOfTest, path: Path, entry: TestEntry) -> Case:
        layers = (
            ((*path, "case"), one.case),
            ((*path[:2], "case"), entry.case),
            (("case",), self._document.case),
        )
        nodes = [self._tree.find(where)[0] for where, there in layers if there]
        given = _merged(layer for _, layer in reversed(layers))
        wrong = [
            problem(_spot(keys, nodes), text)
            for keys, text in (*_unknown(given, SubmittedCase, ()), *_unknown_in_parts(given))
        ]
        if wrong:
            raise PolicyProblems(wrong)
        self._complete(given, path, one.time)
        try:
            submitted = read(SubmittedCase, json.dumps(given).encode())
        except Unreadable as flaw:
            raise PolicyProblems(
                problem(_spot(_steps(found.pointer), nodes), f"{found.pointer} {found.text}")
                for found in flaw.flaws
            ) from flaw
        if submitted.tenant not in (None, self._book.tenant):
            raise _error_at(_spot(("tenant",), nodes), f"the policy is for {self._book.tenant}")
        return submitted.of(self._book.tenant)

    def _complete(self, given: dict[str, Any], path: Path, time: datetime | None) -> None:
        """Fill in the defaults of a case."""
        given.setdefault("case_id", f"case-{int(path[-1]) + 1}")
        given.setdefault("opened_at", A_MONDAY if time is None else time.isoformat())
        customer, request = given.setdefault("customer", {}), given.setdefault("request", {})
        if isinstance(customer, dict):
            customer.setdefault("id", "customer-1")
        if isinstance(request, dict):
            request.setdefault("request_id", "r1")
            if "amount" in request:
                request["amount"] = as_text(request["amount"])
                request.setdefault("currency", self._book.currency)


def _error_at(spot: Spot, text: str) -> PolicyProblems:
    return PolicyProblems([problem(spot, text)])


def _name(path: Path) -> str:
    return "/".join(map(str, path))


def _steps(pointer: str) -> Path:
    return tuple(int(step) if step.isdigit() else step for step in pointer.split("/")[1:])


def _case_by_id(case_id: str | None, cases: Mapping[str, Case], spot: Spot) -> Case:
    """The case with this id; without an id, the last case."""
    if not cases:
        raise _error_at(spot, "there is no case before this")
    if case_id is not None and case_id not in cases:
        raise _error_at(spot, f"there is no case {case_id} before this")
    return cases[case_id or next(reversed(list(cases)))]


def _person(record: Any, tenant: str) -> Any:
    if not isinstance(record, dict):
        return record
    return {"tenant": tenant, "name": record.get("agent_id"), "team": "team", **record}


def _merged(layers: Iterable[Mapping[str, Any] | None]) -> dict[str, Any]:
    """Merge layers. Objects are merged key by key; a later value replaces any other value."""
    whole: dict[str, Any] = {}
    for layer in layers:
        for key, value in (layer or {}).items():
            earlier = whole.get(key)
            if isinstance(value, dict):
                value = _merged((earlier if isinstance(earlier, dict) else None, value))
            whole[key] = value
    return whole


def _unknown(given: Mapping[str, Any], model: type[BaseModel], path: Path) -> Iterator[tuple[Path, str]]:
    """The unknown keys. Intake ignores unknown keys, but in a test they are mistakes."""
    known = list(model.model_fields)
    for key in given:
        if key not in known:
            yield (*path, key), unknown_key(key, known)


def _unknown_in_parts(given: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    for name, model in _PARTS.items():
        part = given.get(name, {})
        if isinstance(part, dict):
            yield from _unknown(part, model, (name,))


def _spot(path: Path, nodes: list[Node]) -> Spot:
    """The place of a key of the case. `nodes`: the layers of the case, the innermost first."""
    for node in nodes:
        parent, depth = node.find(path[:-1])
        if path and depth == len(path) - 1 and parent.get(path[-1]) is not None:
            return parent.key_spot(path[-1]) if isinstance(path[-1], str) else parent.find(path[-1:])[0].spot
    return nodes[0].spot


def _reply(verdict: VerdictEntry, kind: type[Reply], about: Case, now: datetime, name: str) -> Reply:
    data = Verdict.model_construct(
        agent_id=verdict.by,
        reply_id=name,
        amount=verdict.amount,
        reason=verdict.reason,
        approval_id=approval_id(about.case_id, about.request.request_id),
        case_id=about.case_id,
        request_id=about.request.request_id,
    )
    return kind(OFFLINE, name, now.astimezone(UTC), None, about.tenant, data)


def _withdrawal(about: Case, now: datetime, name: str) -> WithdrawalInput:
    withdrawal = Withdrawal.model_construct(
        tenant=about.tenant,
        case_id=about.case_id,
        request_id=about.request.request_id,
        agent_id=about.agent_id,
        reason=None,
    )
    return WithdrawalInput(OFFLINE, name, now.astimezone(UTC), None, withdrawal)
