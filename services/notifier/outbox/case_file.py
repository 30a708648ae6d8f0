"""What is kept of a case: the fields of its hash, and what they look like to a caller.

```
s:<request_id> NUL <digest>   the case as it was submitted with that request
l:<request_id>                the digest of that request as it was submitted last
e:<event id>                  an event of mandaat.decisions, byte for byte
p:<request_id>                the approvers of the request's approval, while it is open
o:<request_id>                there while the approval is open
w:<request_id>                what the person wrote whose verdict closed it, empty where nothing
n:<notice id>                 how a notice ended
```
A submission is found by the digest of its request, so that one that rules refused as a conflict never lends
its name and address to the decision on another.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic_core import from_json

from schemas import types
from schemas.approval import ApprovalEvent
from schemas.case import Case
from schemas.cloud_event import CloudEvent
from schemas.notice import Notice
from schemas.request_digest import request_digest
from services.notifier.planning.recipients import Event, about


def submission_field(request_id: str, digest: str) -> str:
    """Where the case stands as it was submitted with this request."""
    return f"s:{request_id}\x00{digest}"


def last_field(request_id: str) -> str:
    """Where the digest of the request stands as it was submitted last."""
    return f"l:{request_id}"


def event_field(event_id: str) -> str:
    """Where an event stands."""
    return f"e:{event_id}"


def approvers_field(request_id: str) -> str:
    """Where the approvers of a request stand."""
    return f"p:{request_id}"


def note_field(request_id: str) -> str:
    """Where the words of who decided a request stand."""
    return f"w:{request_id}"


def of_case(case: Case) -> tuple[tuple[str, bytes], ...]:
    """The fields that a submission sets."""
    request_id, digest = case.request.request_id, request_digest(case)
    return (
        (submission_field(request_id, digest), case.model_dump_json().encode()),
        (last_field(request_id), digest.encode()),
    )


def of_event(event: Event, raw: bytes) -> tuple[tuple[tuple[str, bytes], ...], tuple[str, ...]]:
    """The fields that an event sets, and those that it removes."""
    request_id, _ = about(event)
    fields: list[tuple[str, bytes]] = [(event_field(event.id), raw)]
    removed: tuple[str, ...] = ()
    waiting = approvers_after(event)
    if waiting is not None:
        of_approval = (approvers_field(request_id), f"o:{request_id}")
        if isinstance(event.data, ApprovalEvent) and event.data.approval.state == "closed":
            removed = of_approval
            fields.append((note_field(request_id), (event.data.note or "").encode()))
        else:
            fields += zip(of_approval, (json.dumps(waiting).encode(), b"1"), strict=True)
    return tuple(fields), removed


def approvers_after(event: Event) -> tuple[str, ...] | None:
    """Who may be waiting to be heard after this event; None where it leaves that as it is."""
    if not isinstance(event.data, ApprovalEvent) or event.type not in types.CHANGES_APPROVAL:
        return None
    approval = event.data.approval
    return () if approval.state == "closed" else approval.approvers


def read_approvers(field: bytes | None) -> tuple[str, ...]:
    """What stands in an approvers field."""
    return () if field is None else tuple(json.loads(field))


def view(fields: Mapping[bytes, bytes]) -> dict[str, Any] | None:
    """The answer of `GET /v1/cases/{id}`; None where no submission is known."""
    cases: dict[tuple[str, str], Any] = {}
    events: list[dict[str, Any]] = []
    notices: list[dict[str, Any]] = []
    for name, value in fields.items():
        match name[:2]:
            case b"s:":
                request_id, _, digest = name[2:].decode().partition("\x00")
                cases[request_id, digest] = from_json(value)
            case b"e:":
                events.append(from_json(value))
            case b"n:":
                notices.append(from_json(value))
    if not cases:
        return None
    events.sort(key=lambda event: (event.get("sequence") or "", event["type"]))
    of_requests = {request_id: _request(request_id, cases, events) for request_id, _ in cases}
    newest = max(cases, key=lambda key: (_newest(of_requests[key[0]], key[1]), cases[key]["opened_at"]))
    return {
        "case": cases[newest],
        "requests": [request for _, request in sorted(of_requests.items())],
        "notices": sorted(notices, key=lambda notice: notice["time"]),
    }


def _request(
    request_id: str, cases: Mapping[tuple[str, str], Any], events: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    decisions = [
        event["data"]
        for event in events
        if event["type"] in types.DECISION_EVENTS and event["data"]["request_id"] == request_id
    ]
    digests = [decision["request_digest"] for decision in decisions]
    submitted = next((digest for known, digest in cases if known == request_id and digest in digests), None)
    if submitted is None:
        submitted = next(digest for known, digest in cases if known == request_id)
    return {
        "request_id": request_id,
        "request": cases[request_id, submitted]["request"],
        "decisions": decisions,
        "approval": _approval(request_id, events),
    }


def _approval(request_id: str, events: Iterable[dict[str, Any]]) -> dict[str, Any] | None:
    states = [
        event["data"]["approval"]
        for event in events
        if event["type"] in types.CHANGES_APPROVAL and event["data"]["approval"]["request_id"] == request_id
    ]
    return max(states, key=lambda state: int(state["version"]), default=None)


def _newest(request: Mapping[str, Any], digest: str) -> bool:
    """Whether this submission is one that was decided on, and not one that was refused as a conflict."""
    return any(decision["request_digest"] == digest for decision in request["decisions"])


def notice_line(event: CloudEvent[Notice]) -> bytes:
    """How a notice ended, as the desk keeps it."""
    line = event.data.model_dump(mode="json") | {
        "outcome": "delivered" if event.type == types.NOTICE_DELIVERED else "failed",
        "time": event.time.isoformat(),
    }
    return json.dumps(line, separators=(",", ":"), ensure_ascii=False).encode()
