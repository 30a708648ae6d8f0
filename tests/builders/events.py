"""CloudEvents: as contact-centre software sends them, and as intake and rules publish them."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from schemas import types
from schemas.approval import Approval, ApprovalEvent
from schemas.cloud_event import CloudEvent
from schemas.decision import Decision
from schemas.ids import approval_id, derived_id
from tests.builders.bodies import changed
from tests.builders.cases import a_case_body

STRUCTURED = (("content-type", b"application/cloudevents+json"),)
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
SUBMITTED_AT = "2026-03-02T08:00:01Z"

Headers = tuple[tuple[str, bytes | None], ...]


def an_inbound_event(data: Any = None, **changes: Any) -> dict[str, Any]:
    """A CloudEvent in structured mode around a case, as a caller sends it to mandaat.inbound."""
    event = {
        "specversion": "1.0",
        "id": "evt-1",
        "source": "https://crm.example/cases",
        "type": "mandaat.case.submitted.v1",
        "time": SUBMITTED_AT,
        "data": a_case_body() if data is None else data,
    }
    return changed(event, changes)


def binary_headers(**changes: Any) -> Headers:
    """The headers of a CloudEvent in binary mode."""
    attributes = {
        "specversion": "1.0",
        "id": "evt-1",
        "source": "https://crm.example/cases",
        "type": "mandaat.case.submitted.v1",
    }
    given = changed(attributes, changes)
    return (
        ("content-type", b"application/json"),
        *((f"ce_{name}", text.encode() if isinstance(text, str) else text) for name, text in given.items()),
    )


def a_submitted_event(case: Any = None, **changes: Any) -> dict[str, Any]:
    """The event case.submitted, as intake publishes it."""
    case = a_case_body() if case is None else case
    event = _from_intake("evt-1", "case.submitted", case) | {
        "subject": case.get("case_id"),
        "tenant": case.get("tenant"),
    }
    return changed(event, changes)


def a_withdrawn_event(*, data: Any = None, **changes: Any) -> dict[str, Any]:
    """The event case.withdrawn of request r1 of c-1; `data` changes its data."""
    asked = {"tenant": "acme", "case_id": "c-1", "request_id": "r1"}
    return changed(_from_intake("evt-3", "case.withdrawn", changed(asked, data or {})), changes)


def a_verdict_event(verdict: str = "approve", *, data: Any = None, **changes: Any) -> dict[str, Any]:
    """The event verdict.approve or .reject by lead-north on request r1 of c-1; `data` changes its data."""
    said = {
        "agent_id": "lead-north",
        "reply_id": "reply-1",
        "approval_id": approval_id("c-1", "r1"),
        "case_id": "c-1",
        "request_id": "r1",
    }
    return changed(_from_intake("evt-2", f"verdict.{verdict}", changed(said, data or {})), changes)


def a_decision_event(decision: Decision, tenant: str = "acme", at: datetime | None = None) -> Any:
    """The event decision.approved, .refused or .escalated, as rules publishes it."""
    type_ = types.DECISION_TYPES[decision.outcome]
    return _from_rules(type_, decision.decision_id, decision.case_id, tenant, decision, at)


def an_approval_event(type_: str, approval: Approval, at: datetime | None = None, **changes: Any) -> Any:
    """The event approval.requested, .closed, .late or .not_entitled, as rules publishes it."""
    data = ApprovalEvent(approval=approval, **changes)
    number = changes.get("reply_id", approval.version)
    id_ = derived_id(type_, approval.tenant, approval.case_id, approval.request_id, number)
    return _from_rules(type_, id_, approval.case_id, approval.tenant, data, at)


def _from_intake(id_: str, type_: str, data: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": id_,
        "source": "/mandaat/intake",
        "type": f"mandaat.{type_}.v1",
        "subject": "c-1",
        "time": SUBMITTED_AT,
        "tenant": "acme",
        "data": data,
    }


def _from_rules(type_: str, id_: str, case_id: str, tenant: str, data: Any, at: datetime | None) -> Any:
    settled_us = time.time_ns() // 1000
    model: Any = CloudEvent[Decision] if isinstance(data, Decision) else CloudEvent[ApprovalEvent]
    return model(
        id=id_,
        source="/mandaat/rules",
        type=type_,
        subject=case_id,
        time=at or datetime.now(UTC),
        datacontenttype="application/json",
        tenant=tenant,
        sequence=f"{settled_us:016d}",
        cause="input-1",
        data=data,
    )
