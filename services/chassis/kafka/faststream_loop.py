"""FastStream's batch subscriber, without its own handling of offsets, errors, headers and bodies.

FastStream 0.7.8 calls `getmany` and then the handler, again and again. The rest is switched off, and why is
in docs/kafka-clients.md, Consuming.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple, Protocol

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker

from services.chassis.kafka import header_names, private_names
from services.chassis.kafka.consumer import Batches, Consumer
from services.chassis.kafka.dead_letters import ConsumedRecord
from services.chassis.kafka.private_names import FAKE_CONSUMER, BatchSubscriber, KafkaMessage
from services.chassis.process.back_off import BackOff
from services.chassis.process.errors import TryAgain
from services.chassis.process.log import log

FASTSTREAM_LOGGER = logging.getLogger("mandaat.faststream")
FASTSTREAM_LOGGER.setLevel(logging.ERROR)


class Timing(NamedTuple):
    """Times in seconds. `wait_for_batch` is less than `rebalance`, for which Kafka waits for a member."""

    session: float = 6.0
    heartbeat: float = 2.0
    rebalance: float = 30.0
    wait_for_batch: float = 20.0
    poll: float = 0.005
    quiet_before_idle: float = 0.02
    idle_at_least: float = 1.0
    back_off: BackOff = BackOff()
    commit: float = 3.0
    open: float = 60.0
    stop: float = 4.0
    leave: float = 1.5
    fetch_silence: float = 15.0


class Source(NamedTuple):
    """The topics, and the group that reads them."""

    topics: Sequence[str]
    bootstrap: str
    group: str
    max_records: int
    max_partition_fetch_bytes: int


class LoopCallbacks(Protocol):
    """The methods that the loop calls."""

    def consumer_created(self, consumer: Consumer) -> None:
        """There is a consumer; it has not joined the group yet."""

    async def poll(self, consumer: Consumer) -> Batches:
        """The next records, or nothing. Called again and again."""

    async def on_batch(self, records: Sequence[ConsumedRecord]) -> None:
        """Handles what the poll gave. Raises nothing."""

    async def partitions_revoked(self, partitions: set[TopicPartition]) -> None:
        """Called before others may have the partitions; they wait until this returns."""

    async def partitions_assigned(self, partitions: set[TopicPartition]) -> None:
        """Called when partitions are ours."""


class FastStreamLoop:
    """One life of FastStream's loop: opened once, closed once."""

    def __init__(self, source: Source, timing: Timing, callbacks: LoopCallbacks) -> None:
        header_names.install()
        self._timing = timing
        self._callbacks = callbacks
        self._broker = KafkaBroker(
            source.bootstrap,
            client_id=f"{source.group}-consumer",
            consumer_only=True,
            allow_auto_create_topics=False,
            apply_types=False,
            graceful_timeout=0.1,
            retry_backoff_ms=200,
            request_timeout_ms=15_000,
            logger=FASTSTREAM_LOGGER,
            log_level=logging.DEBUG,
        )
        self._subscriber: BatchSubscriber = self._broker.subscriber(
            *source.topics,
            batch=True,
            group_id=source.group,
            max_records=source.max_records,
            max_partition_fetch_bytes=source.max_partition_fetch_bytes,
            auto_offset_reset="earliest",
            partition_assignment_strategy=(RangePartitionAssignor,),
            ack_policy=AckPolicy.MANUAL,
            parser=_without_headers,
            decoder=_records_of,
            no_reply=True,
            listener=_Listener(callbacks),
            session_timeout_ms=round(timing.session * 1000),
            heartbeat_interval_ms=round(timing.heartbeat * 1000),
            rebalance_timeout_ms=round(timing.rebalance * 1000),
            batch_timeout_ms=round(timing.poll * 1000),
        )

        async def on_batch(records: Any) -> None:
            # FastStream builds a pydantic model of these annotations, and pydantic refuses a Protocol.
            await callbacks.on_batch(records)

        self._subscriber(on_batch)

    async def open(self) -> None:
        """Joins the group, however long that takes. Raises TryAgain."""
        try:
            await self._broker.connect()
            private_names.replace_consumer(self._broker, self._polled)
            await self._broker.start()
        except (KafkaError, OSError) as error:
            raise TryAgain(f"{type(error).__name__}: {error}") from error

    async def close(self) -> None:
        """Cancels the loop, even in the middle of a batch, and leaves the group."""
        tasks = list(self._subscriber.tasks)
        try:
            async with asyncio.timeout(self._timing.leave):
                await self._broker.stop()
                if tasks:
                    await asyncio.wait(tasks)
        except (KafkaError, OSError, TimeoutError) as error:
            log.warning("consumer_closed_badly", error=type(error).__name__)

    def _polled(self, build: Callable[..., AIOKafkaConsumer]) -> Callable[..., Any]:
        def make(**settings: Any) -> _Polled:
            consumer = Consumer(build(**settings))
            self._callbacks.consumer_created(consumer)
            return _Polled(consumer, self._callbacks.poll)

        return make


class _Polled:
    """The consumer that FastStream gets: its `getmany` calls our poll."""

    def __init__(self, consumer: Consumer, poll: Callable[[Consumer], Awaitable[Batches]]) -> None:
        self._consumer = consumer
        self._poll = poll

    def __getattr__(self, name: str) -> Any:
        return getattr(self._consumer.inner, name)

    async def getmany(self, **_: object) -> Batches:
        return await self._poll(self._consumer)


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc] # aiokafka has no types
    def __init__(self, callbacks: LoopCallbacks) -> None:
        self._callbacks = callbacks

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        await self._callbacks.partitions_revoked(set(revoked))

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        await self._callbacks.partitions_assigned(set(assigned))


async def _without_headers(batch: tuple[ConsumedRecord, ...]) -> KafkaMessage:
    first, last = batch[0], batch[-1]
    return KafkaMessage(
        body=b"",
        raw_message=batch,
        message_id=f"{first.topic}-{first.partition}-{first.offset}-{last.offset}",
        correlation_id="",
        consumer=FAKE_CONSUMER,  # messages are never acknowledged one by one
    )


async def _records_of(message: KafkaMessage) -> list[ConsumedRecord]:
    return list(message.raw_message)
