"""Keeps the books of a tenant as DESIGN.md says (Policy 7 to 9): what inputs come to, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple

from tests.laws import naive
from tests.laws.charges import Charge, Json, minor_of
from tests.laws.ladder import Ladder, find
from tests.laws.naive import Told, Waiting

Key = tuple[str, str]
"""Case and request."""


class Repeat(NamedTuple):
    """The events of an earlier answer again; `of` says which."""

    of: int


class Letter(NamedTuple):
    """A dead letter."""

    reason: str


class Fresh(NamedTuple):
    """Something new: the answer of this number."""

    number: int
    kind: Literal["first", "withdrawn", "closing", "not_entitled", "late"]
    told: Told | None = None
    closes: bool = False


Answer = Repeat | Letter | Fresh


@dataclass
class Known:
    """A request: what was asked (None: it was withdrawn unseen), and the number of its newest answer."""

    asked: Any
    newest: int
    charges: Sequence[Charge] = ()
    waiting: Waiting | None = None
    closed: bool = False
    withdrawn: int | None = None


@dataclass
class Clerk:
    """Everything is kept; nothing is ever added up before it is asked for."""

    policy: Json
    staff: Sequence[Json]
    charges: list[Charge] = field(default_factory=list)
    requests: dict[Key, Known] = field(default_factory=dict)
    replies: dict[tuple[Key, str], tuple[Any, int]] = field(default_factory=dict)
    answers: int = 0

    def submit(self, case: Json, now: datetime) -> Answer:
        """A case with a request."""
        key = case["case_id"], case["request"]["request_id"]
        known = self.requests.get(key)
        if known is not None:
            same = known.asked is None or known.asked == self._asked(case)
            return Repeat(known.newest) if same else Letter("conflict")
        told = naive.decide(self.policy, self.staff, self.charges, case, now)
        self.charges += told.charges
        waiting = None
        if told.step is not None:
            requester = find(self.staff, case.get("agent_id"))
            waiting = Waiting(case, None if requester is None else requester["team"], told.step)
        fresh = self._fresh("first", told)
        self.requests[key] = Known(self._asked(case), fresh.number, told.charges, waiting)
        return fresh

    def withdraw(self, key: Key) -> Answer:
        """A request is taken back, or will be when it comes."""
        known = self.requests.setdefault(key, Known(None, 0))
        if known.withdrawn is not None:
            return Repeat(known.withdrawn)
        given_back = [charge._replace(amount=-charge.amount) for charge in known.charges]
        self.charges += given_back
        closes = known.waiting is not None and not known.closed
        known.closed = True
        told = Told("withdrawn", "person", charges=given_back)
        fresh = self._fresh("withdrawn", told, closes=closes)
        known.withdrawn = known.newest = fresh.number
        return fresh

    def reply(self, key: Key, verdict: Json, now: datetime) -> Answer:
        """Somebody's verdict."""
        known = self.requests.get(key)
        if known is None or known.waiting is None:
            return Letter("unknown_approval")
        content = {name: value for name, value in verdict.items() if name != "reply_id"}
        if content.get("amount") is not None:
            content["amount"] = float(content["amount"])
        earlier = self.replies.get((key, verdict["reply_id"]))
        if earlier is not None:
            return Repeat(earlier[1]) if earlier[0] == content else Letter("conflict")
        fresh = self._judged(known, verdict, now)
        self.replies[key, verdict["reply_id"]] = content, fresh.number
        return fresh

    def asked(self, waiting: Waiting, now: datetime) -> list[str]:
        """Who may answer."""
        ladder = Ladder(self.policy, self.staff, waiting.case, waiting.team, now)
        return ladder.may_answer(waiting.step)

    def _judged(self, known: Known, verdict: Json, now: datetime) -> Fresh:
        assert known.waiting is not None
        if known.closed:
            return self._fresh("late")
        told = naive.answer(self.policy, self.staff, self.charges, known.waiting, verdict, now)
        if told.outcome == "not_entitled":
            return self._fresh("not_entitled", told)
        self.charges += told.charges
        known.charges, known.closed = told.charges, True
        fresh = self._fresh("closing", told, closes=True)
        known.newest = fresh.number
        return fresh

    def _fresh(self, kind: Any, told: Told | None = None, *, closes: bool = False) -> Fresh:
        self.answers += 1
        return Fresh(self.answers, kind, told, closes)

    @staticmethod
    def _asked(case: Json) -> Any:
        """What makes two requests the same: all by value."""
        request = case["request"]
        amount, currency = request.get("amount"), request.get("currency")
        minor = None if amount is None else minor_of(amount, currency)
        person, customer = case.get("agent_id"), case["customer"]["id"]
        return person, customer, request["kind"], minor, currency, bool(request.get("discretion"))
