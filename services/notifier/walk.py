"""The walk of a batch: read -> remember the cases -> who is told -> one step into Redis. Then it is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from aiokafka import TopicPartition

from schemas.case import Case
from schemas.errors import Unreadable
from schemas.ids import record_key
from schemas.topics import CASES, DECISIONS, NOTICES
from services.chassis.kafka.dead_letters import ConsumedRecord, DeadLetters
from services.notifier.metrics import NotifierMetrics
from services.notifier.outbox import case_file
from services.notifier.outbox.dispatcher import Dispatcher
from services.notifier.outbox.owned_partitions import OwnedPartition, OwnedPartitions
from services.notifier.outbox.retry import beyond_knowing
from services.notifier.outbox.store import CaseFileWrite, EndedNotice, Fenced, Lost, OutboxEntry, OutboxStore
from services.notifier.planning.early_withdrawal import came_first, of_request
from services.notifier.planning.notice import PendingNotice
from services.notifier.planning.plan import notices_of
from services.notifier.planning.reading import DecisionEvent, read_case, read_decision, read_notice
from services.notifier.planning.recipients import about

Letters = list[tuple[ConsumedRecord, Unreadable]]


class RequestFile(NamedTuple):
    """What the desk says of the request that an event is about, and the event with that."""

    seen: DecisionEvent
    submitted: bool
    approvers: tuple[str, ...]

    @property
    def can_be_told(self) -> bool:
        """Not an event of a case that should be there; a withdrawal may come before its request."""
        return self.submitted or came_first(self.seen.event)


class Notifier:
    """Takes in what mandaat.cases and mandaat.decisions say, and puts notices into the outbox."""

    def __init__(
        self,
        *,
        store: OutboxStore,
        partitions: OwnedPartitions,
        sender: Dispatcher,
        dead_letters: DeadLetters,
        metrics: NotifierMetrics,
        has_webhook: Callable[[str], bool],
        desk_kept: timedelta,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._partitions = partitions
        self._sender = sender
        self._dead_letters = dead_letters
        self._metrics = metrics
        self._has_webhook = has_webhook
        self._desk_kept = desk_kept
        self._clock = clock

    # What the subscription calls

    async def handle(self, records: Sequence[ConsumedRecord]) -> None:
        """Every record is in Redis, or a dead letter, when this returns. Raises TryAgain."""
        for p, of_p in _by_partition(records).items():
            held = await self._partitions.hold(p, self.take_in)
            for topic in (CASES, DECISIONS):
                mine = [record for record in of_p if record.topic == topic]
                if mine:
                    await self.take_in(held, mine, mine[-1].offset + 1)

    async def on_assigned(self, partitions: set[TopicPartition]) -> None:
        """Take them before any of their records come. Raises TryAgain."""
        self._partitions.assign(frozenset(tp.partition for tp in partitions))
        await self._partitions.take_missing(self.take_in)

    async def on_revoked(self, partitions: set[TopicPartition]) -> None:
        """Finish what is being sent; the next owner goes on."""
        gone = frozenset(tp.partition for tp in partitions)
        await self._sender.finish(gone)
        self._partitions.revoke(gone)

    async def on_idle(self) -> None:
        """Take anew what Redis lost. Raises TryAgain."""
        if self._partitions.missing:
            await self._partitions.take_missing(self.take_in)

    # The walk

    async def take_in(
        self, held: OwnedPartition, records: Sequence[ConsumedRecord], next_offset: int
    ) -> None:
        """Records of one topic and partition; `next_offset` follows them. Raises TryAgain."""
        topic = records[0].topic if records else None
        try:
            if topic == NOTICES:
                await self._learn(held, records, next_offset)
            elif topic == CASES:
                await self._remember(held, records, next_offset)
            elif topic == DECISIONS:
                await self._tell(held, records, next_offset)
        except (Lost, Fenced) as why:
            self._partitions.drop(held, why)
            raise

    async def _remember(
        self, held: OwnedPartition, records: Sequence[ConsumedRecord], next_offset: int
    ) -> None:
        """Put submitted cases on the desk."""
        letters: Letters = []
        writes: list[CaseFileWrite] = []
        for record in records:
            if record.offset < held.cases:
                continue
            try:
                case = read_case(record.value)
            except Unreadable as why:
                letters.append((record, why))
                continue
            if case is not None:
                writes.append(CaseFileWrite(record_key(case.tenant, case.case_id), case_file.of_case(case)))
        await self._dead_letters.put_all(letters)
        if next_offset > held.cases:
            await self._store.record(held.p, held.generation, (next_offset, -1), writes, ())
            held.cases = next_offset

    async def _tell(self, held: OwnedPartition, records: Sequence[ConsumedRecord], next_offset: int) -> None:
        """Put events on the desk, and a notice for everybody who is told into the outbox."""
        letters: Letters = []
        read = [
            (record, seen)
            for record in records
            if record.offset >= held.decisions and (seen := self._read(record, letters)) is not None
        ]
        known = await self._known([seen for _, seen in read])
        if not all(one.submitted for one in known.values()):
            await self._partitions.read_cases(held, self.take_in)
            known = await self._known([seen for _, seen in read])
        writes: list[CaseFileWrite] = []
        notices: list[PendingNotice] = []
        for record, seen in read:
            about = known[seen.event.id]
            old = beyond_knowing(seen.event.time, self._clock())
            if about.can_be_told:
                writes.append(CaseFileWrite(seen.key, *case_file.of_event(seen.event, seen.raw)))
            elif not old:
                letters.append((record, _unknown_case(seen)))
            if about.can_be_told and not old:
                notices += notices_of(about.seen, about.approvers, has_webhook=self._has_webhook(seen.tenant))
            elif old:
                self._metrics.too_old.inc()
        await self._dead_letters.put_all(letters)
        if next_offset > held.decisions:
            await self._store.record(
                held.p, held.generation, (-1, next_offset), writes, [_entry(notice) for notice in notices]
            )
            held.decisions = next_offset
            self._sender.wake()

    def _read(self, record: ConsumedRecord, letters: Letters) -> DecisionEvent | None:
        try:
            seen = read_decision(record.value)
        except Unreadable as why:
            letters.append((record, why))
            return None
        if seen is not None and self._clock() - seen.event.time > self._desk_kept:
            self._metrics.too_old.inc()
            return None
        return seen

    async def _known(self, events: Sequence[DecisionEvent]) -> Mapping[str, RequestFile]:
        """What is known of each event's request: from the desk, and from the events before it in here."""
        events = await self._with_requests(events)
        wanted = []
        for seen in events:
            request_id, digest = about(seen.event)
            fields = (case_file.submission_field(request_id, digest), case_file.approvers_field(request_id))
            wanted.append((seen.key, fields))
        found = await self._store.of_cases(wanted)
        waiting: dict[tuple[str, str], tuple[str, ...]] = {}
        known = {}
        for seen, (submitted, approvers) in zip(events, found, strict=True):
            request = seen.key, about(seen.event)[0]
            waiting.setdefault(request, case_file.read_approvers(approvers))
            known[seen.event.id] = RequestFile(seen, submitted is not None, waiting[request])
            after = case_file.approvers_after(seen.event)
            if after is not None:
                waiting[request] = after
        return known

    async def _with_requests(self, events: Sequence[DecisionEvent]) -> list[DecisionEvent]:
        """The events, those that withdrew a request before it came with that request, where it has come."""
        early = [seen for seen in events if came_first(seen.event)]
        last = await self._store.of_cases(
            [(seen.key, (case_file.last_field(about(seen.event)[0]),)) for seen in early]
        )
        came = [(seen, digest.decode()) for seen, (digest,) in zip(early, last, strict=True) if digest]
        cases = await self._store.of_cases(
            [(seen.key, (case_file.submission_field(about(seen.event)[0], digest),)) for seen, digest in came]
        )
        found = {
            seen.event.id: of_request(seen, Case.model_validate_json(case))
            for (seen, _), (case,) in zip(came, cases, strict=True)
            if case
        }
        return [found.get(seen.event.id, seen) for seen in events]

    async def _learn(self, held: OwnedPartition, records: Sequence[ConsumedRecord], next_offset: int) -> None:
        """What was told already, by us or by who owned the partition before."""
        ended = []
        for record in records:
            try:
                event = read_notice(record.value)
            except Unreadable:
                continue  # only the notifier writes these, and it reads no dead letter again
            if event is not None and event.tenant is not None:
                key = record_key(event.tenant, event.data.case_id)
                ended.append(
                    EndedNotice(event.data.notice_id, event.data.channel, key, case_file.notice_line(event))
                )
        await self._store.settle(held.p, held.generation, next_offset, ended)


def _by_partition(records: Iterable[ConsumedRecord]) -> dict[int, list[ConsumedRecord]]:
    by_partition: dict[int, list[ConsumedRecord]] = {}
    for record in records:
        by_partition.setdefault(record.partition, []).append(record)
    return by_partition


def _entry(notice: PendingNotice) -> OutboxEntry:
    lane = notice.told.channel
    return OutboxEntry(notice.notice_id, lane, notice.model_dump_json().encode(), notice.settled_us // 1000)


def _unknown_case(seen: DecisionEvent) -> Unreadable:
    return Unreadable(
        "unknown_case",
        f"No case with this id and request is in {CASES}, so nobody could be told of event {seen.event.id};"
        " publish the case again, then send this dead letter again.",
    )
