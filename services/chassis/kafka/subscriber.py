"""Consumes topics in batches: one turn at a time, offsets committed when the handler is done.

A *turn* is a lock. The loop holds it from the poll that gave records until the handler is done with them, and
`on_idle`, `on_assigned` and `on_revoked` hold it while they run. So none of them runs beside another.

| where | what |
|---|---|
| subscriber.py | the life of the consumer, and one turn of the loop after another |
| handover.py | partitions come and go |
| commits.py | offsets are committed |
| faststream_loop.py | FastStream calls us, with its own handling of errors and offsets switched off |
| consumer.py | what is asked of aiokafka's consumer |
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.errors import Unreadable
from services.chassis.kafka import header_names
from services.chassis.kafka.commits import Commits
from services.chassis.kafka.consumer import Batches, Consumer
from services.chassis.kafka.dead_letters import ConsumedRecord, DeadLetters
from services.chassis.kafka.faststream_loop import FastStreamLoop, Source, Timing
from services.chassis.kafka.handover import Handover, PartitionsCallback
from services.chassis.process.back_off import repeat_until_done
from services.chassis.process.errors import TryAgain
from services.chassis.process.families import Family, family_of
from services.chassis.process.log import log
from services.chassis.process.metrics import Metrics

__all__ = ["Subscription", "Timing"]

Handler = Callable[[list[ConsumedRecord]], Awaitable[None]]
IdleCallback = Callable[[], Awaitable[None]]
OnBug = Callable[[BaseException], None]

PAUSE_SECONDS = 0.02
TOO_OLD_SECONDS = 60.0
LONGEST_REBALANCE_SECONDS = 120.0
"""After a longer rebalance the consumer is replaced, and joins the group again."""
NO_RECORDS: Final[Batches] = {}


class Batch(NamedTuple):
    """The records of one poll. The handler gets them all before the next poll."""

    records: Batches

    @property
    def starts(self) -> dict[TopicPartition, int]:
        """The first offset of each partition."""
        return {tp: records[0].offset for tp, records in self.records.items()}

    @property
    def ends(self) -> dict[TopicPartition, int]:
        """The offset that follows the last record of each partition."""
        return {tp: records[-1].offset + 1 for tp, records in self.records.items()}


class Subscription:
    """A member of a group, which handles the records of its partitions.

    `handler` gets the records of one poll, in the order of each partition. When it returns, it is done with
    all of them: everything that it published is acknowledged, dead letters too. Then their offsets are
    committed. When it raises TryAgain, the batch is delivered again, after a pause of 0.1 s that doubles up
    to 2 s. Any other error is a bug: nothing is committed, `on_bug` is called once, and consuming stops.

    With `manual=True` the handler itself commits and seeks back (`commit`, `seek`, `pause`, `resume`).

    `on_assigned` is called before any record of those partitions, again and again while it raises TryAgain.
    `on_revoked` is called after the current batch and before others get the partitions, also at stop.
    `on_idle` is called 20 ms after the last record, and at least once a second. Records with header names
    that are not UTF-8 become dead letters, and the handler never sees them.
    """

    def __init__(
        self,
        *topics: str,
        bootstrap: str,
        group: str,
        handler: Handler,
        dead_letters: DeadLetters,
        metrics: Metrics,
        on_bug: OnBug,
        manual: bool = False,
        on_assigned: PartitionsCallback | None = None,
        on_revoked: PartitionsCallback | None = None,
        on_idle: IdleCallback | None = None,
        max_records: int = 500,
        max_partition_fetch_bytes: int = 1024 * 1024,
        timing: Timing = Timing(),  # noqa: B008 - a frozen value
    ) -> None:
        self._source = Source(topics, bootstrap, group, max_records, max_partition_fetch_bytes)
        self._handler = handler
        self._dead_letters = dead_letters
        self._metrics = metrics
        self._on_bug = on_bug
        self._manual = manual
        self._on_idle = on_idle
        self._timing = timing

        self._loop: FastStreamLoop | None = None
        self._consumer: Consumer | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._broken = asyncio.Event()
        self._stopping = False
        self._bug: BaseException | None = None

        self._turn = asyncio.Lock()
        self._handover = Handover(group, self._turn, self._callback, on_assigned, on_revoked)
        self._commits = Commits(group, metrics)
        self._batch: Batch | None = None
        self._failures = 0
        self._not_before = 0.0

        self._last_ran = self._last_record = self._last_idle = self._next_check = time.monotonic()
        self._settled: float | None = None
        self._idle_since_record = False
        metrics.loop_age.set_function(self.loop_age_seconds)

    # State

    @property
    def assigned(self) -> set[TopicPartition]:
        """The partitions that this member handles now; empty during a rebalance."""
        if self._consumer is None or self._consumer.rebalancing:
            return set()
        return self._consumer.assigned() - self._handover.untaken

    def loop_age_seconds(self) -> float:
        """Time since the loop last ran. It grows when the loop is stuck, cancelled or lost."""
        return time.monotonic() - self._last_ran

    def alive(self) -> str | None:
        """The text for /livez if something is wrong, else None."""
        if self._bug is not None:
            return "stopped by a bug"
        age = self.loop_age_seconds()
        return f"the loop has not run for {age:.0f} s" if age > TOO_OLD_SECONDS else None

    def ready(self) -> str | None:
        """The text for /readyz if something is wrong, else None. A rebalance is nothing wrong."""
        if self._settled is None or self._consumer is None:
            return "not joined yet"
        unsettled = time.monotonic() - self._settled
        if unsettled > self._timing.rebalance:
            return f"without partitions for {unsettled:.0f} s"
        cannot = [
            f"{tp.topic}-{tp.partition} ({trouble.why})" for tp, trouble in self._consumer.unreadable.items()
        ]
        if cannot:
            return "cannot read " + ", ".join(cannot)
        silence = time.monotonic() - max(self._consumer.last_answer, self._last_record)
        if self.assigned and not self._turn.locked() and silence > self._timing.fetch_silence:
            return f"no answer from kafka for {silence:.0f} s"
        return self.alive()

    @property
    def consumer(self) -> AIOKafkaConsumer:
        """The aiokafka consumer. Raises TryAgain while there is none."""
        return self._joined().inner

    # For handlers in manual mode, and callbacks

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Commits the next offsets to read. Raises TryAgain when that fails, or a partition is not ours."""
        consumer = self._joined()
        try:
            await consumer.ask(consumer.inner.commit(dict(offsets)), self._timing.commit)
        except TryAgain:
            self._metrics.commit_failures.inc()
            raise

    def seek(self, tp: TopicPartition, offset: int) -> None:
        """The next poll reads from there. Does nothing when the partition is not ours any more."""
        self._joined().seek({tp: offset})

    def pause(self, *partitions: TopicPartition) -> None:
        """No more records of these until `resume`, or until the next assignment; the others go on."""
        consumer = self._joined()
        consumer.inner.pause(*consumer.assigned().intersection(partitions))

    def resume(self, *partitions: TopicPartition) -> None:
        """Ends a pause."""
        consumer = self._joined()
        consumer.inner.resume(*consumer.assigned().intersection(partitions))

    async def position(self, tp: TopicPartition) -> int:
        """The next offset that a poll reads. Raises TryAgain when it is not known in time."""
        consumer = self._joined()
        return int(await consumer.ask(consumer.inner.position(tp), self._timing.commit))

    async def committed(self, tp: TopicPartition) -> int | None:
        """The committed offset of the group, None without one. Raises TryAgain."""
        consumer = self._joined()
        offset: int | None = await consumer.ask(consumer.inner.committed(tp), self._timing.commit)
        return offset

    async def end_offsets(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """The end of each partition, now. Raises TryAgain."""
        consumer = self._joined()
        question = consumer.inner.end_offsets(list(partitions))
        ends: dict[TopicPartition, int] = await consumer.ask(question, self._timing.commit)
        return ends

    def _joined(self) -> Consumer:
        if self._consumer is None:
            raise TryAgain("the consumer has not joined yet")
        return self._consumer

    # Life of the consumer

    async def start(self) -> None:
        """Starts to join the group, in the background and for as long as it takes."""
        self._supervisor = asyncio.create_task(self._supervise(), name=f"subscription {self._source.group}")

    async def stop(self) -> None:
        """Finishes the current batch, gives up the partitions (`on_revoked`), and leaves the group."""
        self._stopping = True
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.wait([self._supervisor])
        await self._leave(self._timing.stop)

    async def __aenter__(self) -> Subscription:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _supervise(self) -> None:
        """Opens a consumer, and another whenever one is broken, until `stop`."""
        while await repeat_until_done(
            self._open_or_leave,
            self._timing.back_off,
            on_try_again=self._log_cannot_join,
            on_bug=self._stop_loudly,
        ):
            await self._broken.wait()
            log.error("consumer_broken", group=self._source.group)
            self._metrics.consumer_restarts.inc()
            await self._leave(self._timing.wait_for_batch)
            self._last_ran = time.monotonic()
            await asyncio.sleep(self._timing.back_off.pause(1))

    def _log_cannot_join(self, error: BaseException, _: int) -> None:
        log.warning("consumer_cannot_join", group=self._source.group, error=str(error))

    async def _open_or_leave(self) -> None:
        ended = await family_of(self._open())
        if ended.family is Family.TRY_AGAIN:
            await self._leave(self._timing.wait_for_batch)
            self._last_ran = time.monotonic()
        if ended.error is not None:
            raise ended.error

    async def _open(self) -> None:
        """Joins the group. Meanwhile the loop counts as running, since it only waits for Kafka."""
        self._broken.clear()
        self._loop = FastStreamLoop(self._source, self._timing, self)
        opening = asyncio.create_task(self._loop.open())
        try:
            async with asyncio.timeout(self._timing.open):
                while not opening.done():
                    self._last_ran = time.monotonic()
                    await asyncio.wait([opening], timeout=0.5)
        except TimeoutError:
            raise TryAgain(f"no partitions within {self._timing.open:.0f} s") from None
        finally:
            opening.cancel()
            await asyncio.wait([opening], timeout=self._timing.leave)
        await opening

    async def _leave(self, seconds: float) -> None:
        """Waits for the current batch, gives up all partitions, and closes the consumer."""
        if self._consumer is not None and self._settled is not None:
            await self._handover.leave(self._consumer.assigned(), seconds)
            await self._commits.commit(self._consumer, self._timing.leave)
        loop, self._loop = self._loop, None
        if loop is not None:
            await loop.close()
        if self._batch is not None:  # cancelled between the poll and the handler
            self._end_turn()
        self._consumer, self._settled = None, None
        self._commits.forget()
        self._handover.forget()

    def consumer_created(self, consumer: Consumer) -> None:
        """Called by the loop when there is a new consumer."""
        self._consumer = consumer

    # One turn of the loop

    async def poll(self, consumer: Consumer) -> Batches:
        """Called by the loop, again and again: the next records, or nothing. Raises nothing."""
        ended = await family_of(self._poll(consumer))
        if ended.family is Family.BUG:
            self._stop_loudly(ended.error)
        if ended.error is not None or self._batch is None:
            return NO_RECORDS
        return self._batch.records

    async def _poll(self, consumer: Consumer) -> None:
        """Begins a turn if there are records."""
        self._last_ran = time.monotonic()
        self._check(consumer)
        if self._batch is not None:
            self._end_turn()
            self._stop_loudly(RuntimeError("FastStream did not pass on a batch"))
        if self._stopping or self._bug is not None or consumer.rebalancing:
            await asyncio.sleep(PAUSE_SECONDS)
            return
        if not await self._prepared(consumer) or time.monotonic() < self._not_before:
            await asyncio.sleep(PAUSE_SECONDS)
            return
        generation = self._handover.generation
        polled = await consumer.poll(self._timing.poll, self._source.max_records)
        if not polled:
            return
        batch = Batch(polled)
        if self._turn.locked() or generation != self._handover.generation or self._stopping:
            consumer.seek(batch.starts)  # others may have them now, and begin at the committed offset
            return
        await self._turn.acquire()  # at once, as it is free
        self._batch = batch

    async def _prepared(self, consumer: Consumer) -> bool:
        """Does what comes before the next records; False if they have to wait."""
        if not await self._commits.commit(consumer, self._timing.commit):
            return False
        if not await self._handover.settle(self._timing.wait_for_batch):
            return False
        self._settled = time.monotonic()
        return not self._idle_is_due() or await self._be_idle()

    async def on_batch(self, records: Sequence[ConsumedRecord]) -> None:
        """Called by the loop with what the poll gave. Raises nothing."""
        started, batch = time.monotonic(), self._batch or Batch(NO_RECORDS)
        try:
            ended = await family_of(self._handle(batch, records))
            self._metrics.batches.labels(ended.family.value).inc()
            match ended.family:
                case Family.DONE:
                    self._failures = 0
                    await self._commits.commit(self._consumer, self._timing.commit)
                case Family.TRY_AGAIN:
                    if self._consumer is not None:
                        self._consumer.seek(batch.starts)
                    self._wait_before_next_poll("batch", ended.error)
                case Family.BUG:
                    self._stop_loudly(ended.error)
        finally:
            self._end_turn()
            self._metrics.batch_seconds.observe(time.monotonic() - started)

    async def _handle(self, batch: Batch, records: Sequence[ConsumedRecord]) -> None:
        for tp, of_partition in batch.records.items():
            self._metrics.records.labels(tp.topic).inc(len(of_partition))
        bad = (
            [record for record in records if _has_undecodable_name(record)]
            if header_names.any_undecodable_met()
            else []
        )
        if bad:
            await self._dead_letters.put_all([(record, _bad_name(record)) for record in bad])
        good = [record for record in records if not _has_undecodable_name(record)] if bad else list(records)
        if good:
            await self._handler(good)
        self._commits.add(self._kept_from_handler(batch, bad) if self._manual else batch.ends)

    def _kept_from_handler(self, batch: Batch, bad: Sequence[ConsumedRecord]) -> dict[TopicPartition, int]:
        """Partitions that end in a record which a handler in manual mode never sees, and so cannot commit.

        Partitions on which the handler has sought back are left out.
        """
        consumer, ends = self._consumer, batch.ends
        kept = {TopicPartition(one.topic, one.partition): one.offset + 1 for one in bad}
        return {
            tp: end
            for tp, end in kept.items()
            if consumer is not None and ends.get(tp) == end == consumer.position(tp)
        }

    def _end_turn(self) -> None:
        self._batch = None
        self._last_record = self._last_ran = time.monotonic()
        self._idle_since_record = False
        self._turn.release()

    def _wait_before_next_poll(self, what: str, error: BaseException | None) -> None:
        self._failures += 1
        self._not_before = time.monotonic() + self._timing.back_off.pause(self._failures)
        log.warning(
            "try_again", what=what, group=self._source.group, error=f"{type(error).__name__}: {error}"
        )

    def _stop_loudly(self, error: BaseException | None) -> None:
        if self._bug is not None:
            return
        self._bug = error or RuntimeError("a bug without an error")
        log.error("bug", group=self._source.group, exc_info=self._bug)
        self._on_bug(self._bug)

    def _check(self, consumer: Consumer) -> None:
        """Once a second: notes whether the consumer is broken, when Kafka last answered, and the lag."""
        if self._last_ran < self._next_check:
            return
        self._next_check = self._last_ran + 1.0
        stuck = self._last_ran - (self._settled or self._last_ran) > LONGEST_REBALANCE_SECONDS
        if consumer.died or (consumer.rebalancing and stuck):
            self._broken.set()
        if consumer.rebalancing:
            return
        consumer.note_last_answer()
        for tp in self.assigned:
            self._metrics.lag.labels(tp.topic, str(tp.partition)).set(consumer.lag(tp) or 0)

    # Partitions come and go

    async def partitions_revoked(self, partitions: set[TopicPartition]) -> None:
        """Called by the loop before others may have the partitions."""
        await self._handover.revoke(partitions, self._timing.wait_for_batch)

    async def partitions_assigned(self, partitions: set[TopicPartition]) -> None:
        """Called by the loop when partitions are ours."""
        self._handover.assign(partitions)
        if self._consumer is not None:
            self._consumer.last_answer = time.monotonic()
        self._metrics.rebalances.inc()
        names = sorted(f"{tp.topic}-{tp.partition}" for tp in partitions)
        log.info("assigned", group=self._source.group, partitions=names)

    # Callbacks

    def _idle_is_due(self) -> bool:
        if self._on_idle is None:
            return False
        now = time.monotonic()
        if now - self._last_idle >= self._timing.idle_at_least:
            return True
        return not self._idle_since_record and now - self._last_record >= self._timing.quiet_before_idle

    async def _be_idle(self) -> bool:
        self._last_idle = time.monotonic()
        self._idle_since_record = True
        if self._on_idle is None:
            return True
        async with self._turn:
            return await self._callback("on_idle", self._on_idle())

    async def _callback(self, what: str, call: Awaitable[None]) -> bool:
        ended = await family_of(call)
        match ended.family:
            case Family.TRY_AGAIN:
                self._wait_before_next_poll(what, ended.error)
            case Family.BUG:
                self._stop_loudly(ended.error)
        return ended.family is Family.DONE


def _has_undecodable_name(record: ConsumedRecord) -> bool:
    return any(header_names.is_undecodable(name) for name, _ in record.headers)


def _bad_name(record: ConsumedRecord) -> Unreadable:
    return Unreadable(
        "header_name_not_utf8",
        f"The record at {record.topic}-{record.partition}, offset {record.offset}, has a header whose"
        " name is not UTF-8; it was skipped. Send it again with header names in UTF-8.",
    )
