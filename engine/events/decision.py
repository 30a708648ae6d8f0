"""Build decisions. All decisions, by a mandate or by a person, are built here (docs/contracts.md, Events)."""

from __future__ import annotations

from functools import lru_cache

from engine.events.envelope import CLOSING, FIRST
from engine.judging import budgets as judging
from engine.judging import conclusions
from engine.judging.assessment import RequestAssessment
from engine.judging.budget_warnings import BudgetWarnings
from engine.judging.budgets import Charges
from engine.judging.conclusions import ClosingConclusion, Conclusion, Requester
from engine.policy.book import PolicyBook, PolicyName
from schemas.approval import Approval
from schemas.case import Case
from schemas.decision import AgentRef, BudgetWarning, By, Charge, Decision, Outcome, PolicyRef, Reason
from schemas.ids import approval_id, derived_id
from schemas.model import construct_trusted
from schemas.money import Money
from schemas.reply import Verdict
from schemas.types import DECISION_TYPES


def decision_id(case: Case, outcome: Outcome, number: int = FIRST) -> str:
    """The id of a decision, and of its event. The same input always gets the same id."""
    return derived_id(DECISION_TYPES[outcome], case.tenant, case.case_id, case.request.request_id, number)


def build_decision(
    *,
    decision_id: str,
    case_id: str,
    request_id: str,
    outcome: Outcome,
    by: By | None,
    agent_id: str | None,
    customer_id: str | None,
    policy: PolicyRef,
    request_digest: str,
    agent: AgentRef,
    decided_by: str | None = None,
    mandate: str | None = None,
    amount: str | None = None,
    currency: str | None = None,
    reasons: tuple[Reason, ...] = (),
    on_the_spot: str | None = None,
    charges: tuple[Charge, ...] = (),
    approval_id: str | None = None,
    note: str | None = None,
    warnings: tuple[BudgetWarning, ...] | None = None,
) -> Decision:
    """Build a decision. The fields are in the order of the JSON."""
    return construct_trusted(
        Decision,
        decision_id=decision_id,
        case_id=case_id,
        request_id=request_id,
        outcome=outcome,
        final=outcome != "escalated",
        by=by,
        decided_by=decided_by,
        mandate=mandate,
        amount=amount,
        currency=currency,
        agent_id=agent_id,
        customer_id=customer_id,
        policy=policy,
        reasons=reasons,
        on_the_spot=on_the_spot,
        charges=charges,
        request_digest=request_digest,
        agent=agent,
        approval_id=approval_id,
        respond_by=None,
        note=note,
        warnings=warnings or None,
    )


def first_decision(
    case: Case, assessment: RequestAssessment, conclusion: Conclusion, digest: str
) -> Decision:
    """The first decision on a request. `digest`: the digest of the request."""
    request, money, spot = case.request, case.request.money, conclusion.on_the_spot
    escalated = conclusion.outcome == "escalated"
    return build_decision(
        decision_id=decision_id(case, conclusion.outcome),
        case_id=case.case_id,
        request_id=request.request_id,
        outcome=conclusion.outcome,
        by=conclusion.by,
        mandate=conclusion.mandate,
        amount=None if money is None else money.text,
        currency=spot.currency if request.currency is None and spot is not None else request.currency,
        agent_id=case.agent_id,
        customer_id=case.customer.id,
        policy=policy_ref(assessment.policy),
        reasons=event_reasons(conclusion.reasons),
        on_the_spot=None if spot is None else spot.text,
        charges=event_charges(conclusion.charges, request.currency),
        warnings=event_warnings(conclusion.warnings, request.currency),
        request_digest=digest,
        agent=agent_ref(assessment.requester),
        approval_id=approval_id(case.case_id, request.request_id) if escalated else None,
    )


def closing_decision(
    approval: Approval, conclusion: ClosingConclusion, verdict: Verdict, book: PolicyBook
) -> Decision:
    """The decision that closes an escalation. `verdict`: of the person who decided."""
    case = approval.case
    money = case.request.money if conclusion.money is None else conclusion.money
    return build_decision(
        decision_id=decision_id(case, conclusion.outcome, CLOSING),
        case_id=approval.case_id,
        request_id=approval.request_id,
        outcome=conclusion.outcome,
        by=conclusion.by,
        decided_by=verdict.agent_id,
        mandate=conclusion.mandate,
        amount=None if money is None else money.text,
        currency=case.request.currency if money is None else money.currency,
        agent_id=case.agent_id,
        customer_id=case.customer.id,
        policy=policy_ref(book.ref),
        reasons=event_reasons(conclusion.reasons),
        charges=event_charges(conclusion.charges, None if money is None else money.currency),
        warnings=event_warnings(conclusion.warnings, None if money is None else money.currency),
        request_digest=approval.request_digest,
        agent=approval.agent,
        approval_id=approval.approval_id,
        note=verdict.reason or None,
    )


# Thousands of decisions a second share a few values, and building a model takes longer than judging.
@lru_cache(maxsize=1_000)
def policy_ref(policy: PolicyName) -> PolicyRef:
    """The policy version of a decision, as events write it."""
    return construct_trusted(PolicyRef, name=policy.name, version=policy.version, digest=policy.digest)


@lru_cache(maxsize=10_000)
def agent_ref(requester: Requester) -> AgentRef:
    """The role and team of the asking agent, as events write them."""
    return construct_trusted(AgentRef, role=requester.role, team=requester.team)


def event_reasons(given: tuple[conclusions.Reason, ...]) -> tuple[Reason, ...]:
    """Reasons as events write them."""
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


def event_charge(
    *, budget: str, scope: str, window: str, days: int | None, amount: str | None, count: int | None
) -> Charge:
    """A charge as events write it: an amount of money or a count, of either sign."""
    return construct_trusted(
        Charge, budget=budget, scope=scope, window=window, days=days, amount=amount, count=count
    )


def event_charges(charges: Charges, currency: str | None) -> tuple[Charge, ...]:
    """Charges as events write them. `currency`: the currency of the amounts."""
    return tuple(
        event_charge(
            budget=one.budget.id,
            scope=one.scope,
            window=one.window,
            days=one.days or None,
            amount=None if one.budget.cap is None or currency is None else Money(one.amount, currency).text,
            count=one.amount if one.budget.cap is None else None,
        )
        for one in charges
    )


def event_warnings(warnings: BudgetWarnings, currency: str | None) -> tuple[BudgetWarning, ...]:
    """Warnings as events write them. `currency`: the currency of the amounts."""
    return tuple(
        construct_trusted(
            BudgetWarning,
            budget=charge.budget.id,
            scope=charge.scope,
            window=charge.window,
            days=charge.days or None,
            used=_use(charge, used, currency),
            limit=_use(charge, charge.budget.most, currency),
            at=charge.budget.warn_at,
            leads=leads,
        )
        for charge, used, leads in warnings
    )


def _use(charge: judging.Charge, use: int, currency: str | None) -> str | int:
    return use if charge.budget.cap is None or currency is None else Money(use, currency).text
