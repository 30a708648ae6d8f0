"""The records of the topics, read by a plain consumer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition

CASES, REPLIES, DECISIONS = "mandaat.cases", "mandaat.replies", "mandaat.decisions"
DEAD_LETTERS, POLICIES = "mandaat.dead-letters", "mandaat.policies"


class Record(NamedTuple):
    """One record of a topic."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]


class Place(NamedTuple):
    """The place of a record."""

    topic: str
    partition: int
    offset: int


@dataclass
class Topics:
    """All records read so far, each topic in the order of its partitions' offsets."""

    cases: list[Record] = field(default_factory=list)
    replies: list[Record] = field(default_factory=list)
    decisions: list[Record] = field(default_factory=list)
    dead_letters: list[Record] = field(default_factory=list)
    policies: list[Record] = field(default_factory=list)

    def of(self, topic: str) -> list[Record]:
        """The records of a topic by its name."""
        return {
            CASES: self.cases,
            REPLIES: self.replies,
            DECISIONS: self.decisions,
            DEAD_LETTERS: self.dead_letters,
            POLICIES: self.policies,
        }[topic]


class Reader:
    """Reads the five topics without a group: policies from the start, the others from their end."""

    def __init__(self, bootstrap: str) -> None:
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=8 << 20,
            retry_backoff_ms=200,
        )
        self.topics = Topics()

    async def __aenter__(self) -> Reader:
        await self._consumer.start()
        cluster = await self._consumer._client.fetch_all_metadata()
        names = (CASES, REPLIES, DECISIONS, DEAD_LETTERS, POLICIES)
        places = [TopicPartition(name, p) for name in names for p in cluster.partitions_for_topic(name)]
        self._consumer.assign(places)
        ends = await self._consumer.end_offsets(places)
        for tp, end in ends.items():
            self._consumer.seek(tp, 0 if tp.topic == POLICIES else end)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()

    async def read_on(self, timeout_ms: int = 100) -> list[Record]:
        """Read on for a moment. Returns the new records of the journal."""
        fresh: list[Record] = []
        fetched = await self._consumer.getmany(timeout_ms=timeout_ms, max_records=10_000)
        for tp, records in fetched.items():
            into = self.topics.of(tp.topic)
            for one in records:
                place = (tp.topic, tp.partition, one.offset, one.timestamp)
                into.append(Record(*place, one.key, one.value, tuple(one.headers)))
                if tp.topic == DECISIONS:
                    fresh.append(into[-1])
        return fresh

    async def ends(self, *topics: str) -> dict[tuple[str, int], int]:
        """The end offsets of the partitions of these topics."""
        places = [tp for tp in self._consumer.assignment() if tp.topic in topics]
        return {
            (tp.topic, tp.partition): end for tp, end in (await self._consumer.end_offsets(places)).items()
        }

    async def read_to_the_end(self) -> list[Record]:
        """Read all records that are there now. Returns the new records of the journal."""
        places = list(self._consumer.assignment())
        ends = await self._consumer.end_offsets(places)
        fresh: list[Record] = []
        while not all([await self._consumer.position(tp) >= end for tp, end in ends.items()]):
            fresh += await self.read_on()
        return fresh


class Parsing:
    """Reads JSON, each text once, because most records of a journal are in it more than once."""

    def __init__(self) -> None:
        self._known: dict[bytes, dict[str, Any] | None] = {}

    def event(self, record: Record) -> dict[str, Any] | None:
        """The CloudEvent in a text, or None."""
        if record.value is None:
            return None
        if record.value not in self._known:
            self._known[record.value] = _event(record.value)
        return self._known[record.value]


def _event(value: bytes) -> dict[str, Any] | None:
    try:
        event = json.loads(value)
    except ValueError:
        return None
    good = isinstance(event, dict) and isinstance(event.get("data"), dict) and "type" in event
    return event if good else None


def letter_place(record: Record) -> Place:
    """The place of the record of a dead letter."""
    said = dict(record.headers)
    return Place(
        (said["mandaat-topic"] or b"").decode(),
        int(said["mandaat-partition"] or b"-1"),
        int(said["mandaat-offset"] or b"-1"),
    )


def letters_by_place(records: Iterable[Record]) -> Mapping[Place, set[str]]:
    """The reasons of dead letters, by the places of their records."""
    found: dict[Place, set[str]] = {}
    for record in records:
        reason = (dict(record.headers)["mandaat-reason"] or b"").decode()
        found.setdefault(letter_place(record), set()).add(reason)
    return found


def place_of(record: Record) -> Place:
    """Its place."""
    return Place(record.topic, record.partition, record.offset)


Parse = Callable[[Record], dict[str, Any] | None]
