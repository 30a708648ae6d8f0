"""What comes in to be decided, as records and as read, with good defaults: a test shows only what matters."""

from __future__ import annotations

import json
from typing import Any

from aiokafka import ConsumerRecord

from engine.inputs.kinds import Input, Reply, Submission, Withdrawal, read_input
from schemas import topics
from schemas.ids import approval_id
from tests.intake_cases import ABSENT, STRUCTURED, a_case, a_request

WHEN = "2026-03-02T08:00:01Z"
WHEN_MS = 1_772_438_401_000
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def a_submitted(case: Any = None, **changes: Any) -> dict[str, Any]:
    """The event case.submitted, as intake writes it."""
    case = a_case() if case is None else case
    event = {
        "specversion": "1.0",
        "id": "evt-1",
        "source": "/mandaat/intake",
        "type": "mandaat.case.submitted.v1",
        "subject": case.get("case_id"),
        "time": WHEN,
        "tenant": case.get("tenant"),
        "data": case,
    }
    return _changed(event, changes)


def a_verdict(verdict: str = "approve", *, data: Any = None, **changes: Any) -> dict[str, Any]:
    """The event verdict.approve or .reject by lead-north on request r1 of c-1; `data` changes its data."""
    said = {
        "agent_id": "lead-north",
        "reply_id": "reply-1",
        "approval_id": approval_id("c-1", "r1"),
        "case_id": "c-1",
        "request_id": "r1",
    }
    event = {
        "specversion": "1.0",
        "id": "evt-2",
        "source": "/mandaat/intake",
        "type": f"mandaat.verdict.{verdict}.v1",
        "subject": "c-1",
        "time": WHEN,
        "tenant": "acme",
        "data": _changed(said, data or {}),
    }
    return _changed(event, changes)


def a_withdrawn(*, data: Any = None, **changes: Any) -> dict[str, Any]:
    """The event case.withdrawn of request r1 of c-1; `data` changes its data."""
    asked = {"tenant": "acme", "case_id": "c-1", "request_id": "r1"}
    event = {
        "specversion": "1.0",
        "id": "evt-3",
        "source": "/mandaat/intake",
        "type": "mandaat.case.withdrawn.v1",
        "subject": "c-1",
        "time": WHEN,
        "tenant": "acme",
        "data": _changed(asked, data or {}),
    }
    return _changed(event, changes)


def key_of(event: dict[str, Any]) -> bytes:
    """The key of the record of an event."""
    return f"{event.get('tenant')}/{event['data']['case_id']}".encode()


def a_submission(case: Any = None, *, partition: int = 0, **changes: Any) -> Submission:
    """A case, read."""
    event = a_submitted(case, **changes)
    one = read_input(topics.CASES, partition, key_of(event), as_bytes(event))
    assert isinstance(one, Submission)
    return one


def a_reply(verdict: str = "approve", *, partition: int = 0, data: Any = None, **changes: Any) -> Reply:
    """A verdict, read."""
    event = a_verdict(verdict, data=data, **changes)
    one = read_input(topics.REPLIES, partition, key_of(event), as_bytes(event))
    assert isinstance(one, Reply)
    return one


def a_withdrawal(*, partition: int = 0, data: Any = None, **changes: Any) -> Withdrawal:
    """A withdrawal, read."""
    event = a_withdrawn(data=data, **changes)
    one = read_input(topics.CASES, partition, key_of(event), as_bytes(event))
    assert isinstance(one, Withdrawal)
    return one


def a_record(
    event: dict[str, Any] | bytes | None,
    *,
    offset: int = 0,
    partition: int = 0,
    topic: str | None = None,
    key: bytes | None = None,
    timestamp_ms: int = WHEN_MS,
) -> ConsumerRecord[bytes | None, bytes | None]:
    """The record that a consumer gets of an event, in mandaat.cases unless it is a verdict."""
    value = as_bytes(event) if isinstance(event, dict) else event
    if isinstance(event, dict):
        topic = topic or (topics.REPLIES if "verdict" in str(event.get("type")) else topics.CASES)
        key = key_of(event) if key is None else key
    return ConsumerRecord(
        topic=topic or topics.CASES,
        partition=partition,
        offset=offset,
        timestamp=timestamp_ms,
        timestamp_type=0,
        key=key,
        value=value,
        checksum=None,
        serialized_key_size=len(key or b""),
        serialized_value_size=len(value or b""),
        headers=STRUCTURED,
    )


def a_request_in(case_id: str, request_id: str = "r1", **changes: Any) -> dict[str, Any]:
    """A case of that id, with keys of its request changed."""
    return a_case(case_id=case_id, request=a_request(request_id=request_id, **changes))


def an_approval_id(case_id: str = "c-1", request_id: str = "r1") -> str:
    """Of the approval of that request."""
    return approval_id(case_id, request_id)


def read(record: ConsumerRecord[bytes | None, bytes | None]) -> Input:
    """The input in a record."""
    return read_input(record.topic, record.partition, record.key, record.value)


def as_bytes(value: Any) -> bytes:
    """As JSON in UTF-8."""
    return json.dumps(value, ensure_ascii=False).encode()


def _changed(value: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {name: item for name, item in {**value, **changes}.items() if item is not ABSENT}
