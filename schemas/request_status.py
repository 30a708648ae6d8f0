"""Where a request stands: the body of an answer in the same call, and of a later poll."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from schemas.approval import ApprovalEvent
from schemas.cloud_event import CloudEvent, Sequence
from schemas.decision import Decision
from schemas.ids import AgentId, CaseId, RequestId, Role
from schemas.model import Frozen
from schemas.moment import Moment

RequestState = Literal["pending", "approved", "escalated", "refused", "withdrawn", "failed"]


class Failure(Frozen):
    """The reason why a request, a withdrawal or a reply became a dead letter."""

    reason: str = Field(description="A code for software, such as `conflict`.")
    detail: str = Field(description="A sentence for people, in English.")


class RequestStatus(Frozen):
    """Where a request stands."""

    case_id: CaseId
    request_id: RequestId
    state: RequestState = Field(
        description="The outcome of the newest decision; `pending` before there is one; `failed` if the"
        " request became a dead letter."
    )
    decision: Decision | None = Field(default=None, description="The newest decision, if there is one.")
    decided_at: Moment | None = Field(default=None, description="The time of that decision.")
    sequence: Sequence | None = Field(
        default=None, description="The sequence of that decision. A decision with a higher one is newer."
    )
    step: Role | None = Field(default=None, description="The role that is asked, while it is escalated.")
    approvers: tuple[AgentId, ...] = Field(
        default=(), description="The people who are asked, while it is escalated."
    )
    failure: Failure | None = Field(default=None, description="Why it failed, if it did.")
    status_url: str | None = Field(
        default=None, description="The address of the whole case; null if the service does not know it."
    )


def status_of(
    decided: CloudEvent[Decision],
    asked: CloudEvent[ApprovalEvent] | None = None,
    *,
    status_url: str | None = None,
) -> RequestStatus:
    """The status of a request after its newest decision. `asked`: the newest event of its open approval."""
    decision = decided.data
    approval = asked.data.approval if asked is not None and decision.outcome == "escalated" else None
    return RequestStatus(
        case_id=decision.case_id,
        request_id=decision.request_id,
        state=decision.outcome,
        decision=decision,
        decided_at=decided.time,
        sequence=decided.sequence,
        step=approval.step if approval is not None else None,
        approvers=approval.approvers if approval is not None else (),
        status_url=status_url,
    )
