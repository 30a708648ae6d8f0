"""The data of decision.*, from what was proposed (DESIGN.md, Contracts)."""

from __future__ import annotations

from functools import lru_cache
from typing import assert_never

from schemas.case import Case
from schemas.decision import AgentRef, By, Charge, Decision, Outcome, PolicyRef, Reason
from schemas.ids import approval_id, derived_id
from schemas.model import built
from schemas.money import Money
from schemas.types import DECISION_TYPES
from services.rules.core import proposals
from services.rules.core.assess import Proposal
from services.rules.core.budgets import Takes
from services.rules.core.envelope import FIRST
from services.rules.core.policy.book import PolicyName
from services.rules.core.proposals import Approved, Asker, Escalated, Refused, Variant


def decision_id(case: Case, outcome: Outcome, number: int = FIRST) -> str:
    """The id of a decision, and of the event that carries it: the same for the same input, for ever."""
    return derived_id(DECISION_TYPES[outcome], case.tenant, case.case_id, case.request.request_id, number)


def first_decision(case: Case, proposal: Proposal, variant: Variant, digest: str) -> Decision:
    """The first decision on a request of this digest, where this is what was concluded of the proposal."""
    outcome, by = _conclusion(variant)
    request = case.request
    return built(
        Decision,
        decision_id=decision_id(case, outcome),
        case_id=case.case_id,
        request_id=request.request_id,
        outcome=outcome,
        final=outcome != "escalated",
        by=by,
        decided_by=None,
        mandate=variant.mandate if isinstance(variant, Approved) else None,
        amount=None if request.money is None else request.money.text,
        currency=request.currency,
        agent_id=case.agent_id,
        customer_id=case.customer.id,
        policy=policy_ref(proposal.policy),
        reasons=told(variant.reasons),
        on_the_spot=_on_the_spot(variant),
        charges=charged(variant.charges, request.currency) if isinstance(variant, Approved) else (),
        request_digest=digest,
        agent=agent_ref(proposal.asker),
        approval_id=approval_id(case.case_id, request.request_id) if outcome == "escalated" else None,
        respond_by=None,
    )


# The same few for thousands of decisions a second; building a model takes longer than judging a mandate.
@lru_cache(maxsize=1_000)
def policy_ref(policy: PolicyName) -> PolicyRef:
    """The policy version that decides, as the contracts write it."""
    return built(PolicyRef, name=policy.name, version=policy.version, digest=policy.digest)


@lru_cache(maxsize=10_000)
def agent_ref(asker: Asker) -> AgentRef:
    """The role and team of the asking agent, as the contracts write them."""
    return built(AgentRef, role=asker.role, team=asker.team)


def told(given: tuple[proposals.Reason, ...]) -> tuple[Reason, ...]:
    """Reasons as the contracts write them."""
    return tuple(
        built(
            Reason,
            code=one.code,
            text=one.text,
            mandate=one.mandate,
            prohibition=one.prohibition,
            figures=dict(one.figures),
        )
        for one in given
    )


def charged(charges: Takes, currency: str | None) -> tuple[Charge, ...]:
    """Charges as the contracts write them; `currency` is the one of the amounts."""
    return tuple(
        built(
            Charge,
            budget=one.budget.id,
            scope=one.scope,
            window=one.window,
            days=one.days or None,
            amount=None if one.budget.cap is None or currency is None else Money(one.amount, currency).text,
            count=one.amount if one.budget.cap is None else None,
        )
        for one in charges
    )


def _conclusion(variant: Variant) -> tuple[Outcome, By | None]:
    match variant:
        case Approved():
            return "approved", variant.by
        case Escalated():
            return "escalated", None
        case Refused():
            return "refused", variant.by
        case _:
            assert_never(variant)


def _on_the_spot(variant: Variant) -> str | None:
    if isinstance(variant, Escalated) and variant.on_the_spot is not None:
        return variant.on_the_spot.text
    return None
