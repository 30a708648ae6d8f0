"""The bodies of `GET /v1/cases/{id}` and of one request of it, made from a case file.

All times are in UTC and end in `Z`, in whatever zone they were sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from pydantic_core import from_json

from schemas import types
from schemas.approval import ApprovalEvent
from schemas.case import CaseFields
from schemas.cloud_event import CloudEvent
from schemas.decision import Decision
from schemas.moment import utc_text
from schemas.request_status import Failure, RequestStatus, status_of
from services.notifier.failures import FailedRecord

_OUTCOMES_OF_REPLIES: Final = {
    types.APPROVAL_CLOSED: "closed",
    types.APPROVAL_LATE: "late",
    types.APPROVAL_NOT_ENTITLED: "not_entitled",
}
_NOT_SUBMITTED: Final[Mapping[str, Any]] = dict.fromkeys(CaseFields.model_fields)
_NOT_OF_A_REQUEST: Final = frozenset({"case_id", "tenant"})


class _Event(NamedTuple):
    """An event of the case: its bytes, and what is in them."""

    raw: bytes
    content: Mapping[str, Any]

    @property
    def type(self) -> str:
        return str(self.content["type"])

    @property
    def data(self) -> dict[str, Any]:
        data: dict[str, Any] = self.content["data"]
        return data

    @property
    def request_id(self) -> str:
        return str(self.data.get("approval", self.data)["request_id"])

    @property
    def moment(self) -> dict[str, Any]:
        """The time and the sequence."""
        return {"time": _utc(self.content["time"]), "sequence": self.content.get("sequence")}


@dataclass(frozen=True)
class _File:
    """A case file: submissions by request and digest, events in order, and how notices ended.

    `requests` has every request that was submitted or withdrawn.
    """

    requests: Sequence[str]
    cases: Mapping[tuple[str, str], dict[str, Any]]
    events: Sequence[_Event]
    notices: Sequence[dict[str, Any]]

    def events_of(self, request_id: str) -> list[_Event]:
        return [event for event in self.events if event.request_id == request_id]

    def submitted(self, request_id: str, events: Sequence[_Event]) -> Mapping[str, Any]:
        """The case as it was submitted with this request: the submission that was decided on, if any was.

        Nothing is known of a request that was withdrawn and not submitted.
        """
        decided = {event.data["request_digest"] for event in _decisions(events)}
        digests = [digest for known, digest in self.cases if known == request_id]
        if not digests:
            return _NOT_SUBMITTED
        chosen = next((digest for digest in digests if digest in decided), digests[0])
        return self.cases[request_id, chosen]


def view_of(fields: Mapping[bytes, bytes], failures: Sequence[FailedRecord] = ()) -> dict[str, Any] | None:
    """The body of `GET /v1/cases/{id}`; None where neither a submission nor a withdrawal is known."""
    file = _read(fields)
    if not file.requests:
        return None
    of_requests = {request_id: file.events_of(request_id) for request_id in file.requests}
    newest = max(
        file.cases,
        key=lambda key: (_is_decided(of_requests[key[0]], key[1]), _moment(file.cases[key]["opened_at"])),
        default=None,
    )
    return {
        "case": None if newest is None else file.cases[newest],
        "requests": [
            _request(
                request_id, file.submitted(request_id, events), events, _of_request(failures, request_id)
            )
            for request_id, events in of_requests.items()
        ],
        "notices": sorted(file.notices, key=lambda notice: _moment(notice["time"])),
    }


def status_view(
    fields: Mapping[bytes, bytes], case_id: str, request_id: str, failures: Sequence[FailedRecord] = ()
) -> dict[str, Any] | None:
    """Where one request stands, as schemas.request_status says; None where nothing is known of it."""
    file = _read(fields)
    events = file.events_of(request_id)
    if request_id not in file.requests:
        return None
    status = _status(case_id, request_id, events, _of_request(failures, request_id))
    body = _in_utc(status.model_dump(mode="json"), "decided_at")
    if status.decision is not None:
        body["decision"] = _in_utc(body["decision"], "respond_by")
    return body


def _read(fields: Mapping[bytes, bytes]) -> _File:
    requests: set[str] = set()
    cases: dict[tuple[str, str], dict[str, Any]] = {}
    events: list[_Event] = []
    notices: list[dict[str, Any]] = []
    for name, value in fields.items():
        match name[:2]:
            case b"s:":
                request_id, _, digest = name[2:].decode().partition("\x00")
                cases[request_id, digest] = _in_utc(from_json(value), "opened_at")
            case b"x:":
                requests.add(name[2:].decode())
            case b"e:":
                events.append(_Event(value, from_json(value)))
            case b"n:":
                notices.append(_in_utc(from_json(value), "time"))
    requests |= {request_id for request_id, _ in cases}
    events.sort(key=lambda event: (event.content.get("sequence") or "", event.type))
    return _File(sorted(requests), cases, events, notices)


def _request(
    request_id: str, case: Mapping[str, Any], events: Sequence[_Event], failures: Sequence[FailedRecord]
) -> dict[str, Any]:
    state = _status("-", request_id, events, failures).state
    return {
        "request_id": request_id,
        "state": state,
        **{name: value for name, value in case.items() if name not in _NOT_OF_A_REQUEST},
        "decisions": [_in_utc(event.data, "respond_by") | event.moment for event in _decisions(events)],
        "approval": _approval(events),
        "replies": _replies(events, failures),
        "failures": [
            {"of": one.of, "reason": one.reason, "detail": one.detail, "time": utc_text(one.time)}
            for one in failures
        ],
    }


def _status(
    case_id: str, request_id: str, events: Sequence[_Event], failures: Sequence[FailedRecord]
) -> RequestStatus:
    """A decision wins over a failure, which may be of a copy of the request with other content."""
    decided = max(_decisions(events), key=lambda event: event.content.get("sequence") or "", default=None)
    if decided is not None:
        asked = _newest_approval(events)
        return status_of(
            CloudEvent[Decision].model_validate_json(decided.raw),
            None if asked is None else CloudEvent[ApprovalEvent].model_validate_json(asked.raw),
        )
    failed = next((one for one in reversed(failures) if one.is_final), None)
    if failed is None:
        return RequestStatus(case_id=case_id, request_id=request_id, state="pending")
    failure = Failure(reason=failed.reason, detail=failed.detail)
    return RequestStatus(case_id=case_id, request_id=request_id, state="failed", failure=failure)


def _newest_approval(events: Iterable[_Event]) -> _Event | None:
    return max(
        (event for event in events if event.type in types.CHANGES_APPROVAL),
        key=lambda event: int(event.data["approval"]["version"]),
        default=None,
    )


def _approval(events: Sequence[_Event]) -> dict[str, Any] | None:
    newest = _newest_approval(events)
    if newest is None:
        return None
    approval = _in_utc(newest.data["approval"], "opened_at", "respond_by")
    return approval | {"case": _in_utc(approval["case"], "opened_at")}


def _replies(events: Sequence[_Event], failures: Sequence[FailedRecord]) -> list[dict[str, Any]]:
    """Every reply and what became of it, in order. A late one says when the approval was closed."""
    closed_at = next((event.moment["time"] for event in events if event.type == types.APPROVAL_CLOSED), None)
    replies = [_reply(event, closed_at) for event in events if event.data.get("reply_id") is not None]
    counted = {reply["reply_id"] for reply in replies}  # a failed one may have been sent again
    failed = [
        {"reply_id": one.reply_id, "giver": one.giver, "verdict": one.verdict, "outcome": "failed"}
        | {"time": utc_text(one.time), "sequence": None, "note": None, "closing": None, "closed_at": None}
        | {"reasons": [{"code": one.reason, "text": one.detail, "figures": {}}]}
        for one in failures
        if one.of == "reply" and (one.reason == "conflict" or one.reply_id not in counted)
    ]
    return sorted(replies + failed, key=lambda reply: _moment(reply["time"]))


def _reply(event: _Event, closed_at: str | None) -> dict[str, Any]:
    data, closing = event.data, event.data["approval"].get("closing")
    return {
        "reply_id": data["reply_id"],
        "giver": data.get("giver"),
        "verdict": data.get("verdict"),
        "outcome": _OUTCOMES_OF_REPLIES[event.type],
        **event.moment,
        "note": data.get("note"),
        "reasons": [] if event.type == types.APPROVAL_CLOSED else data.get("reasons", []),
        "closing": closing,
        "closed_at": None if closing is None else closed_at,
    }


def _decisions(events: Iterable[_Event]) -> list[_Event]:
    return [event for event in events if event.type in types.DECISION_EVENTS]


def _is_decided(events: Iterable[_Event], digest: str) -> bool:
    """Whether this submission was decided on, and not refused as a conflict."""
    return any(event.data["request_digest"] == digest for event in _decisions(events))


def _of_request(failures: Iterable[FailedRecord], request_id: str) -> list[FailedRecord]:
    return sorted((one for one in failures if one.request_id == request_id), key=lambda one: one.time)


def _in_utc(value: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """The value, with its times of these names in UTC."""
    return dict(value) | {name: _utc(value[name]) for name in names if value.get(name) is not None}


def _utc(text: str) -> str:
    return utc_text(_moment(text))


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
