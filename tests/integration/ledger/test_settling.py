"""Settling, confirming and resolving, on a real Redis."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from redis.asyncio import Redis

from schemas.withdrawal import WITHDRAWN
from services.chassis.process.errors import TryAgain
from services.chassis.redis import connect
from services.rules.ledger.client import Ledger
from services.rules.ledger.protocol import (
    Applied,
    Confirm,
    CounterCharge,
    Credit,
    Item,
    Link,
    New,
    Part,
    Refusal,
    RemoveState,
    SetState,
    Settled,
    SettledBefore,
    Wanted,
)
from services.rules.ledger.script import Cold
from tests.integration.ledger.manual_worker import read
from tests.integration.ledger.simulation import snapshot

ASKED = Item(0, "acme/c1/r1", "digest-1")


async def held(ledger: Ledger, p: int = 0) -> Part:
    return Part(p, (await ledger.take(p)).gen)


def seqs(settled: Settled) -> list[int]:
    return [one.seq for one in settled.answers if isinstance(one, New | SettledBefore)]


async def test_a_request_is_settled_once(ledger: Ledger) -> None:
    part = await held(ledger)
    first = await ledger.call([part], [ASKED])
    assert first.answers == (New(first.first_sequence, 0),)
    again = await ledger.call([part._replace(confirm=Confirm(first.first_sequence, 1))], [ASKED, ASKED])
    assert again.answers == (SettledBefore("digest-1", first.first_sequence),) * 2


async def test_a_request_that_comes_twice_in_one_round_is_settled_once(ledger: Ledger) -> None:
    settled = await ledger.call([await held(ledger)], [ASKED, ASKED])
    assert settled.answers == (
        New(settled.first_sequence, 0),
        SettledBefore("digest-1", settled.first_sequence),
    )


async def test_a_known_id_with_other_content_is_a_conflict(ledger: Ledger) -> None:
    settled = await ledger.call([await held(ledger)], [ASKED, ASKED._replace(digest="digest-2")])
    assert settled.answers[1] == SettledBefore("digest-1", settled.first_sequence)


async def test_sequences_rise_in_order_of_the_items_and_are_nearly_the_time(ledger: Ledger) -> None:
    part, other = await held(ledger), await held(ledger, 1)
    before = await ledger.time_us()
    settled = await ledger.call([part, other], [Item(n % 2, f"id-{n}", "digest-1") for n in range(600)])
    assert seqs(settled) == list(range(settled.first_sequence, settled.first_sequence + 600))
    assert before < settled.first_sequence <= await ledger.time_us()
    later = await ledger.call([await held(ledger, 2)], [Item(2, "id-600", "digest-1")])
    assert later.first_sequence >= settled.first_sequence + 600


async def test_a_worker_whose_partition_was_taken_can_neither_settle_nor_confirm_nor_read(
    ledger: Ledger, redis: Redis
) -> None:
    old = await held(ledger)
    settled = await ledger.call([old], [ASKED])
    await ledger.take(0)
    before = await snapshot(redis, ledger.prefix)
    late = old._replace(confirm=Confirm(settled.first_sequence, 1, (SetState("a", b"1"),)))
    refused = await ledger.call([late], [ASKED, ASKED._replace(id="other")])
    assert refused.answers == (Refusal.FENCED, Refusal.FENCED)
    assert refused.refused == {0: Refusal.FENCED}
    reading = await ledger.read([late], [Wanted(0, ("a",))])
    assert (reading.found, reading.refused) == ({}, {0: Refusal.FENCED})
    assert await snapshot(redis, ledger.prefix) == before


async def test_one_fenced_partition_does_not_hold_up_another(ledger: Ledger) -> None:
    old, mine = await held(ledger), await held(ledger, 1)
    await ledger.take(0)
    settled = await ledger.call([old, mine], [ASKED, Item(1, "mine", "digest-1")])
    assert settled.answers == (Refusal.FENCED, New(settled.first_sequence, 0))


async def test_a_partition_with_something_pending_is_busy(ledger: Ledger) -> None:
    part = await held(ledger)
    await ledger.call([part], [ASKED])
    busy = await ledger.call([part], [ASKED._replace(id="other")])
    assert busy.answers == (Refusal.BUSY,)
    wrong = part._replace(confirm=Confirm(busy.first_sequence, 1, (SetState("a", b"1"),)))
    assert (await ledger.call([wrong])).refused == {0: Refusal.BUSY}


async def test_states_and_links_count_only_from_the_confirm(ledger: Ledger) -> None:
    part = await held(ledger)
    first = await ledger.call([part], [ASKED, ASKED._replace(id="in/v0")])
    opened = part._replace(
        confirm=Confirm(first.first_sequence, 2, (SetState("a", b"open"), SetState("b", b"x")))
    )
    second = await ledger.call([opened], [ASKED._replace(id="in/v1")])
    unread = await ledger.read([part], [Wanted(0, ("a",))])
    assert unread.refused == {0: Refusal.BUSY}
    done = (SetState("a", b"\xff closed"), RemoveState("b"), Link(ASKED.id, second.first_sequence))
    closed = part._replace(confirm=Confirm(second.first_sequence, 3, done))
    reading = await ledger.read([closed], [Wanted(0, ("a", "b", "c"), (ASKED.id, "in/v1", "nothing"))])
    assert reading.found[0].states == {"a": b"\xff closed"}
    assert reading.found[0].entries == {
        ASKED.id: SettledBefore("digest-1", second.first_sequence),
        "in/v1": SettledBefore("digest-1", second.first_sequence),
    }


async def test_a_link_never_goes_back(ledger: Ledger) -> None:
    part = await held(ledger)
    settled = await ledger.call([part], [ASKED])
    back = part._replace(
        confirm=Confirm(settled.first_sequence, 1, (Link(ASKED.id, settled.first_sequence - 5),))
    )
    assert (await read(ledger, back, ids=[ASKED.id])).entries == {
        ASKED.id: SettledBefore("digest-1", settled.first_sequence)
    }


async def test_a_link_to_an_unknown_id_answers_any_digest(ledger: Ledger) -> None:
    part = await held(ledger)
    settled = await ledger.call([part], [Item(0, "in/withdrawal", WITHDRAWN)])
    done = part._replace(
        confirm=Confirm(settled.first_sequence, 1, (Link(ASKED.id, settled.first_sequence),))
    )
    assert (await ledger.call([done], [ASKED])).answers == (SettledBefore(WITHDRAWN, settled.first_sequence),)


FULL = CounterCharge("budget", "2026-03-02", 5, 5)


async def room_after_a_withdrawal_that_did_not_land(
    ledger: Ledger, withdrawal: Item
) -> tuple[Part, list[int], int]:
    """Settle two requests of partition 1 while a round of partition 0 is pending, and after it."""
    part, other = await held(ledger), await held(ledger, 1)
    asked = await ledger.call([part], [ASKED._replace(charge_options=((FULL,),))])
    assert asked.answers == (New(asked.first_sequence, 1),)
    await ledger.call([part._replace(confirm=Confirm(asked.first_sequence, 1))], [withdrawal])
    during = await ledger.call([other], [Item(1, "during", "digest-1", ((FULL,),))])
    again = await ledger.take(0)
    assert await ledger.resolve(0, again.gen, 1, [], 1) == "ok"
    done = other._replace(confirm=Confirm(during.first_sequence, 1))
    after = await ledger.call([done], [Item(1, "after", "digest-1", ((FULL,),), (FULL,))])
    (one,), (two,) = during.answers, after.answers
    assert isinstance(one, New)
    assert isinstance(two, New)
    return Part(0, again.gen), [one.chosen_option, two.chosen_option], two.used[0].used


async def test_room_that_a_withdrawal_gives_back_is_free_only_once_the_journal_has_it(
    ledger: Ledger,
) -> None:
    withdrawal = Item(0, "in/withdrawal", WITHDRAWN)
    part, variants, counted = await room_after_a_withdrawal_that_did_not_land(ledger, withdrawal)
    assert (variants, counted) == ([0, 0], 5)
    settled = await ledger.call([part], [withdrawal])
    credit = Confirm(settled.first_sequence, 2, (Credit(FULL.key, FULL.field, -5),))
    await ledger.call([part._replace(confirm=credit)])
    third = await ledger.call([await held(ledger, 2)], [Item(2, "then", "digest-1", ((FULL,),))])
    assert third.answers == (New(third.first_sequence, 1),)


async def test_if_a_credit_counted_from_settling_its_room_would_be_spent_twice(ledger: Ledger) -> None:
    at_once = Item(0, "in/withdrawal", WITHDRAWN, ((FULL._replace(amount=-5),),))
    _, variants, counted = await room_after_a_withdrawal_that_did_not_land(ledger, at_once)
    assert variants == [1, 0]
    assert counted == 10 > FULL.cap


async def test_a_round_of_repeats_only_moves_the_position(ledger: Ledger) -> None:
    part = await held(ledger)
    settled = await ledger.call([part], [ASKED])
    await ledger.call([part._replace(confirm=Confirm(settled.first_sequence, 4))], [ASKED])
    await ledger.call([part._replace(confirm=Confirm(None, 6))])
    assert (await ledger.take(0)).pos == 6


async def test_take_says_that_something_is_pending_and_resolve_rolls_it_back(ledger: Ledger) -> None:
    part = await held(ledger)
    settled = await ledger.call([part], [ASKED, ASKED._replace(id="landed")])
    taken = await ledger.take(0)
    assert (taken.pending, taken.pos) == (True, 0)
    landed = Applied(
        settled.first_sequence + 1, "landed", "digest-1", (SetState("a", b"open"), Link("landed", 5))
    )
    assert await ledger.resolve(0, taken.gen, 0, [landed], 3) == "ok"
    found = (await ledger.read([Part(0, taken.gen)], [Wanted(0, ("a",), (ASKED.id, "landed"))])).found[0]
    assert found.states == {"a": b"open"}
    assert found.entries == {"landed": SettledBefore("digest-1", settled.first_sequence + 1)}
    assert await ledger.take(0) == (taken.gen + 1, 3, False)
    anew = await ledger.call([Part(0, taken.gen + 1)], [ASKED])
    assert anew.first_sequence > settled.first_sequence + 1


async def test_an_applied_sequence_is_not_applied_again(ledger: Ledger) -> None:
    gen = (await ledger.take(0)).gen
    first = Applied(100, "a", "digest-1", (SetState("s", b"1"),))
    second = Applied(200, "b", "digest-1", (SetState("s", b"2"), Link("a", 200)))
    assert await ledger.resolve(0, gen, 0, [first, second], 2) == "ok"
    assert await ledger.resolve(0, gen, 2, [first, second, first], 5) == "ok"
    found = (await ledger.read([Part(0, gen)], [Wanted(0, ("s",), ("a", "b"))])).found[0]
    assert found.states == {"s": b"2"}
    assert found.entries == {"a": SettledBefore("digest-1", 200), "b": SettledBefore("digest-1", 200)}


async def test_only_the_owner_resolves_and_only_from_the_ledgers_position(ledger: Ledger) -> None:
    gen = (await ledger.take(0)).gen
    assert await ledger.resolve(0, gen, 7, [], 9) == "moved"
    assert await ledger.resolve(0, gen - 1, 0, [], 9) == "fenced"


@pytest.mark.parametrize("command", ["SCRIPT FLUSH", "FLUSHDB", "HSET {L0}:meta epoch another"])
async def test_a_restarted_redis_is_noticed_at_the_next_call(
    ledger: Ledger, redis: Redis, command: str
) -> None:
    part = await held(ledger)
    await redis.execute_command(*command.split())  # type: ignore[no-untyped-call] # redis-py has no type for it
    for call in (
        lambda: ledger.call([part], [ASKED]),
        lambda: ledger.read([part], []),
        lambda: ledger.take(0),
        lambda: ledger.resolve(0, part.gen, 0, [], 0),
    ):
        with pytest.raises(Cold):
            await call()


async def test_data_older_than_a_worker_has_seen_makes_the_ledger_cold(ledger: Ledger, redis: Redis) -> None:
    part = await held(ledger)
    settled = await ledger.call([part], [ASKED])
    other = Ledger(redis)
    await other.adopt()
    await redis.execute_command("HSET", "{L0}:meta", "seq", settled.first_sequence - 1)  # type: ignore[no-untyped-call] # as above
    with pytest.raises(Cold):
        await ledger.call([part])
    with pytest.raises(Cold):
        await other.take(1)
    assert not await Ledger(redis).adopt()


async def test_taking_a_partition_that_does_not_exist_raises(ledger: Ledger) -> None:
    with pytest.raises(Exception, match="there is no partition 7"):
        await ledger.take(7)


async def test_an_unanswered_call_is_never_sent_twice() -> None:
    received: list[bytes] = []

    async def greet_and_swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                received.append(data)
                writer.write(b"+OK\r\n" * data.count(b"SETINFO"))

    server = await asyncio.start_server(greet_and_swallow, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    redis = connect(f"redis://127.0.0.1:{port}/0", timeout_seconds=0.3)
    ledger = Ledger(redis)
    await ledger.adopt("nonce")
    with pytest.raises(TryAgain):
        await ledger.call([Part(0, 1)], [ASKED])
    await redis.aclose()
    server.close()
    assert b"".join(received).count(b"EVALSHA") == 1


async def test_a_redis_that_is_away_raises_try_again() -> None:
    redis = connect("redis://127.0.0.1:1/0", timeout_seconds=0.3)
    ledger = Ledger(redis)
    with pytest.raises(TryAgain):
        await ledger.adopt()
    with pytest.raises(TryAgain):
        await ledger.time_us()
