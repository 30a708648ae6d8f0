"""The chassis while Kafka is stopped or hangs."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import pytest

from deploy.local.stack import Stack
from services.chassis.kafka.dead_letters import ConsumedRecord, DeadLetters
from services.chassis.kafka.producer import Outgoing, Producer
from services.chassis.kafka.subscriber import Subscription, Timing
from services.chassis.kafka.table import Table
from services.chassis.process.errors import TryAgain
from services.chassis.process.metrics import Metrics
from tests.conftest import MakeTopic
from tests.integration.chassis.test_sigterm import running
from tests.waiting import eventually


@dataclass
class Service:
    """A small service: it copies a topic into another, and follows a table."""

    producer: Producer
    subscription: Subscription
    table: Table[bytes]
    source: str
    target: str
    rows: str
    bugs: list[BaseException] = field(default_factory=list)
    seen: list[bytes | None] = field(default_factory=list)


async def open_service(
    bootstrap: str,
    topics: tuple[str, str, str],
    stack: AsyncExitStack,
    timing: Timing = Timing(),  # noqa: B008
) -> Service:
    source, target, rows = topics
    bugs, seen = list[BaseException](), list[bytes | None]()
    producer = Producer(bootstrap, client_id="copier")
    await producer.start()
    stack.push_async_callback(producer.stop)

    async def copy(records: list[ConsumedRecord]) -> None:
        await producer.send_all([Outgoing(target, None, b"k", record.value) for record in records])
        seen.extend(record.value for record in records)

    subscription = Subscription(
        source,
        bootstrap=bootstrap,
        group=f"group-{uuid.uuid4().hex}",
        handler=copy,
        dead_letters=DeadLetters(producer, "copier"),
        metrics=Metrics(),
        on_bug=bugs.append,
        timing=timing,
    )
    await stack.enter_async_context(subscription)
    table = Table(
        rows,
        bootstrap=bootstrap,
        client_id="copier",
        metrics=Metrics(),
        parse=lambda _, value: value,
        on_bug=bugs.append,
    )
    await stack.enter_async_context(table)
    return Service(producer, subscription, table, source, target, rows, bugs, seen)


@pytest.fixture
async def service(kafka: str, make_topic: MakeTopic) -> AsyncIterator[Service]:
    topics = (await make_topic(partitions=2), await make_topic(), await make_topic())
    async with AsyncExitStack() as stack:
        yield await open_service(kafka, topics, stack, Timing(fetch_silence=5.0))


async def alive(service: Service) -> bool:
    assert service.subscription.alive() is None
    assert service.bugs == []
    return True


async def put(service: Service, value: bytes) -> None:
    """Publishes to the source and the table for as long as it takes."""

    async def sent() -> bool:
        try:
            await service.producer.send_all(
                [Outgoing(service.source, None, value, value), Outgoing(service.rows, None, value, value)],
                timeout_seconds=3,
            )
        except TryAgain:
            return False
        return True

    await eventually(sent, seconds=40)


@pytest.mark.parametrize("how", ["stopped", "hung"])
async def test_everything_goes_on_when_kafka_comes_back(service: Service, backing: Stack, how: str) -> None:
    await put(service, b"before")
    await eventually(lambda: b"before" in service.seen, seconds=20)
    if how == "stopped":
        backing.stop("kafka")
    else:
        backing.pause("kafka")
    try:
        began = time.monotonic()
        await eventually(lambda: service.subscription.ready(), seconds=30, what="not ready")
        with pytest.raises(TryAgain):
            await service.producer.send_all([Outgoing(service.source, 0, b"k", b"during")], timeout_seconds=2)
        await eventually(lambda: time.monotonic() - began > 12, seconds=30)
        await alive(service)
    finally:
        if how == "stopped":
            backing.start("kafka")
        else:
            backing.resume("kafka")
    await put(service, b"after")
    await eventually(lambda: b"after" in service.seen, seconds=40)
    await eventually(lambda: service.table.get("after") == b"after", seconds=40)
    await eventually(lambda: service.subscription.ready() is None, seconds=20)
    await alive(service)


async def test_a_start_waits_for_kafka(kafka: str, make_topic: MakeTopic, backing: Stack) -> None:
    topics = (await make_topic(partitions=2), await make_topic(), await make_topic())
    backing.stop("kafka")
    async with AsyncExitStack() as stack:
        opening = asyncio.create_task(open_service(kafka, topics, stack))
        try:
            began = time.monotonic()
            await eventually(lambda: time.monotonic() - began > 5)
            assert not opening.done()
        finally:
            backing.start("kafka")
        service = await asyncio.wait_for(opening, 40)
        await put(service, b"first")
        await eventually(lambda: service.seen == [b"first"], seconds=30)


async def test_sigterm_exits_0_in_time_while_kafka_hangs(
    service: Service, kafka: str, backing: Stack
) -> None:
    await put(service, b"1")
    async with running(kafka, service.source, f"group-{uuid.uuid4().hex}", batch_seconds=0.01) as process:
        await process.says("handled")
        backing.pause("kafka")
        try:
            await asyncio.sleep(1)
            began = time.monotonic()
            process.process.terminate()
            assert await process.ends() == 0
            assert time.monotonic() - began < 10
        finally:
            backing.resume("kafka")
