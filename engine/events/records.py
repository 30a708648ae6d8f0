"""Serialise the records of the journal: decisions and approval events."""

from __future__ import annotations

from engine.events.envelope import envelope, event_id
from engine.inputs import Input
from schemas import types
from schemas.approval import Approval, ApprovalEvent, Closing
from schemas.cloud_event import CloudEvent
from schemas.decision import Decision
from schemas.ids import RequestKey


def decided(decision: Decision, caused_by: Input, seq: int) -> bytes:
    """The record of a decision."""
    event_type = types.DECISION_TYPES[decision.outcome]
    return envelope(event_type, decision.decision_id, caused_by, seq, decision).to_bytes()


def about_approval(
    event_type: str,
    approval: Approval,
    number: int | str,
    body: ApprovalEvent,
    caused_by: Input,
    seq: int,
) -> bytes:
    """The record of an approval event. `number`: the approval's version, or the id of a reply."""
    key = RequestKey(approval.tenant, approval.case_id, approval.request_id)
    event: CloudEvent[ApprovalEvent] = envelope(
        event_type, event_id(event_type, key, number), caused_by, seq, body
    )
    return event.to_bytes()


def closed_by(approval: Approval, closing: Closing) -> Approval:
    """The closed approval."""
    return approval.model_copy(
        update={"state": "closed", "version": approval.version + 1, "closing": closing}
    )
