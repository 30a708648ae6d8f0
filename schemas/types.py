"""The type of every event, and the model of its data. A type ends in its version."""

from __future__ import annotations

from typing import Any, Final, cast

from schemas.approval import ApprovalEvent
from schemas.case import Case
from schemas.cloud_event import CloudEvent
from schemas.decision import Decision
from schemas.marker import Marker
from schemas.model import Frozen
from schemas.notice import Notice
from schemas.reply import Verdict
from schemas.withdrawal import Withdrawal

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

DECISION_TYPES: Final = {
    "approved": DECISION_APPROVED,
    "escalated": DECISION_ESCALATED,
    "refused": DECISION_REFUSED,
    "withdrawn": DECISION_WITHDRAWN,
}
"""Outcome -> type of the event that says so."""

DECISION_EVENTS: Final = frozenset(DECISION_TYPES.values())
"""Their data is a decision."""

CHANGES_APPROVAL: Final = frozenset({APPROVAL_REQUESTED, APPROVAL_CLOSED})
"""They carry a new version of an approval; the other events about an approval leave it as it is."""

APPROVAL_EVENTS: Final = CHANGES_APPROVAL | {APPROVAL_LATE, APPROVAL_NOT_ENTITLED}
"""Their data is an approval and what happened to it."""

MEANINGS: Final = {
    CASE_SUBMITTED: "A case was accepted, with what its agent asks to grant.",
    CASE_WITHDRAWN: "A request is withdrawn, whatever was decided on it, and also before it came.",
    VERDICT_APPROVE: "Somebody approves what is asked, or another amount.",
    VERDICT_REJECT: "Somebody rejects what is asked.",
    DECISION_APPROVED: "It is granted: under a mandate on the spot, or by a person after an escalation.",
    DECISION_ESCALATED: "The agent may not grant it; somebody who may is asked.",
    DECISION_REFUSED: "It is not granted: it is prohibited, a person rejected it, or nobody may grant it.",
    DECISION_WITHDRAWN: "It was withdrawn; what an approval took from budgets is given back.",
    APPROVAL_REQUESTED: "An approval is open, and waits for one of its approvers.",
    APPROVAL_CLOSED: "An approval ended, by a verdict or a withdrawal; the decision beside it says how.",
    APPROVAL_LATE: "A verdict came after the approval was closed; it changes nothing.",
    APPROVAL_NOT_ENTITLED: "A verdict came from somebody who may not give it; it changes nothing.",
    LEDGER_MARKED: "The ledger's own mark in a partition; to be ignored.",
    NOTICE_DELIVERED: "Somebody was told.",
    NOTICE_FAILED: "Somebody could not be told, and why.",
}
"""What an event of a type says, in one sentence."""

MODELS: Final[dict[str, type[Frozen]]] = {
    CASE_SUBMITTED: Case,
    CASE_WITHDRAWN: Withdrawal,
    VERDICT_APPROVE: Verdict,
    VERDICT_REJECT: Verdict,
    DECISION_APPROVED: Decision,
    DECISION_ESCALATED: Decision,
    DECISION_REFUSED: Decision,
    DECISION_WITHDRAWN: Decision,
    APPROVAL_REQUESTED: ApprovalEvent,
    APPROVAL_CLOSED: ApprovalEvent,
    APPROVAL_LATE: ApprovalEvent,
    APPROVAL_NOT_ENTITLED: ApprovalEvent,
    LEDGER_MARKED: Marker,
    NOTICE_DELIVERED: Notice,
    NOTICE_FAILED: Notice,
}


def event_model(event_type: str) -> type[CloudEvent[Any]]:
    """The model of a whole event of that type. Raises KeyError where nothing is known of it."""
    model = CloudEvent.__class_getitem__(MODELS[event_type])
    return cast("type[CloudEvent[Any]]", model)
