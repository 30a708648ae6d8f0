"""The kinds of event that the notifier knows: for each its model, who is told, and which letter they get.

A new kind is one row of EVENT_KINDS and a template for each language. A kind whose data has a model of its
own also joins `Event`; the type checker then names the places that must read it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeAlias, assert_never

from schemas import types
from schemas.approval import ApprovalEvent
from schemas.cloud_event import CloudEvent
from schemas.decision import Decision
from schemas.notice import Audience
from services.notifier.planning import recipients
from services.notifier.planning.recipients import Party

Event: TypeAlias = CloudEvent[Decision] | CloudEvent[ApprovalEvent]


@dataclass(frozen=True)
class EventKind:
    """How an event of one type is read and told.

    `parties` says who is told, from the data of the event and the approvers who are still asked about its
    request.
    """

    model: type[CloudEvent[Decision]] | type[CloudEvent[ApprovalEvent]]
    parties: Callable[[Any, Sequence[str]], Iterator[Party]]
    letters: Mapping[Audience, str] = field(default_factory=dict)
    """Audience -> the template in letters/templates/<language>/."""


EVENT_KINDS: Final[Mapping[str, EventKind]] = {
    types.DECISION_APPROVED: EventKind(
        CloudEvent[Decision],
        recipients.of_approved_decision,
        {
            "customer": "customer_approved",
            "agent": "agent_approved",
            "approver": "approver_decided",
            "lead": "lead_budget",
        },
    ),
    types.DECISION_REFUSED: EventKind(
        CloudEvent[Decision],
        recipients.of_final_decision,
        {"customer": "customer_refused", "agent": "agent_refused", "approver": "approver_decided"},
    ),
    types.DECISION_WITHDRAWN: EventKind(
        CloudEvent[Decision],
        recipients.of_final_decision,
        {"customer": "customer_withdrawn", "agent": "agent_withdrawn", "approver": "approver_withdrawn"},
    ),
    types.DECISION_ESCALATED: EventKind(
        CloudEvent[Decision],
        recipients.of_decision,
        {"customer": "customer_escalated", "agent": "agent_escalated"},
    ),
    types.APPROVAL_REQUESTED: EventKind(
        CloudEvent[ApprovalEvent], recipients.of_open_approval, {"approver": "approver_requested"}
    ),
    types.APPROVAL_LATE: EventKind(
        CloudEvent[ApprovalEvent], recipients.of_uncounted_verdict, {"giver": "giver_late"}
    ),
    types.APPROVAL_NOT_ENTITLED: EventKind(
        CloudEvent[ApprovalEvent], recipients.of_uncounted_verdict, {"giver": "giver_not_entitled"}
    ),
    types.APPROVAL_CLOSED: EventKind(CloudEvent[ApprovalEvent], recipients.nobody),
}
"""Type of event -> its kind. approval.closed tells nobody: the decision published with it does."""


class RequestReference(NamedTuple):
    """The request that an event is about. `digest` is of the request's content."""

    case_id: str
    request_id: str
    digest: str


def request_of(event: Event) -> RequestReference:
    """The request that an event is about."""
    match event.data:
        case Decision() as decision:
            return RequestReference(decision.case_id, decision.request_id, decision.request_digest)
        case ApprovalEvent(approval=approval):
            return RequestReference(approval.case_id, approval.request_id, approval.request_digest)
    assert_never(event.data)
