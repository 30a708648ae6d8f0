"""The journal on a real Kafka: published events are found again, and records that are too old never land."""

from __future__ import annotations

import time

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from deploy.local.stack import Stack
from services.chassis.kafka.producer import Producer
from services.chassis.process.errors import TryAgain
from services.rules.journal.grouping import Stored
from services.rules.journal.journal import Journal
from services.rules.journal.publisher import JournalEntry, JournalRecord, Landed, NotLanded
from tests.conftest import MakeTopic
from tests.integration.ledger.conftest import T_MS
from tests.integration.ledger.manual_worker import a_request
from tests.integration.ledger.simulated_cluster import render
from tests.waiting import eventually


def now_us() -> int:
    return time.time_ns() // 1000


def an_entry(seq: int, case: str = "c1e", p: int = 0, *, at_ms: int | None = None) -> JournalEntry:
    return JournalEntry(p, seq // 1000 if at_ms is None else at_ms, render(a_request(case, p=p), seq))


def padded(entry: JournalEntry, size: int) -> JournalEntry:
    (first, *others) = entry.records
    return entry._replace(records=(first._replace(value=first.value + b" " * size), *others))


async def all_of(journal: Journal, p: int = 0) -> list[Stored]:
    first, end = (await journal.bounds([p]))[p]
    return [one async for stored in journal.read(p, first, end) for one in stored]


async def test_a_round_lands_byte_for_byte_with_the_times_of_its_sequences(
    journal: Journal, kafka: str
) -> None:
    seq = now_us()
    entries = [an_entry(seq), an_entry(seq + 1, "c2"), an_entry(seq + 2, "c3", p=1)]
    assert await journal.publish(entries) == {0: Landed(3), 1: Landed(1)}
    stored = await all_of(journal)
    assert [one.offset for one in stored] == [0, 1, 2]
    assert [one.record for one in stored] == [*entries[0].records, *entries[1].records]
    assert await timestamps(kafka, journal) == [seq // 1000] * 2 + [(seq + 1) // 1000]


async def timestamps(kafka: str, journal: Journal) -> list[int]:
    tp = TopicPartition(journal.topic, 0)
    async with AIOKafkaConsumer(bootstrap_servers=kafka, auto_offset_reset="earliest") as consumer:
        consumer.assign([tp])
        consumer.seek(tp, 0)
        return [one.timestamp for one in (await consumer.getmany(tp, timeout_ms=5000))[tp]]


async def test_stored_events_of_repeats_are_found_anywhere_in_the_journal(
    journal: Journal,
) -> None:
    base = now_us() - 100_000  # on a busy machine the rest of T may pass until it is published
    entries = [an_entry(base + 700 * n, f"c{n}e") for n in range(600)]
    await journal.publish(entries)
    await journal.publish([entries[599]._replace(timestamp_ms=now_us() // 1000)])
    await journal.publish([an_entry(base + 2, "other", p=1)])
    wanted = {(0, base + 700 * n) for n in (0, 1, 3, 400, 599)} | {(1, base + 2)}
    found = await journal.stored(wanted)
    assert found.keys() == wanted
    for n in (0, 1, 3, 400, 599):
        assert found[0, base + 700 * n] == entries[n].records


async def test_looking_up_a_sequence_that_the_journal_does_not_have_raises(journal: Journal) -> None:
    seq = now_us()
    await journal.publish([an_entry(seq), an_entry(seq + 10)])
    for missing in (seq + 5, seq + 5_000_000):
        with pytest.raises(LookupError):
            await journal.stored([(0, missing)])
    assert await journal.stored([]) == {}


async def test_a_record_older_than_the_fence_is_refused_and_the_other_partitions_land(
    journal: Journal,
) -> None:
    seq, old = now_us(), now_us() - (T_MS + 500) * 1000
    outcomes = await journal.publish([an_entry(old), an_entry(seq + 1), an_entry(seq + 2, p=1)])
    assert outcomes == {0: NotLanded("InvalidTimestampError"), 1: Landed(2)}
    assert await all_of(journal) == []
    assert await journal.publish([an_entry(now_us())]) == {0: Landed(2)}


async def test_without_the_fence_the_same_record_lands(
    kafka: str, producer: Producer, make_topic: MakeTopic
) -> None:
    """The control of the test before: it is the broker that refuses the record."""
    journal = Journal(kafka, producer, topic=await make_topic("unfenced"))
    assert await journal.publish([an_entry(now_us() - (T_MS + 500) * 1000)]) == {0: Landed(2)}
    await journal.stop()


async def test_nothing_is_sent_after_a_refused_record_batch(journal: Journal) -> None:
    seq = now_us()
    old = (seq // 1000) - T_MS - 500
    entries = [padded(an_entry(seq + n), 500_000) for n in range(3)]
    entries[1] = entries[1]._replace(timestamp_ms=old)
    outcomes = await journal.publish(entries)
    assert outcomes == {0: NotLanded("InvalidTimestampError")}
    assert [one.record for one in await all_of(journal)] == list(entries[0].records)


async def test_the_events_of_one_input_are_never_split_over_two_record_batches(journal: Journal) -> None:
    seq = now_us()
    entries = [padded(an_entry(seq + n), 300_000) for n in range(7)]
    assert await journal.publish(entries) == {0: Landed(14)}
    assert [one.record for one in await all_of(journal)] == [
        record for entry in entries for record in entry.records
    ]


async def test_a_marker_stands_after_all_acknowledged_records(journal: Journal) -> None:
    await journal.publish([an_entry(now_us())])
    assert await journal.mark(0, now_us()) == 3
    assert await journal.mark(0, now_us()) == 4
    marker = (await all_of(journal))[-1].record
    assert marker.key == b"ledger/0"
    assert (await journal.bounds([0, 1])) == {0: (0, 4), 1: (0, 0)}


async def test_reading_begins_and_ends_at_the_given_offsets(journal: Journal) -> None:
    seq = now_us()
    await journal.publish([an_entry(seq + n, f"c{n}") for n in range(50)])
    read = [one.offset async for stored in journal.read(0, 7, 31) for one in stored]
    assert read == list(range(7, 31))
    assert [one async for one in journal.read(0, 31, 31)] == []


async def test_a_round_does_not_land_while_the_broker_is_away() -> None:
    producer = Producer("127.0.0.1:1", client_id="away")
    journal = Journal("127.0.0.1:1", producer)
    outcomes = await journal.publish([JournalEntry(0, 0, (JournalRecord(b"k", b"v", ()),))])
    assert isinstance(outcomes[0], NotLanded)
    await producer.stop()


async def test_a_round_that_a_stopped_broker_did_not_acknowledge_never_lands(
    journal: Journal, backing: Stack
) -> None:
    """The round waits in the broker's socket, and is older than T when the broker goes on."""
    first = an_entry(now_us())
    await journal.publish([first])
    backing.pause("kafka")
    try:
        outcomes = await journal.publish([an_entry(now_us(), "c2")])
    finally:
        backing.resume("kafka")
    assert isinstance(outcomes[0], NotLanded)

    async def marked() -> bool:
        try:
            return bool(await journal.mark(0, now_us()))
        except TryAgain:
            return False

    await eventually(marked, seconds=20)
    keys = {one.record.key for one in await all_of(journal)}
    assert keys == {first.records[0].key, b"ledger/0"}
