"""The reference model of a tenant's requests, replies and charges, input by input (docs/concepts.md)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple

from tests.laws import reference_model
from tests.laws.charges import Charge, Json, minor_of
from tests.laws.ladder import Ladder, find
from tests.laws.reference_model import ReferenceDecision, Waiting

Key = tuple[str, str]
"""The ids of a case and of its request."""


class RepeatedAnswer(NamedTuple):
    """The events of an earlier answer, number `of`, once more."""

    of: int


class DeadLetter(NamedTuple):
    """A dead letter."""

    reason: str


class NewAnswer(NamedTuple):
    """A new answer, with this number."""

    number: int
    kind: Literal["first", "withdrawn", "closing", "not_entitled", "late"]
    reference: ReferenceDecision | None = None
    closes: bool = False


Answer = RepeatedAnswer | DeadLetter | NewAnswer


@dataclass
class KnownRequest:
    """A request, and the number of its newest answer. `asked` is None if only a withdrawal came."""

    asked: Any
    newest: int
    charges: Sequence[Charge] = ()
    waiting: Waiting | None = None
    closed: bool = False
    withdrawn: int | None = None


@dataclass
class ReferenceBooks:
    """Keeps everything, and adds charges up only when needed."""

    policy: Json
    staff: Sequence[Json]
    charges: list[Charge] = field(default_factory=list)
    requests: dict[Key, KnownRequest] = field(default_factory=dict)
    replies: dict[tuple[Key, str], tuple[Any, int]] = field(default_factory=dict)
    answers: int = 0

    def submit(self, case: Json, now: datetime) -> Answer:
        """The answer to a case with a request."""
        key = case["case_id"], case["request"]["request_id"]
        known = self.requests.get(key)
        if known is not None:
            same = known.asked is None or known.asked == self._asked(case)
            return RepeatedAnswer(known.newest) if same else DeadLetter("conflict")
        reference = reference_model.decide(self.policy, self.staff, self.charges, case, now)
        self.charges += reference.charges
        waiting = None
        if reference.step is not None:
            requester = find(self.staff, case.get("agent_id"))
            waiting = Waiting(case, None if requester is None else requester["team"], reference.step, now)
        new_answer = self._new_answer("first", reference)
        self.requests[key] = KnownRequest(self._asked(case), new_answer.number, reference.charges, waiting)
        return new_answer

    def withdraw(self, key: Key) -> Answer:
        """The answer to a withdrawal of a request, which may not have come yet."""
        known = self.requests.setdefault(key, KnownRequest(None, 0))
        if known.withdrawn is not None:
            return RepeatedAnswer(known.withdrawn)
        given_back = [charge._replace(amount=-charge.amount) for charge in known.charges]
        self.charges += given_back
        closes = known.waiting is not None and not known.closed
        known.closed = True
        reference = ReferenceDecision("withdrawn", "person", charges=given_back)
        new_answer = self._new_answer("withdrawn", reference, closes=closes)
        known.withdrawn = known.newest = new_answer.number
        return new_answer

    def reply(self, key: Key, verdict: Json, now: datetime) -> Answer:
        """The answer to a verdict."""
        known = self.requests.get(key)
        if known is None or known.waiting is None:
            return DeadLetter("unknown_approval")
        content = {name: value for name, value in verdict.items() if name != "reply_id"}
        if content.get("amount") is not None:
            content["amount"] = float(content["amount"])
        earlier = self.replies.get((key, verdict["reply_id"]))
        if earlier is not None:
            return RepeatedAnswer(earlier[1]) if earlier[0] == content else DeadLetter("conflict")
        new_answer = self._judged(known, verdict, now)
        self.replies[key, verdict["reply_id"]] = content, new_answer.number
        return new_answer

    def asked(self, waiting: Waiting, now: datetime) -> list[str]:
        """The people who may answer."""
        ladder = Ladder(self.policy, self.staff, waiting.case, waiting.team, waiting.since, now)
        return ladder.may_answer(waiting.step)

    def _judged(self, known: KnownRequest, verdict: Json, now: datetime) -> NewAnswer:
        assert known.waiting is not None
        if known.closed:
            return self._new_answer("late")
        reference = reference_model.answer(self.policy, self.staff, self.charges, known.waiting, verdict, now)
        if reference.outcome == "not_entitled":
            return self._new_answer("not_entitled", reference)
        self.charges += reference.charges
        known.charges, known.closed = reference.charges, True
        new_answer = self._new_answer("closing", reference, closes=True)
        known.newest = new_answer.number
        return new_answer

    def _new_answer(
        self, kind: Any, reference: ReferenceDecision | None = None, *, closes: bool = False
    ) -> NewAnswer:
        self.answers += 1
        return NewAnswer(self.answers, kind, reference, closes)

    @staticmethod
    def _asked(case: Json) -> Any:
        """The content that makes two requests the same, by value."""
        request = case["request"]
        amount, currency = request.get("amount"), request.get("currency")
        minor = None if amount is None else minor_of(amount, currency)
        person, customer = case.get("agent_id"), case["customer"]["id"]
        return person, customer, request["kind"], minor, currency, bool(request.get("discretion"))
