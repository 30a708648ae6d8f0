"""Publishes records with aiokafka: idempotent, with acks=all, and every acknowledgement awaited.

After a failed send the aiokafka producer is replaced: after one InvalidTimestamp, for example, its partition
answers OutOfOrderSequenceNumber for ever (docs/kafka-clients.md, Producing).
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from services.chassis.kafka import private_names
from services.chassis.process.errors import ConfigurationError, SendFailed, TryAgain
from services.chassis.process.failpoints import check_brokers
from services.chassis.process.families import family_of
from services.chassis.process.log import log
from services.chassis.process.metrics import Metrics

BATCH_BYTES = 900_000
"""The most bytes of a batch: below the usual message.max.bytes of 1 MiB. A larger record is sent alone."""
CONNECT_SECONDS = 5.0
CLOSE_SECONDS = 0.5


class Outgoing(NamedTuple):
    """A record to publish.

    `partition` None: by the hash of the key, or at random without a key. `timestamp_ms` None: now.
    """

    topic: str
    partition: int | None = None
    key: bytes | None = None
    value: bytes | None = None
    headers: Sequence[tuple[str, bytes | None]] = ()
    timestamp_ms: int | None = None


def partition_for(key: bytes, partitions: int) -> int:
    """The partition of a key by Kafka's default partitioner (murmur2)."""
    return int((private_names.murmur2(key) & 0x7FFFFFFF) % partitions)


class Producer:
    """One idempotent producer, replaced after a failed send.

    Calls may run concurrently; each keeps the order of its own records within a partition.
    """

    def __init__(
        self,
        bootstrap: str,
        *,
        client_id: str,
        metrics: Metrics | None = None,
        max_request_size: int = 5 * 1024 * 1024,
        request_timeout_seconds: float = 10.0,
    ) -> None:
        self._bootstrap = bootstrap
        self._client_id = client_id
        self._metrics = metrics
        self._max_request_size = max_request_size
        self._request_timeout_ms = round(request_timeout_seconds * 1000)
        self._inner: AIOKafkaProducer | None = None
        self._connecting = asyncio.Lock()
        self._closing: set[asyncio.Task[None]] = set()
        self._pinged = -1000.0

    async def start(self) -> None:
        """Connects. If Kafka is away, logs it; each send then tries to connect."""
        try:
            await self._connected()
        except TryAgain as away:
            log.warning("kafka_away", where=self._bootstrap, error=str(away))

    async def stop(self) -> None:
        """Closes the connections. Records that were not acknowledged are given up."""
        inner, self._inner = self._inner, None
        if inner is not None:
            await _close(inner, drain_seconds=0.5)
        if self._closing:
            await asyncio.wait(self._closing, timeout=0.5)

    async def send_all(self, records: Sequence[Outgoing], *, timeout_seconds: float = 10.0) -> list[int]:
        """Publishes records, and returns their offsets in the order given.

        Partitions are sent to concurrently; within a partition, a batch is sent when the one before it is
        acknowledged. Raises SendFailed (a TryAgain) when a record was not acknowledged within
        `timeout_seconds`; what failed may still be in the log. Raises ValueError for a record that is larger
        than `max_request_size`, before anything is sent.
        """
        if not records:
            return []
        self._refuse_too_large(records)
        deadline = time.monotonic() + timeout_seconds
        inner = await self._connected(timeout_seconds)
        placed = await self._place(inner, records, deadline)
        offsets: list[int | None] = [None] * len(records)
        sends = [self._send_partition(inner, tp, mine, offsets, deadline) for tp, mine in placed.items()]
        outcomes = await asyncio.gather(*sends)
        failed = {tp: error for tp, error in zip(placed, outcomes, strict=True) if error is not None}
        self._count(records, offsets, failed)
        if failed:
            late = any(isinstance(error, TimeoutError) for error in failed.values())
            self._replace(inner, drain_seconds=0.0 if late else 1.0)
            log.warning("send_failed", partitions=[f"{tp.topic}-{tp.partition}" for tp in failed])
            raise SendFailed(failed, offsets)
        return [offset for offset in offsets if offset is not None]

    async def ping(self, timeout_seconds: float = 2.0) -> None:
        """Asks the cluster for its brokers, at most once a second. Raises TryAgain without an answer."""
        if time.monotonic() - self._pinged < 1.0:
            return
        inner = await self._connected(timeout_seconds)
        try:
            async with asyncio.timeout(timeout_seconds):
                await inner.client.fetch_all_metadata()
        except (KafkaError, OSError, TimeoutError) as error:
            raise TryAgain(f"kafka does not answer: {type(error).__name__}") from error
        self._pinged = time.monotonic()

    async def partitions(self, topic: str, timeout_seconds: float = CONNECT_SECONDS) -> int:
        """How many partitions a topic has. Raises TryAgain when Kafka does not know the topic yet."""
        inner = await self._connected(timeout_seconds)
        return await _partitions(inner, topic, time.monotonic() + timeout_seconds)

    def _refuse_too_large(self, records: Sequence[Outgoing]) -> None:
        for record in records:
            size = private_names.estimated_size(record.key, record.value, list(record.headers))
            if size > self._max_request_size:
                raise ValueError(
                    f"a record for {record.topic} has {size} bytes; the limit is {self._max_request_size}"
                )

    async def _connected(self, timeout_seconds: float = CONNECT_SECONDS) -> AIOKafkaProducer:
        async with self._connecting:
            if self._inner is None:
                self._inner = await self._connect(min(timeout_seconds, CONNECT_SECONDS))
            return self._inner

    async def _connect(self, timeout_seconds: float) -> AIOKafkaProducer:
        inner = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap,
            client_id=self._client_id,
            enable_idempotence=True,
            acks="all",
            linger_ms=0,
            max_batch_size=BATCH_BYTES,
            max_request_size=self._max_request_size,
            request_timeout_ms=self._request_timeout_ms,
        )
        try:
            async with asyncio.timeout(timeout_seconds):
                await inner.start()
            check_brokers(broker.host for broker in inner.client.cluster.brokers())
        except (KafkaError, OSError, TimeoutError) as error:
            await _close(inner, drain_seconds=0.0)
            raise TryAgain(f"no connection to kafka at {self._bootstrap}: {type(error).__name__}") from error
        except (asyncio.CancelledError, ConfigurationError):
            await _close(inner, drain_seconds=0.0)
            raise
        return inner

    async def _place(
        self, inner: AIOKafkaProducer, records: Sequence[Outgoing], deadline: float
    ) -> dict[TopicPartition, list[tuple[int, Outgoing]]]:
        counts = {
            topic: await _partitions(inner, topic, deadline)
            for topic in dict.fromkeys(record.topic for record in records)
        }
        placed: defaultdict[tuple[str, int], list[tuple[int, Outgoing]]] = defaultdict(list)
        for index, record in enumerate(records):
            placed[record.topic, _partition_of(record, counts[record.topic])].append((index, record))
        return {TopicPartition(*place): mine for place, mine in placed.items()}

    async def _send_partition(
        self,
        inner: AIOKafkaProducer,
        tp: TopicPartition,
        records: Sequence[tuple[int, Outgoing]],
        offsets: list[int | None],
        deadline: float,
    ) -> KafkaError | TimeoutError | OSError | None:
        try:
            async with asyncio.timeout_at(asyncio.get_running_loop().time() + deadline - time.monotonic()):
                for indexes, batch in _batches(inner, records):
                    acknowledgement = await inner.send_batch(batch, tp.topic, partition=tp.partition)
                    first = (await acknowledgement).offset
                    for place, index in enumerate(indexes):
                        offsets[index] = first + place
        except (KafkaError, OSError, TimeoutError) as error:
            return error
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            return TimeoutError("the producer was closed during a send")
        return None

    def _replace(self, inner: AIOKafkaProducer, drain_seconds: float) -> None:
        if self._inner is inner:
            self._inner = None
        task = asyncio.create_task(_close(inner, drain_seconds))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def _count(
        self,
        records: Sequence[Outgoing],
        offsets: Sequence[int | None],
        failed: dict[TopicPartition, KafkaError | TimeoutError | OSError],
    ) -> None:
        if self._metrics is None:
            return
        sent: defaultdict[str, int] = defaultdict(int)
        for record, offset in zip(records, offsets, strict=True):
            if offset is not None:
                sent[record.topic] += 1
        for topic, number in sent.items():
            self._metrics.sent.labels(topic).inc(number)
        for tp in failed:
            self._metrics.send_failures.labels(tp.topic).inc()


