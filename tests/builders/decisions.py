"""Decisions of rules and their reasons."""

from __future__ import annotations

from typing import Any

from schemas import types
from schemas.case import Case
from schemas.decision import AgentRef, BudgetWarning, Decision, PolicyRef, Reason
from schemas.ids import approval_id, derived_id
from schemas.request_digest import request_digest

POLICY = PolicyRef(name="acme", version="2026-03-01", digest="d" * 64)


def a_decision(case: Case, outcome: str = "approved", **changes: Any) -> Decision:
    """The decision on the request of a case."""
    escalated = outcome == "escalated"
    fields: dict[str, Any] = {
        "decision_id": derived_id(
            types.DECISION_TYPES[outcome], case.tenant, case.case_id, case.request.request_id
        ),
        "case_id": case.case_id,
        "request_id": case.request.request_id,
        "outcome": outcome,
        "final": not escalated,
        "by": None if escalated else "mandate",
        "mandate": "late-delivery" if outcome == "approved" else None,
        "amount": case.request.amount,
        "currency": case.request.currency,
        "agent_id": case.agent_id,
        "customer_id": case.customer.id,
        "policy": POLICY,
        "reasons": (over_limit(),) if escalated else (),
        "request_digest": request_digest(case),
        "agent": AgentRef(role="agent", team="north"),
        "approval_id": approval_id(case.case_id, case.request.request_id) if escalated else None,
    }
    return Decision.model_validate(fields | changes)


def over_limit(limit: str = "40.00") -> Reason:
    """The reason that the amount is over a mandate's limit."""
    return Reason(code="over_limit", text="Over.", mandate="late-delivery", figures={"limit": limit})


def a_budget_warning(**changes: Any) -> BudgetWarning:
    """200.00 of 250.00 is used of the budget of agent-01 for a day."""
    fields: dict[str, Any] = {
        "budget": "goodwill-day",
        "scope": "agent:agent-01",
        "window": "2026-03-02",
        "used": "200.00",
        "limit": "250.00",
        "at": 80,
        "leads": ("lead-01", "lead-02"),
    }
    return BudgetWarning.model_validate(fields | changes)
