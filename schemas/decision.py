"""What was concluded on a request (DESIGN.md, Contracts)."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, JsonValue

from schemas.ids import AgentId, ApprovalId, CaseId, CustomerId, EventId, Name, RequestId, Role
from schemas.model import Frozen
from schemas.moment import Moment

Outcome = Literal["approved", "escalated", "refused", "withdrawn"]
By = Literal["mandate", "discretion", "prohibition", "person", "ladder"]


def _absent(value: Any) -> bool:
    return value is None


class PolicyRef(Frozen):
    """The policy version that made a decision; `digest` is sha256 of its canonical JSON (RFC 8785)."""

    name: Name = Field(description="The tenant, by which a policy goes.")
    version: str = Field(description="As its author wrote it.")
    digest: str = Field(description="sha256 in hexadecimal: what this version is found by.")


class Reason(Frozen):
    """Why: a code, a sentence in English, and the figures that matter."""

    code: str = Field(description="For software: `over_limit`, `fact_missing`, `no_mandate`, ...")
    text: str = Field(description="For people, in English.")
    mandate: Name | None = Field(default=None, exclude_if=_absent, description="The mandate it is about.")
    prohibition: Name | None = Field(
        default=None, exclude_if=_absent, description="The prohibition it is about."
    )
    figures: dict[str, JsonValue] = Field(default_factory=dict, description="Such as `limit` or `left`.")


class AgentRef(Frozen):
    """The role and team that the asking agent had at that moment; null where the agent is not known."""

    role: Role | None = None
    team: str | None = None


class Charge(Frozen):
    """What a decision took from a budget, money or a count; less than 0 where a withdrawal gives it back."""

    budget: str = Field(description="The budget's id; an inline one is `<mandate>.<id>`.")
    scope: str = Field(description="`agent:agent-01`, `team:north`, `customer:cu-1` or `tenant`.")
    window: str = Field(description="`2026-03-02`, `2026-W10`, `2026-03` or `2026`; for `Nd` the day.")
    days: int | None = Field(
        default=None, exclude_if=_absent, description="N, where the window is any run of N days (`Nd`)."
    )
    amount: str | None = Field(
        default=None, exclude_if=_absent, description="In major units of the decision's currency."
    )
    count: int | None = Field(default=None, exclude_if=_absent, description="How often it was granted.")


class Decision(Frozen):
    """The data of `mandaat.decision.*`: what is needed to explain it and to rebuild the ledger."""

    decision_id: EventId
    case_id: CaseId
    request_id: RequestId
    outcome: Outcome = Field(description="What was concluded.")
    final: bool = Field(description="False only when escalated.")
    by: By | None = Field(description="What or who concluded it; null when escalated.")
    decided_by: AgentId | None = Field(
        default=None, description="The person who decided or withdrew it, where known."
    )
    mandate: Name | None = Field(default=None, description="The mandate under which it was granted.")
    amount: str | None = Field(
        default=None, description="In major units: what was asked, or what a person granted in its place."
    )
    currency: str | None = Field(default=None, description="ISO 4217.")
    agent_id: AgentId | None = Field(default=None, description="Who asked.")
    customer_id: CustomerId | None = Field(
        description="Null only where a request is withdrawn that never came."
    )
    policy: PolicyRef
    reasons: tuple[Reason, ...] = Field(
        default=(),
        description="Of each prohibition that refuses, each mandate passed over, or of the withdrawal.",
    )
    on_the_spot: str | None = Field(
        default=None, description="The largest amount that could have been granted at once, where any."
    )
    charges: tuple[Charge, ...] = Field(
        default=(), description="What it took from which budgets; withdrawn, what it gives back."
    )
    request_digest: str = Field(description="Of what was asked: by it a repeat is told from a conflict.")
    agent: AgentRef = AgentRef()
    approval_id: ApprovalId | None = Field(default=None, description="The approval, where it was escalated.")
    respond_by: Moment | None = Field(default=None, description="When the customer hears, where promised.")
