from __future__ import annotations

import asyncio
import operator
import time
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError

from services.chassis.kafka.dead_letters import ConsumedRecord
from services.chassis.process.errors import TryAgain
from tests.integration.chassis.conftest import QUICK, Rig, until


async def test_offsets_are_committed_when_the_handler_is_done_and_not_before(rig: Rig) -> None:
    topic, started, finish = await rig.topic(), asyncio.Event(), asyncio.Event()

    async def handle(records: list[ConsumedRecord]) -> None:
        started.set()
        await finish.wait()

    await rig.put(topic, b"1", b"2", b"3")
    await rig.subscribe(topic, handler=handle)
    await asyncio.wait_for(started.wait(), 15)
    assert await rig.committed(topic) is None
    finish.set()
    await rig.committed_is(topic, 3)


async def test_after_try_again_the_same_records_are_delivered_again_in_order(rig: Rig) -> None:
    topic, attempts = await rig.topic(), list[list[bytes | None]]()
    times: list[float] = []

    async def handle(records: list[ConsumedRecord]) -> None:
        times.append(time.monotonic())
        attempts.append([record.value for record in records])
        if len(attempts) <= 3:
            raise TryAgain("redis is away")
        rig.seen.extend(records)

    values = [str(number).encode() for number in range(20)]
    await rig.put(topic, *values)
    await rig.subscribe(topic, handler=handle)
    await until(lambda: len(rig.seen) == 20)
    assert rig.values == values
    assert attempts[0][0] == attempts[1][0] == attempts[2][0] == b"0"
    assert times[1] - times[0] > 0.03
    assert times[3] - times[2] > times[1] - times[0]
    await rig.committed_is(topic, 20)
    assert rig.bugs == []


async def test_a_bug_is_reported_stops_consuming_and_commits_nothing(rig: Rig) -> None:
    topic, calls = await rig.topic(), list[int]()

    async def handle(records: list[ConsumedRecord]) -> None:
        calls.append(len(records))
        raise KeyError("a bug")

    await rig.put(topic, b"1")
    subscription = await rig.subscribe(topic, handler=handle)
    await until(lambda: rig.bugs)
    await rig.put(topic, b"2")
    await until(subscription.alive)  # a text: the loop has ended
    assert len(calls) == len(rig.bugs) == 1
    assert await rig.committed(topic) is None


async def test_a_cancelled_error_from_the_handler_does_not_stop_consuming(rig: Rig) -> None:
    topic, calls = await rig.topic(), list[int]()

    async def handle(records: list[ConsumedRecord]) -> None:
        calls.append(1)
        if len(calls) == 1:
            raise asyncio.CancelledError
        rig.seen.extend(records)

    await rig.put(topic, b"1")
    subscription = await rig.subscribe(topic, handler=handle)
    await until(lambda: rig.values == [b"1"])
    assert subscription.alive() is None


async def test_a_rebalance_waits_for_the_batch_so_that_nothing_is_handled_twice(rig: Rig) -> None:
    topic, started, finish = await rig.topic(partitions=2), asyncio.Event(), asyncio.Event()
    order: list[str] = []

    async def slow(records: list[ConsumedRecord]) -> None:
        started.set()
        await finish.wait()
        rig.seen.extend(records)
        order.append("handled")

    async def revoked(partitions: set[TopicPartition]) -> None:
        order.append("revoked")

    async def assigned(partitions: set[TopicPartition]) -> None:
        order.append(f"other has {len(partitions)}")

    for partition in (0, 1):
        await rig.put(topic, b"a", b"b", partition=partition)
    first = await rig.subscribe(topic, handler=slow, on_revoked=revoked)
    await asyncio.wait_for(started.wait(), 15)
    other = await rig.subscribe(topic, on_assigned=assigned)
    assert first.consumer is not None
    coordinator = first.consumer._coordinator
    await until(lambda: coordinator._rejoin_needed_fut.done())  # the broker has announced the other member
    assert order == []
    finish.set()
    await until(lambda: len(first.assigned) == len(other.assigned) == 1)
    for partition in (0, 1):
        await rig.put(topic, b"last", partition=partition)
    await until(lambda: rig.values.count(b"last") == 2)
    assert order.index("handled") < order.index("revoked") < order.index("other has 1")
    assert sorted((record.partition, record.offset) for record in rig.seen) == [
        (0, 0),
        (0, 1),
        (0, 2),
        (1, 0),
        (1, 1),
        (1, 2),
    ]


async def test_leaving_calls_on_revoked_and_another_member_goes_on(rig: Rig) -> None:
    topic, given_up = await rig.topic(), list[set[TopicPartition]]()

    async def revoked(partitions: set[TopicPartition]) -> None:
        given_up.append(partitions)

    await rig.put(topic, b"1", b"2")
    first = await rig.subscribe(topic, on_revoked=revoked)
    await until(lambda: len(rig.seen) == 2)
    await first.stop()
    assert given_up == [{TopicPartition(topic, 0), TopicPartition(topic, 1)}]
    await rig.put(topic, b"3")
    await rig.subscribe(topic)
    await until(lambda: len(rig.seen) == 3)
    assert rig.values == [b"1", b"2", b"3"]


