from __future__ import annotations

import asyncio

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition

from services.chassis.kafka.producer import Outgoing
from services.chassis.kafka.reader import Reader, Stretch, TopicMissing
from services.chassis.process.errors import TryAgain
from tests.integration.chassis.conftest import Rig


def a_reader(rig: Rig) -> Reader:
    return Reader(rig.bootstrap, client_id="test")


async def send(rig: Rig, topic: str, *values: bytes, partition: int = 0) -> None:
    await rig.producer.send_all([Outgoing(topic, partition, None, value) for value in values])


async def values_of(
    reader: Reader, stretches: dict[TopicPartition, Stretch], max_records: int = 500
) -> dict[int, list[bytes | None]]:
    found: dict[int, list[bytes | None]] = {tp.partition: [] for tp in stretches}
    async for tp, records, _ in reader.read(stretches, max_records):
        found[tp.partition] += [record.value for record in records]
    return found


async def test_a_topic_is_read_to_its_end(rig: Rig) -> None:
    topic = await rig.topic(partitions=2)
    await send(rig, topic, b"a", b"b", b"c")
    await send(rig, topic, b"d", partition=1)
    async with a_reader(rig) as reader:
        bounds = await reader.bounds(await reader.partitions(topic))
        assert list(bounds.values()) == [(0, 3), (0, 1)]
        assert await values_of(reader, bounds, max_records=1) == {0: [b"a", b"b", b"c"], 1: [b"d"]}


async def test_one_reader_reads_one_stretch_after_another(rig: Rig) -> None:
    topic = await rig.topic(partitions=2)
    for partition in (0, 1):
        await send(rig, topic, b"a", b"b", b"c", partition=partition)
    zero, one = TopicPartition(topic, 0), TopicPartition(topic, 1)
    async with a_reader(rig) as reader:
        assert await values_of(reader, {zero: Stretch(0, 2), one: Stretch(2, 3)}) == {
            0: [b"a", b"b"],
            1: [b"c"],
        }
        assert await values_of(reader, {zero: Stretch(2, 3), one: Stretch(0, 1)}) == {0: [b"c"], 1: [b"a"]}
        reader.rest()
        assert await values_of(reader, {one: Stretch(0, 3)}) == {1: [b"a", b"b", b"c"]}
        assert await values_of(reader, {one: Stretch(1, 1)}) == {1: []}


async def test_offsets_that_a_transaction_left_empty_are_passed(rig: Rig) -> None:
    topic = await rig.topic()
    producer = AIOKafkaProducer(bootstrap_servers=rig.bootstrap, transactional_id=rig.name)
    await producer.start()
    async with producer.transaction():
        await producer.send_and_wait(topic, b"a", partition=0)
    await producer.stop()
    tp = TopicPartition(topic, 0)
    async with a_reader(rig) as reader:
        found = [one async for one in reader.read({tp: Stretch(0, 2)})]  # the commit is at offset 1
    assert [record.value for one in found for record in one.records] == [b"a"]
    assert found[-1].next_offset == 2


async def test_a_stretch_begins_at_the_first_record_since_a_time(rig: Rig) -> None:
    topic = await rig.topic()
    records = [
        Outgoing(topic, 0, None, str(second).encode(), timestamp_ms=second * 1_000) for second in (1, 2, 3)
    ]
    await rig.producer.send_all(records)
    tp = TopicPartition(topic, 0)
    async with a_reader(rig) as reader:
        assert await reader.since({tp: 1_500}) == {tp: 1}
        assert await reader.since({tp: 3_500}) == {tp: None}


async def test_a_followed_topic_goes_on_from_where_it_was_left(rig: Rig) -> None:
    topic = await rig.topic()
    await send(rig, topic, b"a", b"b")
    tp = TopicPartition(topic, 0)
    async with a_reader(rig) as reader:
        await reader.follow(topic, begin={tp: 1})
        read: list[bytes | None] = []
        await send(rig, topic, b"c")
        while len(read) < 2:
            read += [record.value for record in (await reader.poll()).get(tp, ())]
        assert read == [b"b", b"c"]
        assert reader.positions()[tp] == 3


async def test_reading_creates_no_topic(rig: Rig) -> None:
    async with a_reader(rig) as reader:
        for _ in range(2):
            with pytest.raises(TopicMissing):
                await reader.follow(f"{rig.name}.missing")


async def test_kafka_that_is_away_is_try_again() -> None:
    with pytest.raises(TryAgain):
        await Reader("127.0.0.1:1", client_id="test").start()


async def test_a_reader_whose_fetching_has_ended_is_try_again(rig: Rig) -> None:
    topic = await rig.topic()
    async with a_reader(rig) as reader:
        await reader.follow(topic)
        reader._consumer._fetcher._fetch_task.cancel()
        await asyncio.wait([reader._consumer._fetcher._fetch_task])
        with pytest.raises(TryAgain, match="fetching ended"):
            await reader.poll()
