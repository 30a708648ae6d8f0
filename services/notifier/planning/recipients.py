"""Who is told of an event: the table of DESIGN.md, "Who is told", read from top to bottom."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeAlias

from schemas import types
from schemas.approval import ApprovalEvent
from schemas.cloud_event import CloudEvent
from schemas.decision import Decision
from services.notifier.planning.notice import Recipient

Event: TypeAlias = CloudEvent[Decision] | CloudEvent[ApprovalEvent]


def about(event: Event) -> tuple[str, str]:
    """The request that an event is about, and the digest of its content."""
    data = event.data
    if isinstance(data, Decision):
        return data.request_id, data.request_digest
    return data.approval.request_id, data.approval.request_digest


def case_id_of(event: Event) -> str:
    """The case that an event is about."""
    return event.data.case_id if isinstance(event.data, Decision) else event.data.approval.case_id


def who_is_told(event: Event, approvers: Sequence[str], *, has_webhook: bool) -> tuple[Recipient, ...]:
    """Everybody who is told of this event, each person once a channel.

    `approvers` are those of the request's approval, empty where none is open. A type that the table does not
    name is told to nobody.
    """
    rule = RULES.get(event.type)
    if rule is None:
        return ()
    return tuple(dict.fromkeys(rule(event.data, approvers, has_webhook)))


def _final_decision(data: Decision, approvers: Sequence[str], has_webhook: bool) -> Iterator[Recipient]:
    yield from _decision(data, approvers, has_webhook)
    for person in approvers:
        if person != data.agent_id:
            yield Recipient(audience="approver", person=person, channel="mail")


def _decision(data: Decision, _approvers: Sequence[str], has_webhook: bool) -> Iterator[Recipient]:
    if data.customer_id is not None:
        yield Recipient(audience="customer", person=data.customer_id, channel="mail")
    if data.agent_id is not None:
        yield Recipient(audience="agent", person=data.agent_id, channel="mail")
    if has_webhook:
        yield Recipient(audience="webhook", person=None, channel="webhook")


def _asked(data: ApprovalEvent, _approvers: Sequence[str], _has_webhook: bool) -> Iterator[Recipient]:
    for person in data.approval.approvers:
        yield Recipient(audience="approver", person=person, channel="mail")


def _giver(data: ApprovalEvent, _approvers: Sequence[str], _has_webhook: bool) -> Iterator[Recipient]:
    if data.giver is not None:
        yield Recipient(audience="giver", person=data.giver, channel="mail")


RULES: Final[dict[str, Callable[..., Iterator[Recipient]]]] = {
    types.DECISION_APPROVED: _final_decision,
    types.DECISION_REFUSED: _final_decision,
    types.DECISION_WITHDRAWN: _final_decision,
    types.DECISION_ESCALATED: _decision,
    types.APPROVAL_REQUESTED: _asked,
    types.APPROVAL_LATE: _giver,
    types.APPROVAL_NOT_ENTITLED: _giver,
}
"""Type -> who. approval.closed tells nobody: the decision in the same input does."""
