"""The journal, mandaat.decisions: publishing rounds to it, and reading it (docs/ledger.md, Topics)."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Final

from aiokafka import TopicPartition

from schemas.cloud_event import HEADERS, CloudEvent
from schemas.ids import derived_id
from schemas.marker import Marker
from schemas.topics import DECISIONS
from schemas.types import LEDGER_MARKED
from services.chassis.kafka.dead_letters import ConsumedRecord
from services.chassis.kafka.producer import Outgoing, Producer
from services.chassis.kafka.reader import Reader, Stretch
from services.chassis.process.errors import TryAgain
from services.chassis.process.log import log
from services.chassis.process.metrics import Metrics
from services.rules.journal import publisher
from services.rules.journal.grouping import MARKER_KEY, Grouping, Stored, as_stored
from services.rules.journal.publisher import JournalEntry, JournalRecord, Outcome

NEAR_OFFSETS: Final = 500
"""Up to this distance, reading on is cheaper than looking up the next offset."""
DENSE_OFFSETS: Final = 30
"""The same for many sequences together: the average distance between one and the next."""


class Journal:
    """Reads and writes mandaat.decisions. Methods raise TryAgain when Kafka is away or slow."""

    def __init__(
        self, bootstrap: str, producer: Producer, *, topic: str = DECISIONS, metrics: Metrics | None = None
    ) -> None:
        self._bootstrap = bootstrap
        self._producer = producer
        self.topic = topic
        self._metrics = metrics
        self._looking = asyncio.Lock()
        self._kept: Reader | None = None

    def with_own_connections(self) -> Journal:
        """The same journal for a reader that must not delay others. The caller stops it."""
        return Journal(self._bootstrap, self._producer, topic=self.topic, metrics=self._metrics)

    async def stop(self) -> None:
        """Close the connections of this journal, but not the producer."""
        async with self._looking:
            reader, self._kept = self._kept, None
            if reader is not None:
                await reader.stop()

    async def partitions(self) -> int:
        """The number of partitions of the journal."""
        return await self._producer.partitions(self.topic)

    async def publish(self, entries: Sequence[JournalEntry]) -> dict[int, Outcome]:
        """Publish a round. Answers the outcome of each partition; nothing is sent again."""
        return await publisher.publish(self._producer, self.topic, entries)

    async def mark(self, p: int, time_us: int) -> int:
        """Publish a marker, wait until all before it is replicated, and answer the offset that follows it.

        `time_us` is the time by Redis' clock, as the fence measures by it and a worker's clock may be wrong.
        """
        event = CloudEvent[Marker](
            id=derived_id(LEDGER_MARKED, p, time_us),
            source="/mandaat/rules",
            type=LEDGER_MARKED,
            time=datetime.fromtimestamp(time_us / 1_000_000, UTC),
            data=Marker(partition=p),
        )
        key = MARKER_KEY + str(p).encode()
        marker = Outgoing(self.topic, p, key, event.to_bytes(), HEADERS, time_us // 1000)
        (offset,) = await self._producer.send_all([marker], timeout_seconds=publisher.PUBLISH_SECONDS)
        if offset < 0:
            raise TryAgain("the marker was acknowledged without an offset")
        return offset + 1

    async def bounds(self, partitions: Iterable[int]) -> dict[int, tuple[int, int]]:
        """The first offset of each partition, and the offset that follows its last."""
        async with self._reading() as reader:
            bounds = await reader.bounds(self._tp(p) for p in partitions)
        return {tp.partition: stretch for tp, stretch in bounds.items()}

    async def read(self, p: int, from_offset: int, until: int) -> AsyncIterator[list[Stored]]:
        """All records of partition p from `from_offset` up to, not including, `until`."""
        if from_offset >= until:
            return
        async with self._reader() as reader:
            async for stored, _ in self._records(reader, p, Stretch(from_offset, until)):
                yield stored

    async def stored(
        self, wanted: Iterable[tuple[int, int]]
    ) -> dict[tuple[int, int], tuple[JournalRecord, ...]]:
        """The stored events of each (partition, sequence), byte for byte. Ask for those of a round together.

        Raises LookupError if the journal does not have one of them.
        """
        seqs: defaultdict[int, set[int]] = defaultdict(set)
        for p, seq in wanted:
            seqs[p].add(seq)
        found: dict[tuple[int, int], tuple[JournalRecord, ...]] = {}
        if seqs:
            async with self._reading() as reader:
                ends = await reader.ends(self._tp(p) for p in seqs)
                for p, mine in seqs.items():
                    starts = await self._starts(reader, p, mine)
                    async for seq, records in self._collect(reader, p, starts, ends[self._tp(p)]):
                        found[p, seq] = records
        return found

    async def _starts(self, reader: Reader, p: int, seqs: set[int]) -> dict[int, int]:
        """Where to begin to look for each sequence: at the first record with its timestamp or a later one."""
        tp = self._tp(p)
        moments = sorted({seq // 1000 for seq in seqs})

        async def first_from(moment: int) -> int | None:
            return (await reader.since({tp: moment}))[tp]

        first, last = await asyncio.gather(first_from(moments[0]), first_from(moments[-1]))
        if first is not None and last is not None and last - first <= DENSE_OFFSETS * len(moments):
            return dict.fromkeys(seqs, first)
        answers = await asyncio.gather(*map(first_from, moments))
        offsets = dict(zip(moments, answers, strict=True))
        starts = {seq: offset for seq in seqs if (offset := offsets[seq // 1000]) is not None}
        if len(starts) < len(seqs):
            missing = min(seqs - starts.keys())
            raise LookupError(f"partition {p} of the journal ends before sequence {missing}")
        return starts

    async def _collect(
        self, reader: Reader, p: int, starts: Mapping[int, int], end: int
    ) -> AsyncIterator[tuple[int, tuple[JournalRecord, ...]]]:
        wanted = dict(sorted(starts.items(), key=lambda one: one[1]))
        while wanted:
            start = next(iter(wanted.values()))
            grouping = Grouping()
            async for stored, next_offset in self._records(reader, p, Stretch(start, end), most=100):
                groups = list(grouping.add(stored))
                if next_offset >= end:
                    groups += grouping.end()
                for group in groups:
                    if wanted.pop(group.seq, None) is not None:
                        yield group.seq, group.records
                if not wanted or next(iter(wanted.values())) >= next_offset + NEAR_OFFSETS:
                    break
            else:
                raise LookupError(f"partition {p} of the journal does not have sequence {next(iter(wanted))}")

    async def _records(
        self, reader: Reader, p: int, stretch: Stretch, most: int = 2000
    ) -> AsyncIterator[tuple[list[Stored], int]]:
        """The records of a stretch, at most so many at a time, and the offset after them. Raises TryAgain.

        A record that rules cannot have written is logged, counted and skipped: it must not stop every worker.
        """
        async for _, records, next_offset in reader.read({self._tp(p): stretch}, max_records=most):
            yield [stored for one in records if (stored := self._stored(one)) is not None], next_offset

    def _stored(self, record: ConsumedRecord) -> Stored | None:
        try:
            return as_stored(record)
        except ValueError as why:
            where = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
            log.error("journal_record_skipped", why=str(why), **where)
            if self._metrics is not None:
                self._metrics.records_skipped.labels(record.topic, "not_of_rules").inc()
            return None

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[Reader]:
        async with self._looking:
            if self._kept is None:
                reader = self._reader()
                await reader.start()
                self._kept = reader
            try:
                yield self._kept
            except TryAgain:
                reader, self._kept = self._kept, None
                await reader.stop()
                raise
            else:
                self._kept.rest()  # otherwise it goes on fetching

    def _reader(self) -> Reader:
        return Reader(
            self._bootstrap,
            client_id="mandaat-journal",
            max_partition_fetch_bytes=4 * 1024 * 1024,
            when_gone="none",
        )

    def _tp(self, p: int) -> TopicPartition:
        return TopicPartition(self.topic, p)


class FollowedJournal(Journal):
    """A journal that is read in many small pieces. Each partition keeps its reader."""

    def __init__(self, bootstrap: str, producer: Producer, *, topic: str = DECISIONS) -> None:
        super().__init__(bootstrap, producer, topic=topic)
        self._readers: dict[int, Reader] = {}

    async def stop(self) -> None:
        """Close the connections of this journal, but not the producer."""
        await super().stop()
        readers, self._readers = self._readers, {}
        for reader in readers.values():
            await reader.stop()

    async def read(self, p: int, from_offset: int, until: int) -> AsyncIterator[list[Stored]]:
        """All records of partition p from `from_offset` up to, not including, `until`."""
        if from_offset >= until:
            return
        reader = self._readers.get(p)
        if reader is None:
            reader = self._reader()
            await reader.start()
            self._readers[p] = reader
        async for stored, _ in self._records(reader, p, Stretch(from_offset, until)):
            yield stored
