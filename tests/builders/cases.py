"""Cases, requests and withdrawals: as the JSON that a caller sends, and as values."""

from __future__ import annotations

from typing import Any

from schemas.case import Case
from schemas.reading import read
from tests.builders.bodies import as_bytes, changed

OF_REQUEST = ("request_id", "kind", "amount", "currency", "reason", "discretion")
OF_CUSTOMER = ("name", "email", "language")


def a_request_body(**changes: Any) -> dict[str, Any]:
    """The request of a case: a refund of 45.00 EUR."""
    request = {
        "request_id": "r1",
        "kind": "refund",
        "amount": "45.00",
        "currency": "EUR",
        "reason": "late twice",
    }
    return changed(request, changes)


def a_case_body(case_id: Any = "c-1", request_id: Any = "r1", **changes: Any) -> dict[str, Any]:
    """The body of `POST /v1/cases`. Keys of the request and of the customer may be given directly."""
    asked = {key: changes.pop(key) for key in OF_REQUEST if key in changes}
    customer = {key: changes.pop(key) for key in OF_CUSTOMER if key in changes}
    case = {
        "case_id": case_id,
        "tenant": "acme",
        "opened_at": "2026-03-02T08:00:00Z",
        "channel": "phone",
        "customer": changed(
            {"id": "cu-1", "name": "A. Bakker", "email": "a@example.org", "language": "nl"}, customer
        ),
        "agent_id": "agent-01",
        "category": "delivery",
        "subject": "parcel six days late",
        "facts": {"days_late": 6, "order_value": 90.0},
        "request": a_request_body(request_id=request_id, **asked),
    }
    return changed(case, changes)


def a_case(case_id: Any = "c-1", request_id: Any = "r1", **changes: Any) -> Case:
    """That case, read."""
    return read(Case, as_bytes(a_case_body(case_id, request_id, **changes)))


def a_withdrawal_body(**changes: Any) -> dict[str, Any]:
    """The data of a withdrawal that is sent as an event."""
    withdrawal = {
        "case_id": "c-1",
        "tenant": "acme",
        "request_id": "r1",
        "agent_id": "agent-01",
        "reason": "sent twice",
    }
    return changed(withdrawal, changes)
