"""Consumes topics in batches: FastStream's loop, with our hands on the poll, the handler and the offsets.

FastStream's batch subscriber calls `getmany` and then the handler, one after the other, for ever. It gets a
consumer whose `getmany` is `Subscription._poll`, a parser and a codec that leave headers and bodies alone,
and a handler that raises nothing, so that nothing in between can lose a batch.

One *turn* is held at a time: by the loop from the poll that gave records until the handler is done with
them, by `on_idle`, `on_assigned` and `on_revoked`. None of them runs beside another.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import CommitFailedError, ConsumerStoppedError, IllegalStateError, KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.message import FAKE_CONSUMER, KafkaMessage

from schemas.errors import Unreadable
from services.chassis import lenient_headers
from services.chassis.dead_letters import DeadLetters, Record
from services.chassis.errors import TryAgain
from services.chassis.families import Family, family_of
from services.chassis.log import log
from services.chassis.metrics import Metrics

Handler = Callable[[list[Record]], Awaitable[None]]
PartitionsCallback = Callable[[set[TopicPartition]], Awaitable[None]]
IdleCallback = Callable[[], Awaitable[None]]
OnBug = Callable[[BaseException], None]


FASTSTREAM_LOGGER = logging.getLogger("mandaat.faststream")
FASTSTREAM_LOGGER.setLevel(logging.ERROR)


class Timing(NamedTuple):
    """All in seconds. A rebalance waits for the batch in flight less long than the broker waits for us."""

    session: float = 6.0
    heartbeat: float = 2.0
    rebalance: float = 30.0
    wait_for_batch: float = 20.0
    poll: float = 0.005
    quiet_before_idle: float = 0.02
    idle_at_least: float = 1.0
    backoff_first: float = 0.1
    backoff_last: float = 2.0
    commit: float = 3.0
    open: float = 60.0
    stop: float = 4.0
    leave: float = 1.5
    fetch_silence: float = 15.0


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
        self._topics = topics
        self._bootstrap = bootstrap
        self._group = group
        self._handler = handler
        self._dead_letters = dead_letters
        self._metrics = metrics
        self._on_bug = on_bug
        self._manual = manual
        self._on_assigned = on_assigned
        self._on_revoked = on_revoked
        self._on_idle = on_idle
        self._max_records = max_records
        self._max_partition_fetch_bytes = max_partition_fetch_bytes
        self._timing = timing

        self._broker: KafkaBroker | None = None
        self._consumer: AIOKafkaConsumer | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._broken = asyncio.Event()
        self._turn = asyncio.Lock()
        self._generation = 0
        self._to_assign: set[TopicPartition] = set()
        self._to_revoke: set[TopicPartition] = set()
        self._uncommitted: dict[TopicPartition, int] = {}
        self._batch: dict[TopicPartition, int] = {}
        self._stopping = False
        self._bug: BaseException | None = None
        self._backoff = 0.0
        self._not_before = 0.0
        now = time.monotonic()
        self._turned = self._last_record = self._last_idle = self._last_fetch = now
        self._next_look = now
        self._settled: float | None = None
        self._idle_since_record = False
        metrics.loop_age.set_function(self.loop_age_seconds)

    # What others may ask

    @property
    def assigned(self) -> set[TopicPartition]:
        """The partitions that this process handles now; empty while they are given anew."""
        if self._consumer is None or self._giving():
            return set()
        return set(self._consumer.assignment()) - self._to_assign

    @property
    def caught_up(self) -> bool:
        """Whether all that was in the assigned partitions at the last fetch has been polled."""
        consumer = self._consumer
        if consumer is None or not self.assigned:
            return False
        return all(self._lag(tp) == 0 for tp in self.assigned)

    def loop_age_seconds(self) -> float:
        """Time since the loop last turned. A loop that is stuck, cancelled or lost grows old."""
        return time.monotonic() - self._turned

    def alive(self) -> str | None:
        """What is wrong for /livez, or None."""
        if self._bug is not None:
            return "stopped by a bug"
        age = self.loop_age_seconds()
        return f"the loop has not turned for {age:.0f} s" if age > 60 else None

    def ready(self) -> str | None:
        """What is wrong for /readyz, or None. A rebalance, which all members go through at once, is not."""
        if self._settled is None:
            return "not joined yet"
        unsettled = time.monotonic() - self._settled
        if unsettled > self._timing.rebalance:
            return f"without partitions for {unsettled:.0f} s"
        silence = time.monotonic() - self._last_fetch
        if not self._turn.locked() and silence > self._timing.fetch_silence:
            return f"no answer from kafka for {silence:.0f} s"
        return self.alive()

    @property
    def consumer(self) -> AIOKafkaConsumer:
        """The consumer itself, for reading. Raises TryAgain while there is none."""
        if self._consumer is None:
            raise TryAgain("the consumer has not joined yet")
        return self._consumer

    # For handlers in manual mode, and callbacks

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Commits the next offsets to read. Raises TryAgain when that failed, or the partition is gone."""
        try:
            async with asyncio.timeout(self._timing.commit):
                await self.consumer.commit(dict(offsets))
        except (KafkaError, IllegalStateError, TimeoutError) as error:
            self._metrics.commit_failures.inc()
            raise TryAgain(f"commit failed: {type(error).__name__}") from error

    def seek(self, tp: TopicPartition, offset: int) -> None:
        """The next poll reads from there; nothing when the partition is no longer ours."""
        if tp in self._held():
            self.consumer.seek(tp, offset)

    def pause(self, *partitions: TopicPartition) -> None:
        """No more records of these until `resume`; the others go on. Ends with the assignment."""
        self.consumer.pause(*(tp for tp in partitions if tp in self._held()))

    def resume(self, *partitions: TopicPartition) -> None:
        """Records of these again."""
        self.consumer.resume(*(tp for tp in partitions if tp in self._held()))

    async def position(self, tp: TopicPartition) -> int:
        """The next offset that a poll reads. Raises TryAgain when it cannot be had now."""
        return int(await self._ask(self.consumer.position(tp)))

    async def committed(self, tp: TopicPartition) -> int | None:
        """The committed offset of the group, None without one. Raises TryAgain."""
        offset: int | None = await self._ask(self.consumer.committed(tp))
        return offset

    async def end_offsets(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """The end of each partition, now. Raises TryAgain."""
        ends: dict[TopicPartition, int] = await self._ask(self.consumer.end_offsets(list(partitions)))
        return ends

    async def _ask(self, question: Awaitable[Any]) -> Any:
        try:
            async with asyncio.timeout(self._timing.commit):
                return await question
        except (KafkaError, IllegalStateError, TimeoutError) as error:
            raise TryAgain(f"kafka did not answer: {type(error).__name__}") from error

    # Life

    async def start(self) -> None:
        """Begins to join, in the background, for as long as it takes."""
        self._supervisor = asyncio.create_task(self._supervise(), name=f"subscription {self._group}")

    async def stop(self) -> None:
        """Finishes the batch in hand, gives up the partitions (`on_revoked`), leaves the group."""
        self._stopping = True
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.wait([self._supervisor])
        if self._consumer is not None:
            await self._give_up(set(self._consumer.assignment()), self._timing.stop)
            await self._commit_what_is_due(self._timing.leave)
        await self._close()

    async def __aenter__(self) -> Subscription:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _supervise(self) -> None:
        """Opens a consumer, and another when its background tasks died, until we are stopped."""
        pause = self._timing.backoff_first
        while True:
            opening = asyncio.create_task(self._open())
            try:
                deadline = time.monotonic() + self._timing.open
                while not opening.done() and time.monotonic() < deadline:
                    self._turned = time.monotonic()
                    await asyncio.wait([opening], timeout=0.5)
            finally:
                opening.cancel()
            ended = await family_of(opening)
            if ended.family is Family.BUG:
                self._stop_loudly(ended.error)
                return
            if ended.family is Family.DONE:
                pause = self._timing.backoff_first
                await self._broken.wait()
                log.error("consumer_broken", group=self._group)
                self._metrics.consumer_restarts.inc()
            else:
                log.warning("consumer_cannot_join", group=self._group, error=str(ended.error))
            await self._close()
            self._turned = time.monotonic()
            await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311 - jitter
            pause = min(pause * 2, self._timing.backoff_last)

    async def _open(self) -> None:
        self._broken.clear()
        lenient_headers.install()
        broker = KafkaBroker(
            self._bootstrap,
            client_id=f"{self._group}-consumer",
            consumer_only=True,
            allow_auto_create_topics=False,
            apply_types=False,
            graceful_timeout=0.1,
            retry_backoff_ms=200,
            request_timeout_ms=15_000,
            logger=FASTSTREAM_LOGGER,
            log_level=logging.DEBUG,
        )
        subscriber = broker.subscriber(
            *self._topics,
            batch=True,
            group_id=self._group,
            max_records=self._max_records,
            max_partition_fetch_bytes=self._max_partition_fetch_bytes,
            auto_offset_reset="earliest",
            partition_assignment_strategy=(RangePartitionAssignor,),
            ack_policy=AckPolicy.MANUAL,
            parser=_leave_headers_alone,
            decoder=_leave_bodies_alone,
            no_reply=True,
            listener=_Listener(self),
            session_timeout_ms=round(self._timing.session * 1000),
            heartbeat_interval_ms=round(self._timing.heartbeat * 1000),
            rebalance_timeout_ms=round(self._timing.rebalance * 1000),
            batch_timeout_ms=round(self._timing.poll * 1000),
        )
        subscriber(self._on_batch)
        self._broker = broker
        try:
            await broker.connect()
            build = broker.config.broker_config.builder
            broker.config.broker_config.builder = lambda **kwargs: _Polled(build(**kwargs), self)
            await broker.start()
        except (KafkaError, OSError) as error:
            raise TryAgain(f"{type(error).__name__}: {error}") from error

    async def _close(self) -> None:
        broker, self._broker, self._consumer = self._broker, None, None
        self._uncommitted.clear()
        self._to_assign.clear()
        if self._turn.locked() and self._batch:
            self._end_turn()
        if broker is None:
            return
        try:
            async with asyncio.timeout(self._timing.leave):
                await broker.stop()
        except (KafkaError, OSError, TimeoutError) as error:
            log.warning("consumer_closed_badly", group=self._group, error=type(error).__name__)

    # One turn of the loop

    async def _poll(self, consumer: AIOKafkaConsumer) -> dict[TopicPartition, list[Record]]:
        """What FastStream's loop takes for `getmany`: the next records, or nothing."""
        self._turned = time.monotonic()
        self._look_at(consumer)
        if self._batch:
            self._end_turn()
            self._stop_loudly(RuntimeError("FastStream did not hand over a batch"))
        if self._stopping or self._bug is not None or self._giving():
            await asyncio.sleep(0.02)
            if self._bug is not None:
                self._turned = -1e9
            return {}
        if not await self._prepared() or time.monotonic() < self._not_before:
            await asyncio.sleep(0.02)
            return {}
        generation = self._generation
        records = await self._fetch(consumer)
        if not records:
            return {}
        if self._turn.locked() or generation != self._generation or self._stopping:
            # Taken away meanwhile: whoever gets the partition begins at its committed offset.
            self._seek_back({tp: batch[0].offset for tp, batch in records.items()})
            return {}
        await self._turn.acquire()
        self._batch = {tp: batch[0].offset for tp, batch in records.items()}
        return records

    async def _prepared(self) -> bool:
        """Does what comes before the next records; False if they have to wait."""
        if self._uncommitted and not await self._commit_what_is_due():
            return False
        if self._to_revoke:
            await self._give_up(set(self._to_revoke), self._timing.wait_for_batch)
        if self._to_assign and not await self._take_up():
            return False
        self._settled = time.monotonic()
        return not self._idle_is_due() or await self._be_idle()

    async def _fetch(self, consumer: AIOKafkaConsumer) -> dict[TopicPartition, list[Record]]:
        try:
            # While partitions are given anew getmany waits for ever; being cancelled it loses nothing.
            async with asyncio.timeout(1.0):
                records: dict[TopicPartition, list[Record]] = await consumer.getmany(
                    timeout_ms=round(self._timing.poll * 1000), max_records=self._max_records
                )
            return records
        except TimeoutError:
            return {}
        except ConsumerStoppedError:
            raise
        except KafkaError as error:
            log.warning("poll_failed", group=self._group, error=type(error).__name__)
            await asyncio.sleep(0.5)
            return {}

    async def _on_batch(self, records: Sequence[Record]) -> None:
        """What FastStream takes for the handler. Raises nothing."""
        started = time.monotonic()
        try:
            ended = await family_of(self._handle(records))
            self._metrics.batches.labels(ended.family.value).inc()
            match ended.family:
                case Family.DONE:
                    self._backoff = 0.0
                    await self._done_with(records)
                case Family.TRY_AGAIN:
                    self._seek_back(self._batch)
                    self._back_off("batch", ended.error)
                case Family.BUG:
                    self._seek_back(self._batch)
                    self._stop_loudly(ended.error)
        finally:
            self._end_turn()
            self._metrics.batch_seconds.observe(time.monotonic() - started)

    async def _handle(self, records: Sequence[Record]) -> None:
        unreadable = [record for record in records if _bad_names(record)]
        if unreadable:
            await self._dead_letters.put_all([(record, _why(record)) for record in unreadable])
        good = [record for record in records if not _bad_names(record)] if unreadable else list(records)
        for topic in self._topics:
            number = sum(record.topic == topic for record in good)
            if number:
                self._metrics.records.labels(topic).inc(number)
        if good:
            await self._handler(good)

    async def _done_with(self, records: Sequence[Record]) -> None:
        if self._manual:
            return
        for record in records:
            self._uncommitted[TopicPartition(record.topic, record.partition)] = record.offset + 1
        await self._commit_what_is_due()

    async def _commit_what_is_due(self, seconds: float | None = None) -> bool:
        """Commits what the handler is done with. False: it stays due, and is tried before the next poll."""
        held = self._held()
        due = {tp: offset for tp, offset in self._uncommitted.items() if tp in held}
        self._uncommitted = due
        if not due or self._consumer is None:
            return True
        try:
            async with asyncio.timeout(seconds or self._timing.commit):
                await self._consumer.commit(due)
        except (CommitFailedError, IllegalStateError) as error:
            # The partitions are another's: it begins at the offset committed before and repeats the batch.
            self._metrics.commit_failures.inc()
            log.warning("commit_refused", group=self._group, error=type(error).__name__)
        except (KafkaError, TimeoutError) as error:
            self._metrics.commit_failures.inc()
            log.warning("commit_failed", group=self._group, error=type(error).__name__)
            return False
        self._uncommitted = {}
        return True

    def _end_turn(self) -> None:
        self._batch = {}
        self._last_record = self._turned = self._last_fetch = time.monotonic()
        self._idle_since_record = False
        if self._turn.locked():
            self._turn.release()

    def _back_off(self, what: str, error: BaseException | None) -> None:
        first, last = self._timing.backoff_first, self._timing.backoff_last
        self._backoff = min(self._backoff * 2, last) if self._backoff else first
        self._not_before = time.monotonic() + self._backoff * random.uniform(0.7, 1.0)  # noqa: S311 - jitter
        log.warning("try_again", what=what, group=self._group, error=f"{type(error).__name__}: {error}")

    def _stop_loudly(self, error: BaseException | None) -> None:
        if self._bug is not None:
            return
        self._bug = error or RuntimeError("a bug without an error")
        log.error("bug", group=self._group, exc_info=self._bug)
        self._on_bug(self._bug)

    # Partitions come and go

    async def _revoked(self, partitions: set[TopicPartition]) -> None:
        """Called by aiokafka before others may have the partitions. It waits for us."""
        self._generation += 1
        self._to_assign.clear()
        if not partitions:
            return
        await self._give_up(set(partitions), self._timing.wait_for_batch)

    async def _given(self, partitions: set[TopicPartition]) -> None:
        """Called by aiokafka when partitions are ours; the loop takes them up, so that heartbeats go on."""
        self._generation += 1
        self._to_assign = set(partitions)
        self._last_fetch = time.monotonic()
        self._metrics.rebalances.inc()
        log.info(
            "assigned",
            group=self._group,
            partitions=sorted(f"{tp.topic}-{tp.partition}" for tp in partitions),
        )

    async def _give_up(self, partitions: set[TopicPartition], seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._turn.acquire()
        except TimeoutError:
            log.error("batch_outlives_its_partitions", group=self._group)
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
            if self._on_assigned is not None and not await self._callback(
                "on_assigned", self._on_assigned(partitions)
            ):
                return False
            if generation == self._generation:
                self._to_assign.clear()
            return generation == self._generation

    def _idle_is_due(self) -> bool:
        if self._on_idle is None:
            return False
        now = time.monotonic()
        if now - self._last_idle >= self._timing.idle_at_least:
            return True
        return not self._idle_since_record and now - self._last_record >= self._timing.quiet_before_idle

    async def _be_idle(self) -> bool:
        assert self._on_idle is not None  # noqa: S101 - for the type checker; _idle_is_due asked
        self._last_idle = time.monotonic()
        self._idle_since_record = True
        async with self._turn:
            return await self._callback("on_idle", self._on_idle())

    async def _callback(self, what: str, call: Awaitable[None]) -> bool:
        ended = await family_of(call)
        match ended.family:
            case Family.TRY_AGAIN:
                self._back_off(what, ended.error)
            case Family.BUG:
                self._stop_loudly(ended.error)
        return ended.family is Family.DONE

    def _seek_back(self, offsets: Mapping[TopicPartition, int]) -> None:
        for tp, offset in offsets.items():
            self.seek(tp, offset)

    # aiokafka's insides, where it has no word for it

    def _held(self) -> set[TopicPartition]:
        return set(self._consumer.assignment()) if self._consumer is not None else set()

    def _giving(self) -> bool:
        return self._consumer is None or bool(self._consumer._subscription.reassignment_in_progress)

    def _lag(self, tp: TopicPartition) -> int | None:
        state = (
            self._consumer._subscription.subscription.assignment.state_value(tp) if self._consumer else None
        )
        if state is None or not state.has_valid_position or state.highwater is None:
            return None
        return max(0, int(state.highwater) - int(state.position))

    def _look_at(self, consumer: AIOKafkaConsumer) -> None:
        """Once a second: is aiokafka still at work, when did Kafka last answer, how much is unread."""
        if self._turned < self._next_look or self._giving():
            return
        self._next_look = self._turned + 1.0
        if _tasks_died(consumer):
            self._broken.set()
        for tp in self.assigned:
            state = consumer._subscription.subscription.assignment.state_value(tp)
            if state is not None and state.timestamp is not None:
                age = max(0.0, time.time() - state.timestamp / 1000)
                self._last_fetch = max(self._last_fetch, self._turned - age)
            lag = self._lag(tp)
            if lag is not None:
                self._metrics.lag.labels(tp.topic, str(tp.partition)).set(lag)


class _Polled:
    """The consumer that FastStream sees: `getmany` is the subscription's."""

    def __init__(self, inner: AIOKafkaConsumer, subscription: Subscription) -> None:
        self._inner = inner
        self._owner = subscription
        subscription._consumer = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def getmany(self, **_: object) -> dict[TopicPartition, list[Record]]:
        return await self._owner._poll(self._inner)


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc] # aiokafka has no types
    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        await self._subscription._revoked(revoked)

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        await self._subscription._given(assigned)


def _tasks_died(consumer: AIOKafkaConsumer) -> bool:
    """aiokafka's fetching or coordinating ended: such a consumer never comes back."""
    tasks = (consumer._fetcher._fetch_task, getattr(consumer._coordinator, "_coordination_task", None))
    return any(task is not None and task.done() for task in tasks)


def _bad_names(record: Record) -> bool:
    return any(lenient_headers.is_bad(name) for name, _ in record.headers)


def _why(record: Record) -> Unreadable:
    return Unreadable(
        "header_name_not_utf8",
        f"The record at {record.topic}-{record.partition}, offset {record.offset}, has a header whose name"
        " is not UTF-8; it was stepped over. Send it again with names in UTF-8.",
    )


async def _leave_headers_alone(batch: tuple[Record, ...]) -> KafkaMessage:
    first, last = batch[0], batch[-1]
    return KafkaMessage(
        body=b"",
        raw_message=batch,
        message_id=f"{first.topic}-{first.partition}-{first.offset}-{last.offset}",
        correlation_id="",
        consumer=FAKE_CONSUMER,  # nobody acknowledges by message
    )


async def _leave_bodies_alone(message: KafkaMessage) -> list[Record]:
    return list(message.raw_message)
