"""Every private name of aiokafka 0.14 and FastStream 0.7 that Mandaat uses, and nothing else.

Private is what their documentation does not name, with or without an underscore. No other module uses such a
name, and a test fails when a new version of either library changes or removes one
(tests/contract/chassis/test_private_names.py). Why each is needed: docs/kafka-clients.md, Private names.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any, NamedTuple

import aiokafka.consumer.fetcher
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.partitioner import murmur2
from aiokafka.record.default_records import DefaultRecordBatchBuilder, _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import decode_varint
from faststream.kafka import KafkaBroker
from faststream.kafka.message import FAKE_CONSUMER, KafkaMessage
from faststream.kafka.subscriber.usecase import BatchSubscriber

__all__ = [
    "FAKE_CONSUMER",
    "BatchSubscriber",
    "KafkaMessage",
    "MemoryRecords",
    "decode_varint",
    "murmur2",
]


# Consumers


class PartitionState(NamedTuple):
    """The state of an assigned partition in aiokafka. None: not known yet."""

    position: int | None
    """The offset that the next poll reads."""
    end: int | None
    """The end of the partition at the last fetch."""
    answered_ms: int | None
    """When Kafka last answered a fetch, in milliseconds since 1970."""


def is_rebalancing(consumer: AIOKafkaConsumer) -> bool:
    """Whether the group is rebalancing."""
    return bool(consumer._subscription.reassignment_in_progress)


def partition_state(consumer: AIOKafkaConsumer, tp: TopicPartition) -> PartitionState | None:
    """The state of a partition, without asking Kafka; None when it is not assigned."""
    subscription = consumer._subscription.subscription
    if subscription is None or subscription.assignment is None:
        return None
    state = subscription.assignment.state_value(tp)
    if state is None:
        return None
    return PartitionState(
        state.position if state.has_valid_position else None, state.highwater, state.timestamp
    )


def background_tasks(consumer: AIOKafkaConsumer) -> list[asyncio.Task[None]]:
    """The tasks that fetch and, in a group, coordinate. When one has ended, the consumer never comes back."""
    tasks = (
        getattr(consumer._fetcher, "_fetch_task", None),
        getattr(consumer._coordinator, "_coordination_task", None),
    )
    return [task for task in tasks if task is not None]


async def heartbeat(consumer: AIOKafkaConsumer) -> bool:
    """Sends a heartbeat now; whether the group counts this member in. Raises KafkaError."""
    return bool(await consumer._coordinator._do_heartbeat())


async def partitions_of(consumer: AIOKafkaConsumer, topic: str) -> set[int]:
    """The partitions of a topic, asked of Kafka now; none when there is no such topic. Raises KafkaError.

    `AIOKafkaConsumer.partitions_for_topic` knows only subscribed topics.
    """
    cluster = await consumer._client.fetch_all_metadata()
    return cluster.partitions_for_topic(topic) or set()


# Producers


def estimated_size(key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes | None]]) -> int:
    """An upper bound of the bytes that a record takes alone in a record batch."""
    return int(DefaultRecordBatchBuilder.estimate_size_in_bytes(key, value, headers))


def give_up_unsent(producer: AIOKafkaProducer) -> Any:
    """Fails what a producer has not sent, marks it closed, and gives its sender, which is still to be closed.

    `AIOKafkaProducer.stop` first sends all that is queued.
    """
    sender = producer._sender
    if sender.sender_task is not None:
        # Raises AttributeError for a producer without transactions.
        sender.sender_task.remove_done_callback(sender._fail_all)
    accumulator = producer._message_accumulator
    accumulator.fail_all(KafkaError("the producer is closed"))
    for future in _futures(accumulator):
        if future.done() and not future.cancelled():
            future.exception()  # asyncio warns of exceptions that nobody has looked at
    producer._closed = True
    return sender


def _futures(accumulator: Any) -> Iterator[asyncio.Future[Any]]:
    for batch in chain(*accumulator._batches.values(), accumulator._pending_batches):
        yield from (batch.future, batch._drain_waiter)


# Records


class UncompressedBatch(NamedTuple):
    """A record batch of magic 2: its header, and its records as bytes."""

    header: Any
    records: bytearray
    position: int
    """Where in `records` the first one begins."""
    size: int
    """How many records there are."""


def uncompressed(data: bytes) -> UncompressedBatch:
    """Reads the header of a batch and uncompresses its records."""
    batch = _DefaultRecordBatchPy(data)
    batch._maybe_uncompress()
    return UncompressedBatch(batch, batch._buffer, batch._pos, batch._num_records)


def replace_memory_records(with_class: type) -> None:
    """From now on every consumer of this process unpacks what it fetches with this class."""
    aiokafka.consumer.fetcher.MemoryRecords = with_class


# FastStream


def replace_consumer(
    broker: KafkaBroker, replacement: Callable[[Callable[..., AIOKafkaConsumer]], Callable[..., Any]]
) -> None:
    """Between `connect` and `start`: how the broker makes its consumer, from how it would have made it."""
    config = broker.config.broker_config
    config.builder = replacement(config.builder)