def _partition_of(record: Outgoing, partitions: int) -> int:
    if record.partition is not None:
        if not 0 <= record.partition < partitions:
            raise ValueError(
                f"{record.topic} has {partitions} partitions, got a record for partition {record.partition}"
            )
        return record.partition
    if record.key is None:
        return random.randrange(partitions)  # noqa: S311 - spreads load
    return partition_for(record.key, partitions)


def _batches(
    inner: AIOKafkaProducer, records: Sequence[tuple[int, Outgoing]]
) -> Iterator[tuple[list[int], object]]:
    """Batches of at most BATCH_BYTES, each with the indexes of its records."""
    batch, indexes = inner.create_batch(), list[int]()
    for index, record in records:
        if not _append(batch, record):
            yield indexes, batch
            batch, indexes = inner.create_batch(), []
            if not _append(batch, record):
                raise ValueError(f"a record for {record.topic} does not fit an empty batch")
        indexes.append(index)
    yield indexes, batch


def _append(batch: object, record: Outgoing) -> bool:
    appended = batch.append(  # type: ignore[attr-defined] # aiokafka's BatchBuilder has no types
        timestamp=record.timestamp_ms, key=record.key, value=record.value, headers=list(record.headers)
    )
    return appended is not None


async def _partitions(inner: AIOKafkaProducer, topic: str, deadline: float) -> int:
    try:
        async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
            return len(await inner.partitions_for(topic))
    except (KafkaError, OSError, TimeoutError) as error:
        raise TryAgain(f"kafka does not know {topic}: {type(error).__name__}") from error


async def _close(inner: AIOKafkaProducer, drain_seconds: float) -> None:
    """Closes a producer for good. What it has not sent within `drain_seconds` is not sent any more."""
    if drain_seconds:
        try:
            async with asyncio.timeout(drain_seconds):
                await inner.flush()
        except (KafkaError, TimeoutError):
            pass
    sender = private_names.give_up_unsent(inner)
    for close in (sender.close, inner.client.close):
        # The connections have to be closed after any error of the sender.
        ended = await family_of(asyncio.wait_for(close(), CLOSE_SECONDS))
        if ended.error is not None:
            log.debug("producer_closed_badly", error=type(ended.error).__name__)