async def test_on_assigned_is_called_before_any_record_and_repeated_until_done(
    rig: Rig,
) -> None:
    topic, order = await rig.topic(), list[str]()

    async def assigned(partitions: set[TopicPartition]) -> None:
        order.append("assigned")
        if len(order) < 3:
            raise TryAgain("redis is away")

    async def handle(records: list[ConsumedRecord]) -> None:
        order.append("records")

    await rig.put(topic, b"1")
    await rig.subscribe(topic, handler=handle, on_assigned=assigned)
    await until(lambda: "records" in order)
    assert order == ["assigned"] * 3 + ["records"]


async def test_on_idle_is_called_after_a_batch_and_every_second_never_during_one(
    rig: Rig,
) -> None:
    topic, idle, inside = await rig.topic(), list[float](), list[str]()
    overlaps: list[str] = []

    async def alone(what: str) -> None:
        overlaps.extend(inside)
        inside.append(what)
        await asyncio.sleep(0.01)
        inside.remove(what)

    async def on_idle() -> None:
        idle.append(time.monotonic())
        await alone("idle")

    async def handle(records: list[ConsumedRecord]) -> None:
        await alone("handler")
        rig.seen.extend(records)

    await rig.subscribe(topic, handler=handle, on_idle=on_idle)
    await until(lambda: idle)
    await rig.put(topic, b"1")
    await until(lambda: rig.seen)
    before = len(idle)
    handled = time.monotonic()
    await until(lambda: len(idle) > before)
    assert idle[before] - handled < 0.3
    await until(lambda: len(idle) > before + 2)
    assert 0.8 < idle[-1] - idle[-2] < 1.5
    for number in range(50):
        await rig.put(topic, str(number).encode())
    await until(lambda: len(rig.seen) == 51)
    assert overlaps == []


async def test_in_manual_mode_the_handler_commits_seeks_and_pauses_partitions(
    rig: Rig,
) -> None:
    topic = await rig.topic(partitions=2)
    waiting, free = TopicPartition(topic, 0), TopicPartition(topic, 1)
    subscription: Any = None

    async def handle(records: list[ConsumedRecord]) -> None:
        for record in records:
            if record.partition == 0 and record.offset == 1 and waiting not in paused:
                paused.add(waiting)
                subscription.pause(waiting)
                subscription.seek(waiting, 1)
                break
            rig.seen.append(record)
        done = {TopicPartition(r.topic, r.partition): r.offset + 1 for r in rig.seen}
        await subscription.commit(done)

    paused: set[TopicPartition] = set()
    await rig.put(topic, b"p0-0", b"p0-1", b"p0-2", partition=0)
    subscription = await rig.subscribe(topic, handler=handle, manual=True, max_records=3)
    await until(lambda: paused)
    await rig.put(topic, b"p1-0", b"p1-1", partition=1)
    await until(lambda: rig.values == [b"p0-0", b"p1-0", b"p1-1"])
    assert await rig.committed(topic, 0) == 1
    assert await subscription.position(waiting) == 1
    assert await subscription.end_offsets([waiting, free]) == {waiting: 3, free: 2}
    subscription.resume(waiting)
    await until(lambda: rig.values[3:] == [b"p0-1", b"p0-2"])
    await rig.committed_is(topic, 3, 0)


async def test_a_failed_commit_is_repeated_before_the_next_poll(rig: Rig, monkeypatch: Any) -> None:
    topic = await rig.topic()
    subscription = await rig.subscribe(topic)
    await until(lambda: subscription.assigned)
    real, refused = subscription.consumer.commit, list[dict[TopicPartition, int]]()

    async def flaky(offsets: dict[TopicPartition, int]) -> None:
        if len(refused) < 3:
            refused.append(offsets)
            raise KafkaConnectionError("away")
        await real(offsets)

    monkeypatch.setattr(subscription.consumer, "commit", flaky)
    await rig.put(topic, b"1")
    await rig.committed_is(topic, 1)
    assert len(refused) == 3
    assert rig.values == [b"1"]


@pytest.mark.parametrize("task", ["_fetcher._fetch_task", "_coordinator._coordination_task"])
async def test_when_a_task_of_aiokafka_dies_the_consumer_is_replaced(rig: Rig, task: str) -> None:
    topic = await rig.topic()
    subscription = await rig.subscribe(topic)
    await until(lambda: subscription.assigned)
    first = subscription.consumer
    operator.attrgetter(task)(first).cancel()
    await until(lambda: subscription.assigned and subscription.consumer is not first, 40)
    await rig.put(topic, b"1")
    await until(lambda: rig.values == [b"1"])
    assert subscription.alive() is None


async def test_the_age_of_the_loop_grows_when_it_is_gone(rig: Rig) -> None:
    topic = await rig.topic()
    subscription = await rig.subscribe(topic)
    await until(lambda: subscription.assigned)
    await until(lambda: subscription.loop_age_seconds() < 0.3)
    assert subscription._loop is not None
    for task in subscription._loop._subscriber.tasks:
        task.cancel()
    await until(lambda: subscription.loop_age_seconds() > 1)  # a live loop runs several times a second


async def test_a_member_waits_for_a_topic_that_is_missing(rig: Rig) -> None:
    topic = f"{rig.name}.later"
    subscription = await rig.subscribe(topic, timing=QUICK._replace(open=3.0))
    await asyncio.sleep(1)  # the test needs a topic that is missing for a while
    assert subscription.ready() is not None
    assert subscription.alive() is None
    await rig.topic(topic)
    await rig.put(topic, b"1")
    await until(lambda: rig.values == [b"1"], 40)
