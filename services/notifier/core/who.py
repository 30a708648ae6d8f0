"""Who is told of an event: the table of DESIGN.md, "Who is told", read from top to bottom."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeAlias

from schemas import types
from schemas.approval import ApprovalEvent
from schemas.cloud_event import CloudEvent
from schemas.decision import Decision
from services.notifier.core.pending import Told

Event: TypeAlias = CloudEvent[Decision] | CloudEvent[ApprovalEvent]


def who_is_told(event: Event, approvers: Sequence[str], *, has_webhook: bool) -> tuple[Told, ...]:
    """Everybody who is told of this event, each person once a channel.

    `approvers` are those of the request's approval, empty where none is open. A type that the table does not
    name is told to nobody.
    """
    rule = RULES.get(event.type)
    if rule is None:
        return ()
    return tuple(dict.fromkeys(rule(event.data, approvers, has_webhook)))


def _final_decision(data: Decision, approvers: Sequence[str], has_webhook: bool) -> Iterator[Told]:
    yield from _decision(data, approvers, has_webhook)
    for person in approvers:
        if person != data.agent_id:
            yield Told(audience="approver", person=person, channel="mail")


def _decision(data: Decision, _approvers: Sequence[str], has_webhook: bool) -> Iterator[Told]:
    if data.customer_id is not None:
        yield Told(audience="customer", person=data.customer_id, channel="mail")
    if data.agent_id is not None:
        yield Told(audience="agent", person=data.agent_id, channel="mail")
    if has_webhook:
        yield Told(audience="webhook", person=None, channel="webhook")


def _asked(data: ApprovalEvent, _approvers: Sequence[str], _has_webhook: bool) -> Iterator[Told]:
    for person in data.approval.approvers:
        yield Told(audience="approver", person=person, channel="mail")


def _giver(data: ApprovalEvent, _approvers: Sequence[str], _has_webhook: bool) -> Iterator[Told]:
    if data.giver is not None:
        yield Told(audience="giver", person=data.giver, channel="mail")


RULES: Final[dict[str, Callable[..., Iterator[Told]]]] = {
    types.DECISION_APPROVED: _final_decision,
    types.DECISION_REFUSED: _final_decision,
    types.DECISION_WITHDRAWN: _final_decision,
    types.DECISION_ESCALATED: _decision,
    types.APPROVAL_REQUESTED: _asked,
    types.APPROVAL_LATE: _giver,
    types.APPROVAL_NOT_ENTITLED: _giver,
}
"""Type -> who. approval.closed tells nobody: the decision in the same input does."""
