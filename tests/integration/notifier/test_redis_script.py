"""The promises of the outbox script, on a real Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from schemas.topics import CASES, DECISIONS, NOTICES
from services.chassis.redis import connect
from services.notifier.outbox.store import (
    CaseFileWrite,
    EndedNotice,
    OutboxEntry,
    OutboxStore,
    PartitionFenced,
    PostponedNotice,
    StoreLost,
)

DAY = 24 * 3600
CASE = "acme/c-1"
TOPICS = (CASES, NOTICES, DECISIONS)


@pytest.fixture
async def redis(fresh_redis: str) -> AsyncIterator[Redis]:
    client = connect(fresh_redis)
    yield client
    await client.aclose()


@pytest.fixture
async def store(redis: Redis) -> OutboxStore:
    return await a_store(redis)


async def a_store(redis: Redis) -> OutboxStore:
    one = OutboxStore(redis, ["mail", "webhook"], keep_seconds=30 * DAY, remember_seconds=14 * DAY)
    await one.load()
    return one


def an_entry(id_: str = "n-1", channel: str = "mail") -> OutboxEntry:
    return OutboxEntry(id_, channel, f"entry of {id_}".encode(), 1_000)


async def test_a_notice_is_put_into_the_outbox_once_however_often_it_is_recorded(store: OutboxStore) -> None:
    taken = await store.take(0, TOPICS)
    for new in (1, 0):
        assert await store.record(0, taken.generation, {DECISIONS: 5}, (), [an_entry()]) == new
    assert await store.due(0, taken.generation, "mail", 10) == [b"entry of n-1"]
    assert await store.due(0, taken.generation, "mail", 10) == [], "it is being sent"
    await store.settle(0, taken.generation, {NOTICES: 3}, [EndedNotice("n-1", "mail", CASE, b"{}")])
    assert await store.record(0, taken.generation, {DECISIONS: 5}, (), [an_entry()]) == 0, (
        "nor after it was told"
    )
    assert await store.waiting(0) == (0, None)


async def test_a_new_owner_reads_on_from_the_positions_and_finds_the_notices_that_were_being_sent(
    store: OutboxStore,
) -> None:
    first = await store.take(0, TOPICS)
    assert first.positions == {}
    await store.record(0, first.generation, {CASES: 7}, (), ())
    await store.record(0, first.generation, {DECISIONS: 9}, (), [an_entry(), an_entry("n-2", "webhook")])
    await store.record(0, first.generation, {CASES: 3, DECISIONS: 4}, (), ())
    await store.due(0, first.generation, "mail", 10)
    await store.due(0, first.generation, "webhook", 10)
    second = await store.take(0, TOPICS)
    assert second.positions == {CASES: 7, DECISIONS: 9}, "positions only rise"
    assert await store.due(0, second.generation, "mail", 10) == [b"entry of n-1"]
    assert await store.due(0, second.generation, "webhook", 10) == [b"entry of n-2"]


async def test_every_call_of_a_former_owner_is_refused(redis: Redis, store: OutboxStore) -> None:
    old = await store.take(0, TOPICS)
    other = await a_store(redis)
    new = await other.take(0, TOPICS)
    for call in (
        store.check(0, old.generation),
        store.record(0, old.generation, {CASES: 1, DECISIONS: 1}, (), [an_entry()]),
        store.due(0, old.generation, "mail", 1),
        store.settle(0, old.generation, {NOTICES: 1}),
    ):
        with pytest.raises(PartitionFenced):
            await call
    await other.check(0, new.generation)
    assert await other.due(0, new.generation, "mail", 10) == []


@pytest.mark.parametrize("command", ["FLUSHDB", "SCRIPT FLUSH"])
async def test_a_redis_that_was_emptied_or_restarted_is_noticed(
    redis: Redis, store: OutboxStore, command: str
) -> None:
    taken = await store.take(0, TOPICS)
    await redis.execute_command(command)  # type: ignore[no-untyped-call] # redis-py
    with pytest.raises(StoreLost):
        await store.check(0, taken.generation)
    await store.load()
    again = await store.take(0, TOPICS)
    assert int(again.generation) > int(taken.generation)


async def test_a_postponed_notice_is_due_after_its_pause_with_its_new_entry(store: OutboxStore) -> None:
    taken = await store.take(0, TOPICS)
    await store.record(0, taken.generation, {DECISIONS: 1}, (), [an_entry()])
    await store.due(0, taken.generation, "mail", 1)
    await store.settle(
        0, taken.generation, {}, (), [PostponedNotice("n-1", "mail", b"second try", 3_600_000)]
    )
    assert await store.due(0, taken.generation, "mail", 1) == []
    await store.settle(0, taken.generation, {}, (), [PostponedNotice("n-1", "mail", b"third try", 0)])
    assert await store.due(0, taken.generation, "mail", 1) == [b"third try"]
    assert (await store.waiting(0))[0] == 1


async def test_a_notice_that_ended_is_not_put_back_by_a_late_try(store: OutboxStore) -> None:
    taken = await store.take(0, TOPICS)
    await store.record(0, taken.generation, {DECISIONS: 1}, (), [an_entry()])
    await store.settle(0, taken.generation, {NOTICES: 1}, [EndedNotice("n-1", "mail", CASE, b"{}")])
    await store.settle(0, taken.generation, {}, (), [PostponedNotice("n-1", "mail", b"again", 0)])
    assert await store.due(0, taken.generation, "mail", 1) == []


async def test_a_case_file_is_kept_while_an_approval_is_open_and_some_days_after(
    redis: Redis, store: OutboxStore
) -> None:
    taken = await store.take(0, TOPICS)
    opened = CaseFileWrite(CASE, (("s:r1\x00d", b"{}"), ("o:r1", b"1")))
    await store.record(0, taken.generation, {DECISIONS: 1}, [opened], ())
    assert await redis.ttl("notifier:case:" + CASE) == -1
    await store.record(
        0, taken.generation, {DECISIONS: 2}, [CaseFileWrite(CASE, (("e:1", b"x"),), ("o:r1",))], ()
    )
    assert 29 * DAY < await redis.ttl("notifier:case:" + CASE) <= 30 * DAY
    assert set(await store.case(CASE)) == {b"s:r1\x00d", b"e:1"}


async def test_a_notice_that_ends_creates_no_case_file(store: OutboxStore) -> None:
    taken = await store.take(0, TOPICS)
    await store.settle(0, taken.generation, {NOTICES: 1}, [EndedNotice("n-1", "mail", CASE, b"{}")])
    assert await store.case(CASE) == {}


async def test_bytes_that_are_not_utf8_are_kept_as_they_are(store: OutboxStore) -> None:
    taken = await store.take(0, TOPICS)
    value = bytes(range(256)) * 300
    await store.record(
        0, taken.generation, {DECISIONS: 1}, [CaseFileWrite("acme/é\x01", (("e:1", value),))], ()
    )
    assert (await store.read_fields([("acme/é\x01", ("e:1", "e:2"))])) == [[value, None]]
