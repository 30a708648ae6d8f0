"""The decision on a request."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, JsonValue

from schemas.ids import AgentId, ApprovalId, CaseId, CustomerId, EventId, Name, RequestId, Role
from schemas.model import Frozen, Text, is_absent
from schemas.moment import Moment

Outcome = Literal["approved", "escalated", "refused", "withdrawn"]
By = Literal["mandate", "discretion", "prohibition", "person", "ladder"]


class PolicyRef(Frozen):
    """The policy version of a decision."""

    name: Name = Field(description="The tenant of the policy.")
    version: str = Field(description="The version that its author gave it.")
    digest: str = Field(
        description="The sha256, in hexadecimal, of the policy's canonical JSON (RFC 8785). It identifies the"
        " version."
    )


class Reason(Frozen):
    """A reason: a code, a sentence in English, and its figures."""

    code: str = Field(description="A code for software: `over_limit`, `fact_missing`, `no_mandate`, ...")
    text: str = Field(description="A sentence for people, in English.")
    mandate: Name | None = Field(
        default=None, exclude_if=is_absent, description="The mandate that the reason is about."
    )
    prohibition: Name | None = Field(
        default=None, exclude_if=is_absent, description="The prohibition that the reason is about."
    )
    figures: dict[str, JsonValue] = Field(
        default_factory=dict, description="The figures of the reason, such as `limit` or `left`."
    )


class AgentRef(Frozen):
    """The role and team of the asking agent when the request was judged; null if the agent is unknown."""

    role: Role | None = None
    team: str | None = None


class Charge(Frozen):
    """A charge to a budget, in money or as a count. It is negative if a withdrawal gives it back."""

    budget: str = Field(description="The id of the budget; `<mandate>.<id>` if a mandate defines it.")
    scope: str = Field(
        description="The scope: `agent:agent-01`, `team:north`, `customer:cu-1`, `case:c-1` or `tenant`."
    )
    window: str = Field(
        description="The window: `2026-03-02T14+01:00` (an hour), `2026-03-02`, `2026-W10`, `2026-03`,"
        " `2026-Q1` or `2026`; for an `Nd` window the day."
    )
    days: int | None = Field(
        default=None,
        exclude_if=is_absent,
        description="The N of an `Nd` window, which is any N days in a row.",
    )
    amount: str | None = Field(
        default=None,
        exclude_if=is_absent,
        description="The amount, in major units of the decision's currency.",
    )
    count: int | None = Field(
        default=None, exclude_if=is_absent, description="The number of decisions that are charged."
    )


class BudgetWarning(Frozen):
    """A budget that this decision brought to its `warn_at` or above."""

    budget: str = Field(description="The id of the budget, as in `charges`.")
    scope: str = Field(description="The scope, as in `charges`.")
    window: str = Field(description="The window, as in `charges`.")
    days: int | None = Field(
        default=None,
        exclude_if=is_absent,
        description="The N of an `Nd` window, which is any N days in a row.",
    )
    used: str | int = Field(
        description="The use after this decision: an amount in its currency, or a number of decisions."
    )
    limit: str | int = Field(description="The most for one window, in the same form.")
    at: int = Field(description="The `warn_at` of the policy, in percent.")
    leads: tuple[AgentId, ...] = Field(
        default=(), description="The people who are told. All warnings of a decision name at most 100."
    )


class Decision(Frozen):
    """The data of `mandaat.decision.*`. It is enough to explain the decision and to rebuild the ledger."""

    decision_id: EventId
    case_id: CaseId
    request_id: RequestId
    outcome: Outcome = Field(description="The outcome.")
    final: bool = Field(description="False if the outcome is `escalated`, else true.")
    by: By | None = Field(description="The kind of authority that decided; null if it is escalated.")
    decided_by: AgentId | None = Field(
        default=None, description="The person who decided or withdrew it, if known."
    )
    mandate: Name | None = Field(default=None, description="The mandate under which it was granted.")
    amount: str | None = Field(
        default=None, description="The requested amount in major units, or the amount that a person granted."
    )
    currency: str | None = Field(
        default=None, description="An ISO 4217 code: of `amount`, and of `on_the_spot`."
    )
    agent_id: AgentId | None = Field(default=None, description="The agent who asked.")
    customer_id: CustomerId | None = Field(
        description="The customer; null only if the request was withdrawn before it arrived."
    )
    policy: PolicyRef
    reasons: tuple[Reason, ...] = Field(
        default=(),
        description="One reason for each prohibition that applies and each mandate that does not grant; or"
        " the reason of the withdrawal.",
    )
    on_the_spot: str | None = Field(
        default=None, description="The largest amount that could have been granted at once, if any."
    )
    charges: tuple[Charge, ...] = Field(
        default=(), description="The charges to budgets; for a withdrawal, the charges that it gives back."
    )
    request_digest: str = Field(
        description="The digest of the request. It distinguishes a repeat from a conflict."
    )
    agent: AgentRef = AgentRef()
    approval_id: ApprovalId | None = Field(default=None, description="The approval, if it was escalated.")
    respond_by: Moment | None = Field(
        default=None, description="The time by which the customer is promised an answer, if any."
    )
    note: Text | None = Field(
        default=None,
        exclude_if=is_absent,
        description="The words of the person who decided, for colleagues. Left out if there are none.",
    )
    warnings: tuple[BudgetWarning, ...] | None = Field(
        default=None,
        exclude_if=is_absent,
        description="The budgets that this decision brought to their `warn_at`. Left out if there are none.",
    )
