"""The envelope of an event of rules: its id, time and order follow from the input and its sequence."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from engine.events.effects import Effects
from engine.inputs import Input
from schemas.cloud_event import CloudEvent, Data
from schemas.ids import RequestKey, derived_id, record_key
from schemas.model import construct_trusted

SOURCE: Final = "/mandaat/rules"
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

FIRST: Final = 1
CLOSING: Final = 2
"""The number of a decision: the first on a request, or the one that closes its escalation."""


class Rendered(NamedTuple):
    """The events of an input: the key and values of its records in the journal, and the effects."""

    key: bytes
    values: tuple[bytes, ...]
    effects: Effects
    outcome: str
    """For the metric: an outcome, `late` or `not_entitled`."""


def event_id(event_type: str, key: RequestKey, number: int | str) -> str:
    """The id of an event that rules publishes (docs/contracts.md, Ids)."""
    return derived_id(event_type, *key, number)


def envelope(event_type: str, event: str, caused_by: Input, seq: int, data: Data) -> CloudEvent[Data]:
    """The event that an input caused; `seq` is microseconds since 1970, and the event's time."""
    return construct_trusted(
        CloudEvent,
        specversion="1.0",
        id=event,
        source=SOURCE,
        type=event_type,
        subject=caused_by.case_key[1],
        time=EPOCH + timedelta(microseconds=seq),
        datacontenttype="application/json",
        tenant=caused_by.tenant,
        traceparent=caused_by.traceparent,
        sequence=f"{seq:016d}",
        cause=caused_by.event_id,
        data=data,
    )


def key_of(caused_by: Input) -> bytes:
    """The key of every record about its case."""
    return record_key(*caused_by.case_key).encode()
