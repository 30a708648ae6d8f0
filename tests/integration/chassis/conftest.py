from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from services.chassis.kafka.dead_letters import ConsumedRecord, DeadLetters
from services.chassis.kafka.producer import Outgoing, Producer
from services.chassis.kafka.subscriber import Subscription, Timing
from services.chassis.process.back_off import BackOff
from services.chassis.process.metrics import Metrics

QUICK = Timing(wait_for_batch=10.0, back_off=BackOff(0.05, 0.2), stop=5.0)


async def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Returns when the condition is true; fails when it is not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition was not true in time"
        await asyncio.sleep(0.01)


class Rig:
    """Topics on the real broker for one test, with a producer, a subscription and what it received."""

    def __init__(self, bootstrap: str, stack: AsyncExitStack) -> None:
        self.bootstrap = bootstrap
        self.stack = stack
        self.name = f"test.{uuid.uuid4().hex[:12]}"
        self.group = f"{self.name}.group"
        self.letters = f"{self.name}.letters"
        self.metrics = Metrics()
        self.bugs: list[BaseException] = []
        self.seen: list[ConsumedRecord] = []
        self.producer: Producer

    async def open(self) -> None:
        self.producer = Producer(self.bootstrap, client_id=self.name)
        await self.producer.start()
        self.stack.push_async_callback(self.producer.stop)
        await self.topic(self.letters, partitions=1, config={"max.message.bytes": str(5 << 20)})

    async def topic(
        self, name: str = "", *, partitions: int = 2, config: Mapping[str, str] | None = None
    ) -> str:
        """Creates a topic, and returns its name."""
        name = name or f"{self.name}.{uuid.uuid4().hex[:6]}"
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            await admin.create_topics([NewTopic(name, partitions, 1, topic_configs=dict(config or {}))])
        finally:
            await admin.close()
        return name

    async def put(self, topic: str, *values: bytes, partition: int = 0) -> list[int]:
        return await self.producer.send_all([Outgoing(topic, partition, b"k", value) for value in values])

    async def keep(self, records: list[ConsumedRecord]) -> None:
        """A handler that only collects records."""
        self.seen += records

    @property
    def values(self) -> list[bytes | None]:
        return [record.value for record in self.seen]

    async def subscribe(
        self,
        *topics: str,
        handler: Callable[[list[ConsumedRecord]], Awaitable[None]] | None = None,
        **other: Any,
    ) -> Subscription:
        subscription = Subscription(
            *topics,
            bootstrap=self.bootstrap,
            group=self.group,
            handler=handler or self.keep,
            dead_letters=DeadLetters(self.producer, "test", self.metrics, topic=self.letters),
            metrics=self.metrics,
            on_bug=self.bugs.append,
            timing=other.pop("timing", QUICK),
            **other,
        )
        await self.stack.enter_async_context(subscription)
        return subscription

    async def committed(self, topic: str, partition: int = 0) -> int | None:
        """The offset that the group has committed, by the admin client."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            offsets = await admin.list_consumer_group_offsets(self.group)
        finally:
            await admin.close()
        found = offsets.get(TopicPartition(topic, partition))
        return None if found is None or found.offset < 0 else int(found.offset)

    async def committed_is(self, topic: str, offset: int, partition: int = 0, seconds: float = 15.0) -> None:
        deadline = time.monotonic() + seconds
        while await self.committed(topic, partition) != offset:
            assert time.monotonic() < deadline, await self.committed(topic, partition)
            await asyncio.sleep(0.05)

    async def read(self, topic: str, number: int, seconds: float = 15.0) -> Sequence[ConsumedRecord]:
        """The first records of a topic's partition 0, read by a plain consumer."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap, max_partition_fetch_bytes=8 << 20)
        await consumer.start()
        found: list[ConsumedRecord] = []
        try:
            await consumer.topics()
            tp = TopicPartition(topic, 0)
            consumer.assign([tp])
            consumer.seek(tp, 0)
            async with asyncio.timeout(seconds):
                while len(found) < number:
                    for records in (await consumer.getmany(timeout_ms=100)).values():
                        found += records
        finally:
            await consumer.stop()
        return found


@pytest.fixture
async def rig(kafka: str) -> AsyncIterator[Rig]:
    async with AsyncExitStack() as stack:
        rig = Rig(kafka, stack)
        await rig.open()
        yield rig
