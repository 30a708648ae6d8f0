from __future__ import annotations

import asyncio
import time

import pytest
from aiokafka import TopicPartition

from services.chassis.kafka.producer import Outgoing, Producer, partition_for
from services.chassis.process import failpoints
from services.chassis.process.errors import ConfigurationError, SendFailed, TryAgain
from tests.integration.chassis.conftest import Rig


async def test_records_arrive_unchanged_and_in_order_at_the_returned_offsets(rig: Rig) -> None:
    topic = await rig.topic(partitions=1)
    now = round(time.time() * 1000) - 5
    given = [
        Outgoing(topic, 0, None, None),
        Outgoing(topic, 0, b"k", b"", (("h", None), ("h", b"\xff"), ("ï", b"2")), now),
        Outgoing(topic, None, b"key", b"v", (), now + 1),
    ]
    assert await rig.producer.send_all(given) == [0, 1, 2]
    found = await rig.read(topic, 3)
    assert [(r.key, r.value, list(r.headers)) for r in found] == [
        (r.key, r.value, list(r.headers)) for r in given
    ]
    assert [r.timestamp for r in found[1:]] == [now, now + 1]


async def test_a_key_goes_to_its_partition_also_in_several_batches(rig: Rig) -> None:
    topic = await rig.topic(partitions=3)
    records = [Outgoing(topic, None, f"k{n}".encode(), b"x" * 40_000) for n in range(100)]
    offsets = await rig.producer.send_all(records)
    for partition in range(3):
        mine = [
            o for o, r in zip(offsets, records, strict=True) if partition_for(r.key or b"", 3) == partition
        ]
        assert mine == list(range(len(mine)))


async def test_a_record_above_the_limit_is_a_bug_and_sends_nothing(rig: Rig) -> None:
    topic = await rig.topic(partitions=1)
    with pytest.raises(ValueError, match="the limit is"):
        await rig.producer.send_all(
            [Outgoing(topic, 0, b"k", b"v"), Outgoing(topic, 0, b"k", b"x" * (6 << 20))]
        )
    assert await rig.producer.send_all([Outgoing(topic, 0, b"k", b"v")]) == [0]


async def test_a_refused_partition_fails_alone_and_the_next_send_works(rig: Rig) -> None:
    topic = await rig.topic(partitions=2, config={"message.timestamp.before.max.ms": "1000"})
    old = round(time.time() * 1000) - 60_000
    with pytest.raises(SendFailed) as caught:
        await rig.producer.send_all(
            [Outgoing(topic, 0, b"k", b"old", (), old), Outgoing(topic, 1, b"k", b"new")]
        )
    failed = caught.value
    assert list(failed.failed) == [TopicPartition(topic, 0)]
    assert "InvalidTimestamp" in repr(failed.failed[TopicPartition(topic, 0)])
    assert failed.offsets == [None, 0]
    assert await rig.producer.send_all([Outgoing(topic, 0, b"k", b"1"), Outgoing(topic, 1, b"k", b"2")]) == [
        0,
        1,
    ]


async def test_concurrent_senders_get_their_own_offsets(rig: Rig) -> None:
    topic = await rig.topic(partitions=1)
    calls = [rig.producer.send_all([Outgoing(topic, 0, b"k", str(n).encode())] * 3) for n in range(30)]
    offsets = await asyncio.gather(*calls)
    assert sorted(offset for mine in offsets for offset in mine) == list(range(90))
    assert all(mine == list(range(mine[0], mine[0] + 3)) for mine in offsets)
    found = await rig.read(topic, 90)
    for number, mine in enumerate(offsets):
        assert {found[offset].value for offset in mine} == {str(number).encode()}


async def test_without_kafka_a_send_raises_try_again_in_time() -> None:
    producer = Producer("127.0.0.1:1", client_id="test")
    await producer.start()
    started = time.monotonic()
    with pytest.raises(TryAgain):
        await producer.send_all([Outgoing("t", 0, b"k", b"v")], timeout_seconds=1)
    with pytest.raises(TryAgain):
        await producer.ping()
    assert time.monotonic() - started < 5
    await producer.stop()


async def test_sending_to_a_missing_topic_raises_try_again(rig: Rig) -> None:
    with pytest.raises(TryAgain):
        await rig.producer.send_all([Outgoing(f"{rig.name}.none", 0, b"k", b"v")], timeout_seconds=2)


async def test_with_failpoints_nothing_is_sent_to_brokers_on_other_machines(
    kafka: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Like through a tunnel: the bootstrap address is on this machine, the brokers are not."""
    armed = failpoints.read("after-settle=stop")
    monkeypatch.setattr(failpoints, "_armed", armed)
    here = Producer(kafka, client_id="here")
    await here.start()
    await here.stop()
    monkeypatch.setattr(failpoints, "is_loopback", lambda _host: False)
    there = Producer(kafka, client_id="there")
    with pytest.raises(ConfigurationError, match=r"the metadata of Kafka has '(127\.0\.0\.1|localhost)'"):
        await there.start()
    armed.clear()
    await there.start()
    await there.stop()
