"""An approval: an escalated request that waits for a person's verdict."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from schemas.case import Case, Customer
from schemas.decision import AgentRef, PolicyRef, Reason
from schemas.ids import AgentId, ApprovalId, CaseId, EventId, Name, PlainId, RequestId, Role, Tenant
from schemas.model import Frozen, Text, is_absent
from schemas.moment import Moment


def _is_empty(value: tuple[object, ...]) -> bool:
    return not value


ApprovalState = Literal["open", "acknowledged", "returned", "closed"]


class Closing(Frozen):
    """The end of an approval."""

    outcome: Literal["approved", "refused", "withdrawn"]
    decision_id: EventId = Field(description="The id of the decision that closed it.")
    decided_by: AgentId | None = Field(description="The person who decided or withdrew it, if known.")
    reply_id: PlainId | None = Field(description="The reply that closed it, if it was a reply.")


class Cover(Frozen):
    """The mandate with which a person may grant most of the request."""

    mandate: Name = Field(
        description="The one with the highest limit of those that cover the request, or else of those for it."
    )
    limit: str | None = Field(
        default=None,
        exclude_if=is_absent,
        description="Its limit in major units, for this request. Left out if it has none.",
    )
    currency: str | None = Field(
        default=None, exclude_if=is_absent, description="The currency of the limit. Left out without one."
    )
    grants: bool = Field(
        description="Whether it covers the request as asked. Its budgets are checked with the verdict."
    )


class Told(Frozen):
    """A person who is told: their own mandate, and the absent person in whose place they are told."""

    agent_id: AgentId
    stands_in_for: AgentId | None = Field(
        default=None, exclude_if=is_absent, description="The absent person in whose place they are told."
    )
    covers: Cover | None = Field(
        default=None,
        exclude_if=is_absent,
        description="Their own mandate for the request. Left out if none of theirs is for it.",
    )


class Approval(Frozen):
    """The complete state of an approval. Each event that changes it raises `version` by one.

    `case` has no name and address of the customer. The journal keeps it for ever, so it holds only the fields
    that expressions may read.
    """

    approval_id: ApprovalId
    tenant: Tenant
    case_id: CaseId
    request_id: RequestId
    state: ApprovalState
    version: Annotated[int, Field(ge=1)]
    opened_at: Moment
    respond_by: Moment | None = Field(
        default=None, description="The time by which the customer is promised an answer, if any."
    )
    case: Case
    agent: AgentRef = Field(description="The role and team of the asking agent when the request was judged.")
    step: Role = Field(description="The role that is asked.")
    approvers: tuple[AgentId, ...] = Field(
        default=(),
        description="The people who are told. Others may be entitled to answer too; each verdict is checked.",
    )
    escalation: EventId = Field(description="The decision_id of decision.escalated.")
    policy: PolicyRef
    request_digest: str = Field(description="The digest of the request, as in the decision that opened it.")
    closing: Closing | None = Field(default=None, description="The end of the approval, once it is closed.")
    told: tuple[Told, ...] = Field(
        default=(),
        exclude_if=_is_empty,
        description="The first of `approvers`, each with their mandate and the person in whose place they are"
        " told. Left out if nobody is told.",
    )


class ApprovalEvent(Frozen):
    """The data of `mandaat.approval.*`."""

    approval: Approval = Field(description="The complete state after this event.")
    giver: AgentId | None = Field(
        default=None, description="The person who replied, if the event follows a reply."
    )
    reply_id: PlainId | None = Field(default=None, description="The reply that caused this event, if any.")
    reply_digest: str | None = Field(
        default=None,
        description="The digest of the reply. It distinguishes a repeat of the reply from a conflict.",
    )
    note: Text | None = Field(default=None, description="The text that the person wrote.")
    reasons: tuple[Reason, ...] = Field(
        default=(), description="The reasons of the escalation, or of a reply that had no effect."
    )
    verdict: Literal["approve", "reject"] | None = Field(
        default=None,
        exclude_if=is_absent,
        description="The verdict that the person gave. Left out if the event follows no verdict.",
    )


def without_personal_data(case: Case) -> Case:
    """The case without the customer's name and address, as an approval stores it."""
    customer = Customer.model_construct(
        id=case.customer.id, language=case.customer.language, name=None, email=None
    )
    return case.model_copy(update={"customer": customer})
