"""The walk of the notifier: read -> plan -> claim -> send -> mark.

```
read    records of a partition that we own; a record that cannot be read becomes a dead letter
plan    the notices that each event makes, and what to write into the case files;
        both go into Redis in one step, with the position of the topic
claim   notices that are due, at most so many of one channel and one tenant
send    each over its channel
mark    how it ended, on mandaat.notices and then in the outbox
```
This module reads and plans; services.notifier.outbox.dispatcher claims, sends and marks.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple, TypeAlias, TypeVar

from aiokafka import TopicPartition

from schemas.errors import Unreadable
from schemas.ids import record_key
from schemas.notice import ChannelName
from schemas.topics import CASES, DECISIONS, NOTICES
from services.chassis.kafka.dead_letters import ConsumedRecord, DeadLetters
from services.notifier.metrics import NotifierMetrics
from services.notifier.outbox import case_file
from services.notifier.outbox.dispatcher import Dispatcher
from services.notifier.outbox.owned_partitions import OwnedPartitions, TopicBatch
from services.notifier.outbox.request_files import RequestFile, request_files
from services.notifier.outbox.retry import NOTICES_REMEMBERED, beyond_memory
from services.notifier.outbox.store import (
    CaseFileWrite,
    EndedNotice,
    OutboxEntry,
    OutboxStore,
    PartitionFenced,
    StoreLost,
)
from services.notifier.planning.notice import PendingNotice
from services.notifier.planning.plan import notices_of
from services.notifier.planning.reading import CaseInput, NotifiableEvent, read_case, read_event, read_notice

SUBSCRIBED: Final = (CASES, DECISIONS)
"""The topics that are consumed in the group. mandaat.notices is only read when a partition is taken."""

DeadLetter: TypeAlias = tuple[ConsumedRecord, Unreadable]
Key = TypeVar("Key")
Value = TypeVar("Value")


class NoticePlan(NamedTuple):
    """The additions of a batch of events to Redis, and the records that nobody can be told of."""

    writes: list[CaseFileWrite]
    notices: list[OutboxEntry]
    unknown: list[DeadLetter]
    too_old: int


def topics_of(case_files_kept: timedelta) -> Mapping[str, timedelta | None]:
    """The topics to read when a partition is taken, in this order, and how far back where Redis is empty."""
    return {CASES: None, NOTICES: NOTICES_REMEMBERED, DECISIONS: case_files_kept}


class Notifier:
    """Takes in mandaat.cases and mandaat.decisions, and puts notices into the outbox."""

    def __init__(
        self,
        *,
        store: OutboxStore,
        partitions: OwnedPartitions,
        dispatcher: Dispatcher,
        dead_letters: DeadLetters,
        metrics: NotifierMetrics,
        channels_of: Callable[[str], Collection[ChannelName]],
        case_files_kept: timedelta,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._partitions = partitions
        self._dispatcher = dispatcher
        self._dead_letters = dead_letters
        self._metrics = metrics
        self._channels_of = channels_of
        self._case_files_kept = case_files_kept
        self._clock = clock
        self._by_topic: Mapping[str, Callable[[TopicBatch], Awaitable[None]]] = {
            CASES: self._keep_cases,
            NOTICES: self._remember_ended,
            DECISIONS: self._plan_notices,
        }

    # Called by the subscription

    async def handle(self, records: Sequence[ConsumedRecord]) -> None:
        """Every record is in Redis, or a dead letter, when this returns. Raises TryAgain."""
        for p, of_partition in _grouped(records, lambda record: record.partition).items():
            owned = await self._partitions.own(p, self.take_in)
            by_topic = _grouped(of_partition, lambda record: record.topic)
            for topic in self._by_topic:  # cases before the decisions on them
                if found := by_topic.get(topic):
                    await self.take_in(TopicBatch(owned, topic, found, found[-1].offset + 1))

    async def on_assigned(self, partitions: set[TopicPartition]) -> None:
        """Take the partitions before any of their records come. Raises TryAgain."""
        self._partitions.assign(frozenset(tp.partition for tp in partitions))
        await self._partitions.take_missing(self.take_in)

    async def on_revoked(self, partitions: set[TopicPartition]) -> None:
        """Finish what is being sent. The next owner goes on from there."""
        revoked = frozenset(tp.partition for tp in partitions)
        await self._dispatcher.finish(revoked)
        self._partitions.revoke(revoked)

    async def on_idle(self) -> None:
        """Take the partitions anew that Redis lost. Raises TryAgain."""
        if self._partitions.missing:
            await self._partitions.take_missing(self.take_in)

    # The walk

    async def take_in(self, batch: TopicBatch) -> None:
        """Handle the records of one topic and partition, and move its position on. Raises TryAgain."""
        try:
            await self._by_topic[batch.topic](batch)
        except (StoreLost, PartitionFenced) as why:
            self._partitions.drop(batch.owned, why)
            raise

    async def _plan_notices(self, batch: TopicBatch) -> None:
        """Read the events, plan their notices, and record both in one step."""
        events, unreadable = _read(batch.new, read_event)
        recent = [(record, event) for record, event in events if not self._is_forgotten(event)]
        files = await self._request_files(batch, [event for _, event in recent])
        by_record = [(record, one) for (record, _), one in zip(recent, files, strict=True)]
        plan = _plan(by_record, self._channels_of, self._clock())
        self._metrics.too_old.inc(len(events) - len(recent) + plan.too_old)
        await self._dead_letters.put_all([*unreadable, *plan.unknown])
        await self._record(batch, plan.writes, plan.notices)
        self._dispatcher.wake()

    async def _keep_cases(self, batch: TopicBatch) -> None:
        """Put submitted cases and withdrawals into the case files.

        A record that cannot be read is only counted: rules writes its dead letter.
        """
        cases: list[tuple[ConsumedRecord, CaseInput]]
        cases, unreadable = _read(batch.new, read_case)
        for record, why in unreadable:
            self._metrics.records_skipped.labels(record.topic, why.reason).inc()
        await self._record(
            batch,
            [
                CaseFileWrite(record_key(case.tenant, case.case_id), case_file.of_case(case))
                for _, case in cases
            ],
        )

    async def _remember_ended(self, batch: TopicBatch) -> None:
        """Remember the notices that this process or a former owner ended.

        Only the notifier writes mandaat.notices, so a record that cannot be read makes no dead letter.
        """
        notices, _ = _read(batch.records, read_notice)
        ended = [
            EndedNotice(
                event.data.notice_id,
                event.data.channel,
                record_key(event.tenant, event.data.case_id),
                case_file.notice_line(event),
            )
            for _, event in notices
            if event.tenant is not None
        ]
        owned = batch.owned
        await self._store.settle(owned.p, owned.generation, {batch.topic: batch.next_offset}, ended)

    async def _request_files(self, batch: TopicBatch, events: Sequence[NotifiableEvent]) -> list[RequestFile]:
        """The file of each event's request.

        mandaat.cases may lag behind, so where a case is missing, that topic is read to its end first.
        """
        files = await request_files(self._store, events)
        if all(one.submitted for one in files):
            return files
        await self._partitions.read_cases(batch.owned, self.take_in)
        return await request_files(self._store, events)

    async def _record(
        self, batch: TopicBatch, writes: Sequence[CaseFileWrite], notices: Sequence[OutboxEntry] = ()
    ) -> None:
        owned = batch.owned
        if batch.next_offset <= owned.position(batch.topic):
            return
        await self._store.record(owned.p, owned.generation, {batch.topic: batch.next_offset}, writes, notices)
        owned.positions[batch.topic] = batch.next_offset

    def _is_forgotten(self, event: NotifiableEvent) -> bool:
        """Whether the event is so old that the case file has gone."""
        return self._clock() - event.event.time > self._case_files_kept


def _read(
    records: Iterable[ConsumedRecord], read_one: Callable[[bytes | None], Value | None]
) -> tuple[list[tuple[ConsumedRecord, Value]], list[DeadLetter]]:
    """The values in the records, without events of other types, and the records that cannot be read."""
    values, unreadable = [], []
    for record in records:
        try:
            value = read_one(record.value)
        except Unreadable as why:
            unreadable.append((record, why))
            continue
        if value is not None:
            values.append((record, value))
    return values, unreadable


def _plan(
    files: Sequence[tuple[ConsumedRecord, RequestFile]],
    channels_of: Callable[[str], Collection[ChannelName]],
    now: datetime,
) -> NoticePlan:
    """Plan the writes and notices of these events. `unknown` are about a case that nobody submitted."""
    recent = [(record, one) for record, one in files if not beyond_memory(one.event.event.time, now)]
    return NoticePlan(
        writes=[
            CaseFileWrite(one.event.case_key, *case_file.of_event(one.event.event, one.event.raw))
            for _, one in files
            if one.is_known
        ],
        notices=[
            _entry(notice)
            for _, one in recent
            if one.is_known
            for notice in notices_of(one.event, one.approvers, channels_of(one.event.tenant))
        ],
        unknown=[(record, _unknown_case(one.event)) for record, one in recent if not one.is_known],
        too_old=len(files) - len(recent),
    )


def _entry(notice: PendingNotice) -> OutboxEntry:
    entry = notice.model_dump_json().encode()
    return OutboxEntry(notice.notice_id, notice.recipient.channel, entry, notice.settled_us // 1000)


def _unknown_case(event: NotifiableEvent) -> Unreadable:
    return Unreadable(
        "unknown_case",
        f"No case with this id and request is in {CASES}, so nobody can be told of event {event.event.id};"
        " publish the case again, then send this dead letter again.",
    )


def _grouped(
    records: Iterable[ConsumedRecord], key: Callable[[ConsumedRecord], Key]
) -> dict[Key, list[ConsumedRecord]]:
    groups: dict[Key, list[ConsumedRecord]] = {}
    for record in records:
        groups.setdefault(key(record), []).append(record)
    return groups
