"""Consumes topics in batches: one turn at a time, offsets committed when the handler is done.

A *turn* is held by the loop from the poll that gave records until the handler is done with them, and by
`on_idle`, `on_assigned` and `on_revoked`. None of them runs beside another.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError

from schemas.errors import Unreadable
from services.chassis.kafka import lenient_headers
from services.chassis.kafka.consumer import Batches, Consumer
from services.chassis.kafka.dead_letters import ConsumedRecord, DeadLetters
from services.chassis.kafka.faststream_loop import Loop, Source, Timing
from services.chassis.process.back_off import repeat_until_done
from services.chassis.process.errors import TryAgain
from services.chassis.process.families import Family, family_of
from services.chassis.process.log import log
from services.chassis.process.metrics import Metrics

__all__ = ["Subscription", "Timing"]

Handler = Callable[[list[ConsumedRecord]], Awaitable[None]]
PartitionsCallback = Callable[[set[TopicPartition]], Awaitable[None]]
IdleCallback = Callable[[], Awaitable[None]]
OnBug = Callable[[BaseException], None]

PAUSE_SECONDS = 0.02
TOO_OLD_SECONDS = 60.0
GIVING_SECONDS = 120.0
"""A rebalance that takes longer is left, and the group joined anew."""


class Subscription:
    """The partitions of some topics that this process handles.

    `handler` gets the records of one poll, each partition's in order. It returns when it is done with all of
    them (published, dead letters included, everything acknowledged): then their offsets are committed. It
    raises TryAgain when the outside is away: the batch comes again, after a pause of 0.1 s doubling to 2 s.
    Whatever else it raises is a bug: nothing is committed, `on_bug` is called once, consumption ends.

    With `manual=True` the handler commits and seeks back itself (`commit`, `seek`, `pause`, `resume`).

    `on_assigned` comes before any record of those partitions, and is repeated while it raises TryAgain;
    `on_revoked` comes after the batch in flight and before others may have the partitions, also at stop;
    `on_idle` 20 ms after the last record, and at least every second. Records whose header names are not
    UTF-8 never reach the handler: they become dead letters.
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
        self._on_assigned = on_assigned
        self._on_revoked = on_revoked
        self._on_idle = on_idle
        self._timing = timing

        self._loop: Loop | None = None
        self._consumer: Consumer | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._broken = asyncio.Event()
        self._turn = asyncio.Lock()
        self._generation = 0
        self._to_assign: set[TopicPartition] = set()
        self._to_revoke: set[TopicPartition] = set()
        self._uncommitted: dict[TopicPartition, int] = {}
        self._batch: dict[TopicPartition, int] = {}
        self._ends: dict[TopicPartition, int] = {}
        self._counts: dict[TopicPartition, int] = {}
        self._bad_ends: dict[TopicPartition, int] = {}
        self._polled: Batches = {}
        self._stopping = False
        self._bug: BaseException | None = None
        self._failures = 0
        self._not_before = 0.0
        self._turned = self._last_record = self._last_idle = self._next_look = time.monotonic()
        self._settled: float | None = None
        self._idle_since_record = False
        metrics.loop_age.set_function(self.loop_age_seconds)

    # What others may ask

    @property
    def assigned(self) -> set[TopicPartition]:
        """The partitions that this process handles now; empty while they are given anew."""
        if self._consumer is None or self._consumer.giving:
            return set()
        return self._consumer.assigned() - self._to_assign

    @property
    def caught_up(self) -> bool:
        """Whether all that was in the assigned partitions at the last fetch has been polled."""
        consumer, assigned = self._consumer, self.assigned
        return consumer is not None and bool(assigned) and all(consumer.lag(tp) == 0 for tp in assigned)

    def loop_age_seconds(self) -> float:
        """Time since the loop last turned. A loop that is stuck, cancelled or lost grows old."""
        return time.monotonic() - self._turned

    def alive(self) -> str | None:
        """What is wrong for /livez, or None."""
        if self._bug is not None:
            return "stopped by a bug"
        age = self.loop_age_seconds()
        return f"the loop has not turned for {age:.0f} s" if age > TOO_OLD_SECONDS else None

    def ready(self) -> str | None:
        """What is wrong for /readyz, or None. A rebalance, which all members go through at once, is not."""
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
        """The consumer itself, for reading. Raises TryAgain while there is none."""
        return self._joined().inner

    # For handlers in manual mode, and callbacks

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Commits the next offsets to read. Raises TryAgain when that failed, or the partition is gone."""
        consumer = self._joined()
        try:
            await consumer.ask(consumer.inner.commit(dict(offsets)), self._timing.commit)
        except TryAgain:
            self._metrics.commit_failures.inc()
            raise

    def seek(self, tp: TopicPartition, offset: int) -> None:
        """The next poll reads from there; nothing when the partition is no longer ours."""
        self._joined().seek({tp: offset})

    def pause(self, *partitions: TopicPartition) -> None:
        """No more records of these until `resume`; the others go on. Ends with the assignment."""
        consumer = self._joined()
        consumer.inner.pause(*consumer.assigned().intersection(partitions))

    def resume(self, *partitions: TopicPartition) -> None:
        """Records of these again."""
        consumer = self._joined()
        consumer.inner.resume(*consumer.assigned().intersection(partitions))

    async def position(self, tp: TopicPartition) -> int:
        """The next offset that a poll reads. Raises TryAgain when it cannot be had now."""
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

    # Life

    async def start(self) -> None:
        """Begins to join, in the background, for as long as it takes."""
        self._supervisor = asyncio.create_task(self._supervise(), name=f"subscription {self._source.group}")

    async def stop(self) -> None:
        """Finishes the batch in hand, gives up the partitions (`on_revoked`), leaves the group."""
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
        """Opens a consumer, and another when its background tasks died, until we are stopped."""
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
            self._turned = time.monotonic()
            await asyncio.sleep(self._timing.back_off.pause(1))

    def _log_cannot_join(self, error: BaseException, _: int) -> None:
        log.warning("consumer_cannot_join", group=self._source.group, error=str(error))

    async def _open_or_leave(self) -> None:
        ended = await family_of(self._open())
        if ended.family is Family.TRY_AGAIN:
            await self._leave(self._timing.wait_for_batch)
            self._turned = time.monotonic()
        if ended.error is not None:
            raise ended.error

    async def _open(self) -> None:
        """Joins. While that takes its time the loop counts as turning: Kafka is away, not we."""
        self._broken.clear()
        self._loop = Loop(self._source, self._timing, self)
        opening = asyncio.create_task(self._loop.open())
        try:
            async with asyncio.timeout(self._timing.open):
                while not opening.done():
                    self._turned = time.monotonic()
                    await asyncio.wait([opening], timeout=0.5)
        except TimeoutError:
            raise TryAgain(f"no partitions within {self._timing.open:.0f} s") from None
        finally:
            opening.cancel()
            await asyncio.wait([opening], timeout=self._timing.leave)
        await opening

    async def _leave(self, seconds: float) -> None:
        """Gives up what we have, waiting for the batch in hand, and closes the consumer."""
        if self._consumer is not None and self._settled is not None:
            await self._give_up(self._consumer.assigned() | self._to_revoke, seconds)
            await self._commit_what_is_due(self._timing.leave)
        loop, self._loop = self._loop, None
        if loop is not None:
            await loop.close()
        if self._batch:  # cancelled between the poll and the handler
            self._end_turn()
        self._consumer, self._settled = None, None
        self._uncommitted.clear()
        self._to_assign.clear()
        self._to_revoke.clear()

    def made(self, consumer: Consumer) -> None:
        """Called by the loop: this is the consumer from now on."""
        self._consumer = consumer

    # One turn of the loop

    async def poll(self, consumer: Consumer) -> Batches:
        """Called by the loop, again and again: the next records, or nothing. Raises nothing."""
        ended = await family_of(self._poll(consumer))
        if ended.family is Family.BUG:
            self._stop_loudly(ended.error)
        polled, self._polled = self._polled, {}
        return polled

    async def _poll(self, consumer: Consumer) -> None:
        self._turned = time.monotonic()
        self._look_at(consumer)
        if self._batch:
            self._end_turn()
            self._stop_loudly(RuntimeError("FastStream did not hand over a batch"))
        if self._stopping or self._bug is not None or consumer.giving:
            await asyncio.sleep(PAUSE_SECONDS)
            return
        if not await self._prepared() or time.monotonic() < self._not_before:
            await asyncio.sleep(PAUSE_SECONDS)
            return
        generation = self._generation
        batches = await consumer.poll(self._timing.poll, self._source.max_records)
        if not batches:
            return
        starts = {tp: records[0].offset for tp, records in batches.items()}
        if self._turn.locked() or generation != self._generation or self._stopping:
            # Taken away meanwhile: whoever gets the partition begins at its committed offset.
            consumer.seek(starts)
            return
        await self._turn.acquire()  # at once, as it is free
        self._batch, self._polled = starts, batches
        self._ends = {tp: records[-1].offset + 1 for tp, records in batches.items()}
        self._counts = {tp: len(records) for tp, records in batches.items()}

    async def _prepared(self) -> bool:
        """Does what comes before the next records; False if they have to wait."""
        if self._uncommitted and not await self._commit_what_is_due(self._timing.commit):
            return False
        if self._to_revoke:
            await self._give_up(set(self._to_revoke), self._timing.wait_for_batch)
        if self._to_assign and not await self._take_up():
            return False
        self._settled = time.monotonic()
        return not self._idle_is_due() or await self._be_idle()

    async def on_batch(self, records: Sequence[ConsumedRecord]) -> None:
        """Called by the loop with what the poll gave. Raises nothing."""
        started, ends = time.monotonic(), dict(self._ends)
        try:
            ended = await family_of(self._handle(records))
            self._metrics.batches.labels(ended.family.value).inc()
            match ended.family:
                case Family.DONE:
                    self._failures = 0
                    await self._done_with(ends)
                case Family.TRY_AGAIN:
                    if self._consumer is not None:
                        self._consumer.seek(self._batch)
                    self._wait_before_next_poll("batch", ended.error)
                case Family.BUG:
                    self._stop_loudly(ended.error)
        finally:
            self._end_turn()
            self._metrics.batch_seconds.observe(time.monotonic() - started)

    async def _handle(self, records: Sequence[ConsumedRecord]) -> None:
        for tp, number in self._counts.items():
            self._metrics.records.labels(tp.topic).inc(number)
        bad = [record for record in records if _has_bad_name(record)] if lenient_headers.met_any() else []
        if bad:
            await self._dead_letters.put_all([(record, _why(record)) for record in bad])
        self._bad_ends = {TopicPartition(one.topic, one.partition): one.offset + 1 for one in bad}
        good = [record for record in records if not _has_bad_name(record)] if bad else list(records)
        if good:
            await self._handler(good)

    async def _done_with(self, ends: Mapping[TopicPartition, int]) -> None:
        if self._manual:
            ends = self._seen_by_nobody(ends)
        self._uncommitted |= ends
        await self._commit_what_is_due(self._timing.commit)

    def _seen_by_nobody(self, ends: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
        """The partitions whose last record no handler that commits itself ever saw, nor sought back from."""
        consumer = self._consumer
        return {
            tp: end
            for tp, end in self._bad_ends.items()
            if consumer is not None and ends.get(tp) == end == consumer.next_of(tp)
        }

    async def _commit_what_is_due(self, seconds: float) -> bool:
        """Commits what the handler is done with. False: it stays due, and is tried before the next poll."""
        consumer = self._consumer
        held = consumer.assigned() if consumer is not None else set()
        due = self._uncommitted = {tp: next_ for tp, next_ in self._uncommitted.items() if tp in held}
        if not due or consumer is None:
            return True
        try:
            async with asyncio.timeout(seconds):
                await consumer.inner.commit(due)
        except (CommitFailedError, IllegalStateError) as error:
            # The partitions are another's: it begins at the offset committed before and repeats the batch.
            self._metrics.commit_failures.inc()
            log.warning("commit_refused", group=self._source.group, error=type(error).__name__)
        except (KafkaError, TimeoutError) as error:
            self._metrics.commit_failures.inc()
            log.warning("commit_failed", group=self._source.group, error=type(error).__name__)
            return False
        self._uncommitted = {}
        return True

    def _end_turn(self) -> None:
        self._batch = {}
        self._last_record = self._turned = time.monotonic()
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

    def _look_at(self, consumer: Consumer) -> None:
        """Once a second: is aiokafka still at work, when did Kafka last answer, how much is unread."""
        if self._turned < self._next_look:
            return
        self._next_look = self._turned + 1.0
        stuck = self._turned - (self._settled or self._turned) > GIVING_SECONDS
        if consumer.died or (consumer.giving and stuck):
            self._broken.set()
        if consumer.giving:
            return
        consumer.look()
        for tp in self.assigned:
            self._metrics.lag.labels(tp.topic, str(tp.partition)).set(consumer.lag(tp) or 0)

    # Partitions come and go

    async def revoked(self, partitions: set[TopicPartition]) -> None:
        """Called by aiokafka before others may have the partitions. It waits for us."""
        self._generation += 1
        self._to_assign.clear()
        if partitions:
            await self._give_up(partitions, self._timing.wait_for_batch)

    async def given(self, partitions: set[TopicPartition]) -> None:
        """Called by aiokafka when partitions are ours; the loop takes them up, so that heartbeats go on."""
        self._generation += 1
        self._to_assign = partitions
        if self._consumer is not None:
            self._consumer.last_answer = time.monotonic()
        self._metrics.rebalances.inc()
        names = sorted(f"{tp.topic}-{tp.partition}" for tp in partitions)
        log.info("assigned", group=self._source.group, partitions=names)

    async def _give_up(self, partitions: set[TopicPartition], seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._turn.acquire()
        except TimeoutError:
            log.error("batch_outlives_its_partitions", group=self._source.group)
            self._to_revoke |= partitions
            return
        try:
            self._to_revoke -= partitions
            if self._on_revoked is not None:
                await self._callback("on_revoked", self._on_revoked(partitions))
        finally:
            self._turn.release()

    async def _take_up(self) -> bool:
        async with self._turn:
            partitions, generation = set(self._to_assign), self._generation
            taken = self._on_assigned is None or await self._callback(
                "on_assigned", self._on_assigned(partitions)
            )
            if not taken or generation != self._generation:
                return False
            self._to_assign.clear()
            return True

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


def _has_bad_name(record: ConsumedRecord) -> bool:
    return any(lenient_headers.is_bad(name) for name, _ in record.headers)


def _why(record: ConsumedRecord) -> Unreadable:
    return Unreadable(
        "header_name_not_utf8",
        f"The record at {record.topic}-{record.partition}, offset {record.offset}, has a header whose name"
        " is not UTF-8; it was stepped over. Send it again with names in UTF-8.",
    )
