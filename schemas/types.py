"""The event types, one row each in EVENT_TYPES. The name of a type ends in its version."""

from __future__ import annotations

from functools import cache
from typing import Any, Final, NamedTuple, cast

from schemas.approval import ApprovalEvent
from schemas.case import Case, SubmittedCase
from schemas.cloud_event import CloudEvent
from schemas.decision import Decision
from schemas.marker import Marker
from schemas.model import Frozen
from schemas.notice import Notice
from schemas.reply import ReplyBody, Verdict
from schemas.topics import CASES, DECISIONS, INBOUND, NOTICES, REPLIES
from schemas.withdrawal import SubmittedWithdrawal, Withdrawal, WithdrawalBody

CASE_SUBMITTED: Final = "mandaat.case.submitted.v1"
CASE_WITHDRAWN: Final = "mandaat.case.withdrawn.v1"

VERDICT_APPROVE: Final = "mandaat.verdict.approve.v1"
VERDICT_REJECT: Final = "mandaat.verdict.reject.v1"

DECISION_APPROVED: Final = "mandaat.decision.approved.v1"
DECISION_ESCALATED: Final = "mandaat.decision.escalated.v1"
DECISION_REFUSED: Final = "mandaat.decision.refused.v1"
DECISION_WITHDRAWN: Final = "mandaat.decision.withdrawn.v1"

APPROVAL_REQUESTED: Final = "mandaat.approval.requested.v1"
APPROVAL_CLOSED: Final = "mandaat.approval.closed.v1"
APPROVAL_LATE: Final = "mandaat.approval.late.v1"
APPROVAL_NOT_ENTITLED: Final = "mandaat.approval.not_entitled.v1"

LEDGER_MARKED: Final = "mandaat.ledger.marked.v1"

NOTICE_DELIVERED: Final = "mandaat.notice.delivered.v1"
NOTICE_FAILED: Final = "mandaat.notice.failed.v1"


class Body(NamedTuple):
    """A form in which others send an event to intake: its model, and its name in schemas/json/bodies."""

    name: str
    model: type[Frozen]


class EventType(NamedTuple):
    """One event type: its name, its topic, the model of its data, and its meaning in one sentence.

    `outcome`: the outcome of decisions of this type. `changes_approval`: whether its data is a new version of
    an approval. `body` and `inbound`: its body over HTTP, and its data in mandaat.inbound, if others may send
    it to intake that way.
    """

    name: str
    topic: str
    model: type[Frozen]
    meaning: str
    outcome: str | None = None
    changes_approval: bool = False
    body: Body | None = None
    inbound: Body | None = None


EVENT_TYPES: Final = (
    EventType(
        CASE_SUBMITTED,
        CASES,
        Case,
        "A case with a decision request was accepted.",
        body=Body("case", SubmittedCase),
        inbound=Body("inbound_event", SubmittedCase),
    ),
    EventType(
        CASE_WITHDRAWN,
        CASES,
        Withdrawal,
        "A request is withdrawn: after it was decided, before that, or even before it arrived.",
        body=Body("withdrawal", WithdrawalBody),
        inbound=Body("inbound_withdrawal", SubmittedWithdrawal),
    ),
    EventType(
        VERDICT_APPROVE,
        REPLIES,
        Verdict,
        "A person approves the request, or another amount.",
        body=Body("reply", ReplyBody),
    ),
    EventType(
        VERDICT_REJECT,
        REPLIES,
        Verdict,
        "A person rejects the request.",
        body=Body("reply", ReplyBody),
    ),
    EventType(
        DECISION_APPROVED,
        DECISIONS,
        Decision,
        "The request is granted: under a mandate on the spot, or by a person after an escalation.",
        outcome="approved",
    ),
    EventType(
        DECISION_ESCALATED,
        DECISIONS,
        Decision,
        "The agent may not grant the request. The people who may grant it are asked.",
        outcome="escalated",
    ),
    EventType(
        DECISION_REFUSED,
        DECISIONS,
        Decision,
        "The request is not granted: it is prohibited, a person rejected it, or nobody may grant it.",
        outcome="refused",
    ),
    EventType(
        DECISION_WITHDRAWN,
        DECISIONS,
        Decision,
        "The request was withdrawn. The charges of its approval are given back to the budgets.",
        outcome="withdrawn",
    ),
    EventType(
        APPROVAL_REQUESTED,
        DECISIONS,
        ApprovalEvent,
        "An approval was opened. It waits for one of its approvers.",
        changes_approval=True,
    ),
    EventType(
        APPROVAL_CLOSED,
        DECISIONS,
        ApprovalEvent,
        "An approval was closed by a verdict or a withdrawal. The decision beside it has the outcome.",
        changes_approval=True,
    ),
    EventType(
        APPROVAL_LATE,
        DECISIONS,
        ApprovalEvent,
        "A verdict arrived after the approval was closed. It changes nothing.",
    ),
    EventType(
        APPROVAL_NOT_ENTITLED,
        DECISIONS,
        ApprovalEvent,
        "A verdict arrived from a person who may not give it. It changes nothing.",
    ),
    EventType(
        LEDGER_MARKED,
        DECISIONS,
        Marker,
        "A marker of the ledger in a partition. Ignore it.",
    ),
    EventType(
        NOTICE_DELIVERED,
        NOTICES,
        Notice,
        "A notice was delivered.",
    ),
    EventType(
        NOTICE_FAILED,
        NOTICES,
        Notice,
        "A notice could not be delivered; `reason` says why.",
    ),
)

MODELS: Final = {one.name: one.model for one in EVENT_TYPES}
"""Type -> model of its data."""

MEANINGS: Final = {one.name: one.meaning for one in EVENT_TYPES}
"""Type -> meaning, in one sentence."""

DECISION_TYPES: Final = {one.outcome: one.name for one in EVENT_TYPES if one.outcome is not None}
"""Outcome -> type of the decision with that outcome."""

DECISION_EVENTS: Final = frozenset(DECISION_TYPES.values())
"""The types whose data is a decision."""

CHANGES_APPROVAL: Final = frozenset(one.name for one in EVENT_TYPES if one.changes_approval)
"""The types that hold a new version of an approval. Other types do not change it."""

BODIES: Final = {one.body.name: one.body.model for one in EVENT_TYPES if one.body is not None}
"""Name -> model of each body over HTTP. Types may share one."""

INBOUND_MODELS: Final = {one.name: one.inbound.model for one in EVENT_TYPES if one.inbound is not None}
"""Type -> model of its data in mandaat.inbound, for the types that contact-centre software may send."""


def types_in(topic: str) -> tuple[str, ...]:
    """The types of the events in a topic."""
    if topic == INBOUND:
        return tuple(INBOUND_MODELS)
    return tuple(one.name for one in EVENT_TYPES if one.topic == topic)


@cache  # Pydantic keeps a weak reference only, and would build the model again
def event_model(event_type: str) -> type[CloudEvent[Any]]:
    """The model of a whole event of this type. Raises KeyError for an unknown type."""
    return event_with(MODELS[event_type])


def event_with(data: type[Frozen]) -> type[CloudEvent[Any]]:
    """The model of a whole event with data of this model."""
    return cast("type[CloudEvent[Any]]", CloudEvent.__class_getitem__(data))
