"""Bodies as others send them, good by default, so that a test shows only what matters."""

from __future__ import annotations

import copy
import json
from typing import Any, Final

without: Final = object()
"""Stands for leaving a key out."""

_CASE: Final[dict[str, Any]] = {
    "case_id": "c-1",
    "tenant": "acme",
    "opened_at": "2026-03-02T08:00:00Z",
    "channel": "phone",
    "customer": {"id": "cu-1", "name": "A. Bakker", "email": "a.bakker@example.org", "language": "nl"},
    "agent_id": "agent-01",
    "category": "delivery",
    "subject": "parcel six days late",
    "facts": {"days_late": 6, "order_value": 90.0},
    "request": {
        "request_id": "r1",
        "kind": "refund",
        "amount": "45.00",
        "currency": "EUR",
        "reason": "late twice",
        "discretion": False,
    },
}


def a_case(**changes: Any) -> dict[str, Any]:
    """The case of DESIGN.md, Contracts; a change may name a key within: `**{"customer.id": "cu-2"}`."""
    body = copy.deepcopy(_CASE)
    for path, value in changes.items():
        *parents, key = path.split(".")
        place = body
        for parent in parents:
            place = place[parent]
        if value is without:
            del place[key]
        else:
            place[key] = value
    return body


def as_json(body: object) -> bytes:
    """As it goes over the wire."""
    return json.dumps(body, ensure_ascii=False).encode()
