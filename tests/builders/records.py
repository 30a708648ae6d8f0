"""Kafka records as a consumer gets them."""

from __future__ import annotations

from typing import Any

from aiokafka import ConsumerRecord

from schemas import topics
from services.chassis.kafka.dead_letters import ConsumedRecord
from tests.builders.bodies import as_bytes
from tests.builders.events import STRUCTURED, Headers

WRITTEN_MS = 1_772_438_401_000


def a_record(
    event: dict[str, Any] | bytes | None = b"{}",
    *,
    offset: int = 0,
    partition: int = 0,
    topic: str | None = None,
    key: bytes | None = None,
    headers: Headers = STRUCTURED,
    timestamp_ms: int = WRITTEN_MS,
    timestamp_type: int = 0,
) -> ConsumedRecord:
    """The record of an event, in mandaat.replies if it is a verdict, else in mandaat.cases."""
    value = as_bytes(event) if isinstance(event, dict) else event
    if isinstance(event, dict):
        topic = topic or (topics.REPLIES if "verdict" in str(event.get("type")) else topics.CASES)
        key = key_of(event) if key is None else key
    record: ConsumedRecord = ConsumerRecord(
        topic=topic or topics.CASES,
        partition=partition,
        offset=offset,
        timestamp=timestamp_ms,
        timestamp_type=timestamp_type,
        key=key,
        value=value,
        checksum=None,
        serialized_key_size=len(key or b""),
        serialized_value_size=len(value or b""),
        headers=headers,
    )
    return record


def key_of(event: dict[str, Any]) -> bytes:
    """The key of the record of an event."""
    return f"{event.get('tenant')}/{event['data']['case_id']}".encode()
