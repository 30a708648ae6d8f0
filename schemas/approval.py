"""An escalated request that waits for a person (DESIGN.md, Words and Contracts)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from schemas.case import Case, Customer
from schemas.decision import AgentRef, PolicyRef, Reason
from schemas.ids import AgentId, ApprovalId, CaseId, EventId, PlainId, RequestId, Role, Tenant
from schemas.model import Frozen, Text
from schemas.moment import Moment

ApprovalState = Literal["open", "acknowledged", "returned", "closed"]


class Closing(Frozen):
    """How an approval ended."""

    outcome: Literal["approved", "refused", "withdrawn"]
    decision_id: EventId = Field(description="Of the decision that closed it.")
    decided_by: AgentId | None = Field(description="The person who decided or withdrew it, where known.")
    reply_id: PlainId | None = Field(description="The reply that closed it, where one did.")


class Approval(Frozen):
    """The whole state of an approval; `version` rises by one with each event that changes it.

    `case` is the case without the customer's name and address: what a verdict is judged on is kept for ever
    in the journal, so it holds no more than expressions may see.
    """

    approval_id: ApprovalId
    tenant: Tenant
    case_id: CaseId
    request_id: RequestId
    state: ApprovalState
    version: Annotated[int, Field(ge=1)]
    opened_at: Moment
    respond_by: Moment | None = Field(default=None, description="When the customer hears, where promised.")
    case: Case
    agent: AgentRef = Field(description="Role and team of who asked, at that moment.")
    step: Role = Field(description="The role whose turn it is.")
    approvers: tuple[AgentId, ...] = Field(
        default=(), description="Who rules found entitled at that moment; judged again at the verdict."
    )
    escalation: EventId = Field(description="The decision_id of decision.escalated.")
    policy: PolicyRef
    request_digest: str = Field(description="As on the decision that opened it.")
    closing: Closing | None = Field(default=None, description="How it ended, when it has.")


class ApprovalEvent(Frozen):
    """The data of `mandaat.approval.*`."""

    approval: Approval = Field(description="Its whole state after this event.")
    giver: AgentId | None = Field(default=None, description="Who replied, where somebody did.")
    reply_id: PlainId | None = Field(default=None, description="The reply that caused this, if one did.")
    reply_digest: str | None = Field(
        default=None,
        description="Of the reply's content: by it a repeat of the reply is told from a conflict.",
    )
    note: Text | None = Field(default=None, description="What the giver wrote.")
    reasons: tuple[Reason, ...] = Field(
        default=(), description="Why it was escalated, or why a reply had no effect."
    )


def without_personal_data(case: Case) -> Case:
    """The case as an approval keeps it."""
    customer = Customer.model_construct(
        id=case.customer.id, language=case.customer.language, name=None, email=None
    )
    return case.model_copy(update={"customer": customer})
