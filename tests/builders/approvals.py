"""Approvals, open and closed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from schemas.approval import Approval, Closing, without_personal_data
from schemas.case import Case
from schemas.decision import AgentRef
from schemas.ids import approval_id
from schemas.request_digest import request_digest
from tests.builders.decisions import POLICY, a_decision


def an_approval(case: Case, *approvers: str, version: int = 1, **changes: Any) -> Approval:
    """The open approval of an escalated request."""
    fields: dict[str, Any] = {
        "approval_id": approval_id(case.case_id, case.request.request_id),
        "tenant": case.tenant,
        "case_id": case.case_id,
        "request_id": case.request.request_id,
        "state": "open",
        "version": version,
        "opened_at": datetime.now(UTC),
        "case": without_personal_data(case),
        "agent": AgentRef(role="agent", team="north"),
        "step": "team_lead",
        "approvers": approvers,
        "escalation": a_decision(case, "escalated").decision_id,
        "policy": POLICY,
        "request_digest": request_digest(case),
    }
    return Approval.model_validate(fields | changes)


def a_closed_approval(
    case: Case, *approvers: str, by: str = "lead-01", outcome: str = "approved"
) -> Approval:
    """The same approval after a verdict."""
    closing = Closing.model_validate(
        {"outcome": outcome, "decision_id": "dec-2", "decided_by": by, "reply_id": "reply-1"}
    )
    return an_approval(case, *approvers, version=2, state="closed", closing=closing)


def an_approval_id(case_id: str = "c-1", request_id: str = "r1") -> str:
    """The id of the approval of that request."""
    return approval_id(case_id, request_id)
