from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import UnsupportedCodecError

from schemas.errors import Unreadable
from services.chassis.kafka.dead_letters import ConsumedRecord, DeadLetters
from services.chassis.kafka.header_names import LenientBatch
from services.chassis.kafka.subscriber import Subscription
from tests.integration.chassis.conftest import Rig, until
from tests.raw_records import BAD_NAME, Raw, produce_raw

GOOD = Raw(value=b"good")


async def test_a_bad_header_or_body_does_not_affect_other_records(rig: Rig) -> None:
    topic = await rig.topic(config={"max.message.bytes": str(4 << 20)})
    odd = [
        Raw(value=b"null header", headers=[("content-type", None)]),
        Raw(value=b"latin-1 header", headers=[("content-type", b"caf\xe9")]),
        Raw(value=None, key=None),
        Raw(value=None),
        Raw(value=b""),
        Raw(value=b"\xff\xfe"),
        Raw(value=b"x" * 2_000_000),
    ]
    records = [GOOD, *(record for pair in zip(odd, [GOOD] * len(odd), strict=True) for record in pair)]
    await produce_raw(rig.bootstrap, topic, records)
    await rig.subscribe(topic)
    await until(lambda: len(rig.seen) == len(records))
    assert rig.values == [record.value for record in records]
    assert [record.key for record in rig.seen] == [record.key for record in records]
    assert [list(record.headers) for record in rig.seen] == [list(record.headers) for record in records]
    await rig.committed_is(topic, len(records))
    assert rig.bugs == []


async def test_only_a_record_with_a_bad_header_name_becomes_a_dead_letter(rig: Rig) -> None:
    topic = await rig.topic()
    for partition in (0, 1):
        await produce_raw(rig.bootstrap, topic, [GOOD] * 3, partition=partition)
    await produce_raw(rig.bootstrap, topic, [GOOD, GOOD, BAD_NAME, GOOD, BAD_NAME, GOOD], partition=1)
    await produce_raw(rig.bootstrap, topic, [GOOD] * 2, partition=1)
    await rig.subscribe(topic)
    await until(lambda: len(rig.seen) == 12)
    offsets = [record.offset for record in rig.seen if record.partition == 1]
    assert offsets == [0, 1, 2, 3, 4, 6, 8, 9, 10]
    letters = await rig.read(rig.letters, 2)
    said = [dict(letter.headers) for letter in letters]
    assert [(s["mandaat-topic"], s["mandaat-partition"], s["mandaat-offset"]) for s in said] == [
        (topic.encode(), b"1", b"5"),
        (topic.encode(), b"1", b"7"),
    ]
    assert {s["mandaat-reason"] for s in said} == {b"header_name_not_utf8"}
    assert [letter.value for letter in letters] == [b"bad name"] * 2
    await rig.committed_is(topic, 11, partition=1)
    await rig.committed_is(topic, 3, partition=0)


async def test_a_batch_with_only_bad_header_names_is_skipped(rig: Rig) -> None:
    topic = await rig.topic()
    await produce_raw(rig.bootstrap, topic, [BAD_NAME, BAD_NAME])
    await rig.subscribe(topic)
    await rig.committed_is(topic, 2)
    assert rig.seen == []
    assert len(await rig.read(rig.letters, 2)) == 2
    await rig.put(topic, b"after")
    await until(lambda: rig.values == [b"after"])


async def test_in_manual_mode_a_batch_of_bad_names_is_committed(rig: Rig) -> None:
    topic = await rig.topic()
    subscription: Subscription | None = None

    async def handle(records: list[ConsumedRecord]) -> None:
        assert subscription is not None
        rig.seen += records
        await subscription.commit({TopicPartition(topic, 0): records[-1].offset + 1})

    await rig.put(topic, b"before")
    await produce_raw(rig.bootstrap, topic, [BAD_NAME, BAD_NAME])
    subscription = await rig.subscribe(topic, handler=handle, manual=True)
    await rig.committed_is(topic, 3)
    assert rig.values == [b"before"]


async def test_in_manual_mode_nothing_is_committed_after_seeking_back(rig: Rig) -> None:
    topic = await rig.topic()
    subscription: Subscription | None = None
    tp = TopicPartition(topic, 0)

    async def handle(records: list[ConsumedRecord]) -> None:
        assert subscription is not None
        rig.seen += records
        if len(rig.seen) == 1:
            subscription.seek(tp, 0)
        else:
            await subscription.commit({tp: 1})

    await produce_raw(rig.bootstrap, topic, [Raw(value=b"good"), BAD_NAME])
    subscription = await rig.subscribe(topic, handler=handle, manual=True)
    await rig.committed_is(topic, 2)
    assert rig.values == [b"good", b"good"]


async def test_in_manual_mode_a_bad_name_at_the_end_is_committed(rig: Rig) -> None:
    topic, subscription = await rig.topic(), None

    async def handle(records: list[ConsumedRecord]) -> None:
        rig.seen.extend(records)
        assert subscription is not None
        await subscription.commit({TopicPartition(topic, 0): records[-1].offset + 1})

    await produce_raw(rig.bootstrap, topic, [GOOD, BAD_NAME, GOOD, BAD_NAME])
    subscription = await rig.subscribe(topic, handler=handle, manual=True)
    await rig.committed_is(topic, 4)
    assert [record.offset for record in rig.seen] == [0, 2]


async def test_the_largest_record_of_a_topic_fits_into_a_dead_letter(rig: Rig) -> None:
    topic = await rig.topic(config={"max.message.bytes": str(4 << 20)})
    large = Raw(value=b"x" * (4_194_304 - 200), headers=[("h", b"v")])
    await produce_raw(rig.bootstrap, topic, [large])
    letters = DeadLetters(rig.producer, "test", topic=rig.letters)

    async def refuse(records: list[ConsumedRecord]) -> None:
        await letters.put_all([(record, Unreadable("too_large", "Too large.")) for record in records])

    await rig.subscribe(topic, handler=refuse)
    (letter,) = await rig.read(rig.letters, 1)
    assert letter.value == large.value


async def test_a_partition_with_an_unknown_codec_waits_and_the_others_go_on(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic, read = await rig.topic(partitions=6), LenientBatch.__iter__

    def cannot_read_some(batch: LenientBatch) -> Iterator[Any]:
        for record in read(batch):
            if record.value == b"squeezed":
                raise UnsupportedCodecError("no such library here")
            yield record

    monkeypatch.setattr(LenientBatch, "__iter__", cannot_read_some)
    for partition in range(6):
        await produce_raw(rig.bootstrap, topic, [GOOD] * 20, partition=partition)
    await produce_raw(rig.bootstrap, topic, [Raw(value=b"squeezed")], partition=1)
    for partition in range(6):
        await produce_raw(rig.bootstrap, topic, [GOOD] * 20, partition=partition)
    subscription = await rig.subscribe(topic, max_records=500)
    await until(lambda: len(rig.seen) == 220)
    for partition in (0, 2, 3, 4, 5):
        await rig.committed_is(topic, 40, partition=partition)
    assert await rig.committed(topic, 1) in (None, 20)
    await until(lambda: f"{topic}-1 (UnsupportedCodecError)" in (subscription.ready() or ""))
    monkeypatch.undo()
    await until(lambda: len(rig.seen) == 241)
    places = [(record.partition, record.offset) for record in rig.seen]
    assert len(set(places)) == len(places)
    await until(lambda: subscription.ready() is None)
