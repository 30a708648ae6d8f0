"""The body of `GET /v1/cases/{id}`, made from a case file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic_core import from_json

from schemas import types


def view_of(fields: Mapping[bytes, bytes]) -> dict[str, Any] | None:
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
