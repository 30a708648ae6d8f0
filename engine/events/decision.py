"""The data of decision.*, from what was proposed (DESIGN.md, Contracts)."""

from __future__ import annotations

from functools import lru_cache
from typing import assert_never

from engine.events.envelope import FIRST
from engine.judging import conclusions as proposals
from engine.judging.assessment import Proposal
from engine.judging.budgets import Charges
from engine.judging.conclusions import Approved, Conclusion, Escalated, Refused, Requester
from engine.policy.book import PolicyName
from schemas.case import Case
from schemas.decision import AgentRef, By, Charge, Decision, Outcome, PolicyRef, Reason
from schemas.ids import approval_id, derived_id
from schemas.model import construct_trusted
from schemas.money import Money
from schemas.types import DECISION_TYPES


def decision_id(case: Case, outcome: Outcome, number: int = FIRST) -> str:
    """The id of a decision, and of the event that carries it: the same for the same input, for ever."""
    return derived_id(DECISION_TYPES[outcome], case.tenant, case.case_id, case.request.request_id, number)


def first_decision(case: Case, proposal: Proposal, chosen_option: Conclusion, digest: str) -> Decision:
    """The first decision on a request of this digest, where this is what was concluded of the proposal."""
    outcome, by = _conclusion(chosen_option)
    request = case.request
    return construct_trusted(
        Decision,
        decision_id=decision_id(case, outcome),
        case_id=case.case_id,
        request_id=request.request_id,
        outcome=outcome,
        final=outcome != "escalated",
        by=by,
        decided_by=None,
        mandate=chosen_option.mandate if isinstance(chosen_option, Approved) else None,
        amount=None if request.money is None else request.money.text,
        currency=request.currency,
        agent_id=case.agent_id,
        customer_id=case.customer.id,
        policy=policy_ref(proposal.policy),
        reasons=told(chosen_option.reasons),
        on_the_spot=_on_the_spot(chosen_option),
        charges=charged(chosen_option.charges, request.currency)
        if isinstance(chosen_option, Approved)
        else (),
        request_digest=digest,
        agent=agent_ref(proposal.requester),
        approval_id=approval_id(case.case_id, request.request_id) if outcome == "escalated" else None,
        respond_by=None,
    )


# The same few for thousands of decisions a second; building a model takes longer than judging a mandate.
@lru_cache(maxsize=1_000)
def policy_ref(policy: PolicyName) -> PolicyRef:
    """The policy version that decides, as the contracts write it."""
    return construct_trusted(PolicyRef, name=policy.name, version=policy.version, digest=policy.digest)


@lru_cache(maxsize=10_000)
def agent_ref(requester: Requester) -> AgentRef:
    """The role and team of the asking agent, as the contracts write them."""
    return construct_trusted(AgentRef, role=requester.role, team=requester.team)


def told(given: tuple[proposals.Reason, ...]) -> tuple[Reason, ...]:
    """Reasons as the contracts write them."""
    return tuple(
        construct_trusted(
            Reason,
            code=one.code,
            text=one.text,
            mandate=one.mandate,
            prohibition=one.prohibition,
            figures=dict(one.figures),
        )
        for one in given
    )


def charged(charges: Charges, currency: str | None) -> tuple[Charge, ...]:
    """Charges as the contracts write them; `currency` is the one of the amounts."""
    return tuple(
        construct_trusted(
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


def _conclusion(chosen_option: Conclusion) -> tuple[Outcome, By | None]:
    match chosen_option:
        case Approved():
            return "approved", chosen_option.by
        case Escalated():
            return "escalated", None
        case Refused():
            return "refused", chosen_option.by
        case _:
            assert_never(chosen_option)


def _on_the_spot(chosen_option: Conclusion) -> str | None:
    if isinstance(chosen_option, Escalated) and chosen_option.on_the_spot is not None:
        return chosen_option.on_the_spot.text
    return None
