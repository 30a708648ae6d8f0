"""Cases and records as callers send them, with good defaults: a test shows only what matters to it."""

from __future__ import annotations

import json
from typing import Any

from schemas.case import Case
from services.intake.reading.inbound import Received

STRUCTURED = (("content-type", b"application/cloudevents+json"),)
ABSENT: Any = object()
"""A key to leave out."""

Headers = tuple[tuple[str, bytes | None], ...]


def a_request(**changes: Any) -> dict[str, Any]:
    """The request of a case."""
    request = {
        "request_id": "r1",
        "kind": "refund",
        "amount": "45.00",
        "currency": "EUR",
        "reason": "late twice",
    }
    return _changed(request, changes)


def a_case(request: Any = None, **changes: Any) -> dict[str, Any]:
    """A case as the body of `POST /v1/cases`."""
    case = {
        "case_id": "c-1",
        "tenant": "acme",
        "opened_at": "2026-03-02T08:00:00Z",
        "channel": "phone",
        "customer": {"id": "cu-1", "name": "A. Bakker", "email": "a@example.org", "language": "nl"},
        "agent_id": "agent-01",
        "category": "delivery",
        "subject": "parcel six days late",
        "facts": {"days_late": 6, "order_value": 90.0},
        "request": a_request() if request is None else request,
    }
    return _changed(case, changes)


def a_withdrawal(**changes: Any) -> dict[str, Any]:
    """A withdrawal as the data of an event."""
    withdrawal = {
        "case_id": "c-1",
        "tenant": "acme",
        "request_id": "r1",
        "agent_id": "agent-01",
        "reason": "sent twice",
    }
    return _changed(withdrawal, changes)


def an_event(data: Any = None, **changes: Any) -> dict[str, Any]:
    """A CloudEvent in structured mode around a case."""
    event = {
        "specversion": "1.0",
        "id": "evt-1",
        "source": "https://crm.example/cases",
        "type": "mandaat.case.submitted.v1",
        "time": "2026-03-02T08:00:01Z",
        "data": a_case() if data is None else data,
    }
    return _changed(event, changes)


def binary_headers(**changes: Any) -> Headers:
    """The headers of a CloudEvent in binary mode."""
    attributes = {
        "specversion": "1.0",
        "id": "evt-1",
        "source": "https://crm.example/cases",
        "type": "mandaat.case.submitted.v1",
    }
    given = _changed(attributes, changes)
    return (
        ("content-type", b"application/json"),
        *((f"ce_{name}", text.encode() if isinstance(text, str) else text) for name, text in given.items()),
    )


def case_of(received: Received) -> Case:
    """The case that was read."""
    assert isinstance(received.data, Case)
    return received.data


def as_bytes(value: Any) -> bytes:
    """As JSON in UTF-8."""
    return json.dumps(value, ensure_ascii=False).encode()


def nested(levels: int) -> Any:
    """An object that is `levels` levels deep."""
    value: Any = 1
    for _ in range(levels):
        value = {"n": value}
    return value


def _changed(value: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {name: item for name, item in {**value, **changes}.items() if item is not ABSENT}
