"""The case file: what the notifier keeps of a case, as the fields of one hash in Redis.

```
s:<request_id> NUL <digest>   the case as it was submitted with that request
l:<request_id>                the digest of that request as it was submitted last
e:<event id>                  an event of mandaat.decisions, byte for byte
p:<request_id>                the approvers of the request's approval, while it is open
o:<request_id>                present while the approval is open
w:<request_id>                the remark of the person whose verdict closed it, empty without one
n:<notice id>                 how a notice ended
```
A submission is found by the digest of its request. So a submission that rules refused as a conflict never
lends its name and address to the decision on another.
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
from services.notifier.channels.channel import Material
from services.notifier.planning.event_kinds import Event, request_of
from services.notifier.planning.notice import PendingNotice
from services.notifier.planning.reading import read_event


def submission_field(request_id: str, digest: str) -> str:
    """The field with the case as it was submitted with this request."""
    return f"s:{request_id}\x00{digest}"


def last_field(request_id: str) -> str:
    """The field with the digest of the request as it was submitted last."""
    return f"l:{request_id}"


def event_field(event_id: str) -> str:
    """The field with an event."""
    return f"e:{event_id}"


def approvers_field(request_id: str) -> str:
    """The field with the approvers who are asked about a request."""
    return f"p:{request_id}"


def remark_field(request_id: str) -> str:
    """The field with the remark of the person who decided a request."""
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
    request_id = request_of(event).request_id
    fields: list[tuple[str, bytes]] = [(event_field(event.id), raw)]
    removed: tuple[str, ...] = ()
    asked = approvers_after(event)
    if asked is not None:
        of_approval = (approvers_field(request_id), f"o:{request_id}")
        if isinstance(event.data, ApprovalEvent) and event.data.approval.state == "closed":
            removed = of_approval
            fields.append((remark_field(request_id), (event.data.note or "").encode()))
        else:
            fields += zip(of_approval, (json.dumps(asked).encode(), b"1"), strict=True)
    return tuple(fields), removed


def approvers_after(event: Event) -> tuple[str, ...] | None:
    """The approvers who are asked after this event; None where it changes nothing about that."""
    if not isinstance(event.data, ApprovalEvent) or event.type not in types.CHANGES_APPROVAL:
        return None
    approval = event.data.approval
    return () if approval.state == "closed" else approval.approvers


def read_approvers(field: bytes | None) -> tuple[str, ...]:
    """The approvers in an approvers field."""
    return () if field is None else tuple(json.loads(field))


def material_fields(notice: PendingNotice, *, needs_case: bool) -> tuple[str, ...]:
    """The fields that hold the material of a notice."""
    of_event = (event_field(notice.about),)
    if not needs_case:
        return of_event
    submission = submission_field(notice.request_id, notice.request_digest)
    return (*of_event, submission, remark_field(notice.request_id))


def read_material(values: Sequence[bytes | None]) -> Material | None:
    """The material in the values of those fields; None where the event is no longer kept."""
    event, submission, remark = (*values, None, None)[:3]
    notifiable = read_event(event) if event is not None else None
    if notifiable is None:
        return None
    case = Case.model_validate_json(submission) if submission is not None else None
    return Material(notifiable, case, remark.decode() if remark is not None else None)


def view(fields: Mapping[bytes, bytes]) -> dict[str, Any] | None:
    """The body of `GET /v1/cases/{id}`; None where no submission is known."""
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
    newest = max(cases, key=lambda key: (_decided(of_requests[key[0]], key[1]), cases[key]["opened_at"]))
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


def _decided(request: Mapping[str, Any], digest: str) -> bool:
    """Whether this submission was decided on, and not refused as a conflict."""
    return any(decision["request_digest"] == digest for decision in request["decisions"])


def notice_line(event: CloudEvent[Notice]) -> bytes:
    """How a notice ended, as the case file keeps it."""
    line = event.data.model_dump(mode="json") | {
        "outcome": "delivered" if event.type == types.NOTICE_DELIVERED else "failed",
        "time": event.time.isoformat(),
    }
    return json.dumps(line, separators=(",", ":"), ensure_ascii=False).encode()
