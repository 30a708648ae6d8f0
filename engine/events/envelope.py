"""The envelope of the events of rules. Id, time and sequence follow from the input and its sequence."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final, Literal, NamedTuple, TypeAlias

from engine.events.effects import Effects
from engine.inputs import Input
from engine.policy.book import Per
from schemas.cloud_event import CloudEvent, Data
from schemas.decision import Outcome
from schemas.ids import RequestKey, derived_id, record_key
from schemas.model import construct_trusted

SOURCE: Final = "/mandaat/rules"
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

FIRST: Final = 1
CLOSING: Final = 2
"""The number of a decision: FIRST on a request, or CLOSING its escalation."""

InputOutcome: TypeAlias = Literal[Outcome, "late", "not_entitled"]
"""The outcome of an input: that of its decision, or why a verdict has no effect."""


class AboutRequest(NamedTuple):
    """The asking agent, the kind of request, and the mandate that granted it; None if unknown or absent."""

    agent: str | None = None
    kind: str | None = None
    mandate: str | None = None


UNKNOWN: Final = AboutRequest()


class Rendered(NamedTuple):
    """The events of an input: the key and the values of its records in the journal, and their effects."""

    key: bytes
    values: tuple[bytes, ...]
    effects: Effects
    outcome: InputOutcome
    """The label of the metric."""
    warnings: tuple[Per, ...] = ()
    """For each budget that gave a warning, whose it is."""
    about: AboutRequest = UNKNOWN
    """The request, for the log."""


def event_id(event_type: str, key: RequestKey, number: int | str) -> str:
    """The id of an event that rules publishes (docs/contracts.md, Ids)."""
    return derived_id(event_type, *key, number)


def envelope(event_type: str, event: str, caused_by: Input, seq: int, data: Data) -> CloudEvent[Data]:
    """The event that an input caused. `seq` is microseconds since 1970, which is also the event's time."""
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
    """The record key of all events about the input's case."""
    return record_key(*caused_by.case_key).encode()
