"""What was concluded on a request (DESIGN.md, Contracts)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, JsonValue

from schemas.ids import AgentId, ApprovalId, CaseId, CustomerId, EventId, Name, RequestId, Role
from schemas.model import Frozen
from schemas.moment import Moment

Outcome = Literal["approved", "escalated", "refused", "withdrawn"]
By = Literal["mandate", "discretion", "prohibition", "person", "ladder"]


class PolicyRef(Frozen):
    """The policy version that made a decision; `digest` is sha256 of its canonical JSON (RFC 8785)."""

    name: Name
    version: str
    digest: str


class Reason(Frozen):
    """Why: a code, a sentence in English, and the figures that matter."""

    code: str
    text: str
    mandate: Name | None = Field(default=None, exclude_if=lambda value: value is None)
    prohibition: Name | None = Field(default=None, exclude_if=lambda value: value is None)
    figures: dict[str, JsonValue] = Field(default_factory=dict)


class AgentRef(Frozen):
    """The role and team that the asking agent had at that moment; null where the agent is not known."""

    role: Role | None = None
    team: str | None = None


class Charge(Frozen):
    """What a decision took from a budget, in minor units or a count."""

    budget: str
    scope: str
    window: str
    amount: str | None = Field(default=None, exclude_if=lambda value: value is None)
    count: int | None = Field(default=None, exclude_if=lambda value: value is None)


class Decision(Frozen):
    """The data of `mandaat.decision.*`: what is needed to explain it and to rebuild the ledger."""

    decision_id: EventId
    case_id: CaseId
    request_id: RequestId
    outcome: Outcome
    final: bool = Field(description="False only when escalated.")
    by: By | None = Field(description="Null when escalated.")
    decided_by: AgentId | None = Field(default=None, description="The person, where one decided.")
    mandate: Name | None = None
    amount: str | None = None
    currency: str | None = None
    agent_id: AgentId | None = None
    customer_id: CustomerId
    policy: PolicyRef
    reasons: tuple[Reason, ...] = ()
    on_the_spot: str | None = Field(
        default=None, description="The largest amount that could have been granted at once, where any."
    )
    charges: tuple[Charge, ...] = ()
    request_digest: str
    agent: AgentRef = AgentRef()
    approval_id: ApprovalId | None = None
    respond_by: Moment | None = None
