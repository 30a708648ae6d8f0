"""Grouping the records of the journal by sequence, as the ledger applies them (docs/ledger.md, Take-over)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple, TypeAlias

from pydantic_core import from_json

from schemas.topics import DECISIONS
from schemas.types import LEDGER_MARKED, types_in
from services.chassis.kafka.dead_letters import ConsumedRecord
from services.rules.journal.publisher import JournalRecord

MARKER_KEY: Final = b"ledger/"
_OF_RULES: Final = frozenset(types_in(DECISIONS))

Event: TypeAlias = Mapping[str, Any]
"""A CloudEvent as parsed JSON."""


class Stored(NamedTuple):
    """A record of the journal and its offset. `event`: the event in it, if it was read already."""

    offset: int
    record: JournalRecord
    event: Event | None = None


class Group(NamedTuple):
    """The events of one sequence, each once. `next_offset` follows the last of them."""

    seq: int
    events: tuple[Event, ...]
    records: tuple[JournalRecord, ...]
    next_offset: int


class Grouping:
    """Takes records in order and gives complete groups. A marker ends a group."""

    def __init__(self) -> None:
        self._seq: int | None = None
        self._events: dict[str, Event] = {}
        self._records: list[JournalRecord] = []
        self._next_offset = 0

    def add(self, stored: Iterable[Stored]) -> Iterator[Group]:
        """The groups that these records complete. Raises ValueError on a record that rules did not write."""
        for offset, record, known in stored:
            event = read_event(offset, record) if known is None else known
            seq = None if event["type"] == LEDGER_MARKED else sequence_of(offset, event)
            if seq != self._seq:
                yield from self.end()
                self._seq = seq
            self._next_offset = offset + 1
            if seq is not None and event["id"] not in self._events:
                self._events[event["id"]] = event
                self._records.append(record)

    def end(self) -> Iterator[Group]:
        """The last group, if there is one: no more records will come."""
        if self._seq is not None:
            yield Group(self._seq, tuple(self._events.values()), tuple(self._records), self._next_offset)
        self._seq, self._events, self._records = None, {}, []


def as_stored(record: ConsumedRecord) -> Stored:
    """A record as it was read from the journal. Raises ValueError if rules cannot have written it."""
    if record.value is None:
        raise ValueError(f"offset {record.offset} of the journal holds no event")
    written = JournalRecord(record.key, record.value, tuple(record.headers))
    event = read_event(record.offset, written)
    if event["type"] not in _OF_RULES:
        raise ValueError(f"offset {record.offset} of the journal holds an event of an unknown type")
    if event["type"] != LEDGER_MARKED:
        sequence_of(record.offset, event)
    return Stored(record.offset, written, event)


def read_event(offset: int, record: JournalRecord) -> Event:
    """The event in a record. Raises ValueError if rules cannot have written it."""
    event = from_json(record.value, cache_strings="keys")
    if not isinstance(event, dict) or not all(isinstance(event.get(name), str) for name in ("type", "id")):
        raise ValueError(f"offset {offset} of the journal holds no event")
    return event


def sequence_of(offset: int, event: Event) -> int:
    """The sequence of an event. Raises ValueError if it has none."""
    sequence = event.get("sequence")
    if not isinstance(sequence, str) or not sequence.isdecimal():
        raise ValueError(f"offset {offset} of the journal holds an event without a sequence")
    return int(sequence)
