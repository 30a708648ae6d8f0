"""Comparing the ledger with the journal, on a real Kafka and Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from services.chassis.kafka.producer import Producer
from services.chassis.process.errors import TryAgain
from services.rules.journal.journal import FollowedJournal, Journal
from services.rules.ledger.protocol import New, Part, Settled, SettledBefore, Wanted, place
from services.rules.ledger.verify import SHADOW, LedgerDifference, VerificationReport, verify
from services.rules.ledger.verify import keys as keys_module
from services.rules.ledger.verify import report as report_module
from tests.integration.ledger.manual_worker import ManualWorker, a_request, a_verdict
from tests.integration.ledger.simulated_cluster import (
    CaseFacts,
    Input,
    a_withdrawal,
    charged_by,
    effects_of,
    render,
    request_id,
)

CHARGED = [f"c{n}{'e' if n % 4 == 0 else ''}" for n in range(1, 60)]


class Verifier:
    """Runs `verify` on events of the simulation."""

    def __init__(self, redis: Redis, journal: FollowedJournal) -> None:
        self.redis: Any = redis
        self.journal = journal
        self.progress: list[tuple[str, int, int | None]] = []

    async def report(self) -> VerificationReport:
        return await verify(
            redis=self.redis,
            journal=self.journal,
            effects_of=effects_of,
            progress=lambda *done: self.progress.append(done),
        )

    async def differences(self) -> list[LedgerDifference]:
        report = await self.report()
        assert report.differences == len(report.examples)
        return report.examples


@pytest.fixture
async def verifier(redis: Redis, kafka: str, producer: Producer, journal: Journal) -> AsyncIterator[Verifier]:
    followed = FollowedJournal(kafka, producer, topic=journal.topic)
    yield Verifier(redis, followed)
    await followed.stop()
    client: Any = redis
    assert not await client.keys(f"{SHADOW}:*"), "nothing of it stays"


@pytest.fixture
async def decided(worker: ManualWorker) -> ManualWorker:
    """Requests that charged budgets, an open one, an answered one and a withdrawn one; all confirmed."""
    await worker.decide(*(a_request(case, p=n % 2) for n, case in enumerate(CHARGED)))
    await worker.decide(a_verdict("c8e", p=CHARGED.index("c8e") % 2), states={"c8e": "open 1"})
    await withdraw(worker, *CHARGED[:5], "never-asked")
    await worker.confirm()
    return worker


async def withdraw(worker: ManualWorker, *cases: str) -> None:
    """Withdraw as a worker does: confirm the decision, read it, give it back."""
    inputs = [a_withdrawal(CHARGED.index(case) % 2 if case in CHARGED else 0, case) for case in cases]
    await worker.confirm()
    ids = {p: tuple(request_id(one.case) for one in inputs if one.p == p) for p in worker.held}
    reading = await worker.ledger.read(worker.parts(), [Wanted(p, ids=mine) for p, mine in ids.items()])
    facts = {}
    for one in inputs:
        known = reading.found[one.p].entries.get(request_id(one.case))
        records = (await worker.journal.stored([(one.p, known.seq)]))[one.p, known.seq] if known else ()
        facts[one.id] = CaseFacts(None, charged_by(records))
    settled = await worker.settle(*inputs)
    await worker.publish(settled, with_credits(worker, inputs, settled, facts))


def with_credits(
    worker: ManualWorker, inputs: list[Input], settled: Settled, facts: dict[str, CaseFacts]
) -> list[Any]:
    entries = worker.entries(inputs, settled)
    return [
        entry._replace(records=render(one, answer.seq, facts[one.id], answer.chosen_option))
        for entry, one, answer in zip(entries, inputs, settled.answers, strict=True)
        if isinstance(answer, New)
    ]


async def test_a_ledger_that_only_workers_wrote_has_no_difference(
    decided: ManualWorker, verifier: Verifier
) -> None:
    report = await verifier.report()
    assert report.differences == 0
    assert report.compared["requests"] == len(CHARGED) + 1 + 6 + 1  # a verdict, withdrawals, one never asked
    assert report.compared["states"] == len([one for one in CHARGED if one.endswith("e")])
    assert report.compared["counters"] >= 4
    (_, end), (_, other), _ = (await decided.journal.bounds(range(3))).values()
    assert report.records == end + other
    assert ("records", end + other, end + other) in verifier.progress


async def test_pending_and_unconfirmed_rounds_are_no_difference(
    decided: ManualWorker, verifier: Verifier
) -> None:
    settled = await decided.settle(*(a_request(f"new-{n}", p=n % 2) for n in range(40)))
    assert any(isinstance(one, New) and one.chosen_option for one in settled.answers)
    assert (await verifier.report()).differences == 0
    await decided.publish(settled, [])
    assert (await verifier.report()).differences == 0


async def test_a_large_state_or_index_is_compared_in_pieces(
    decided: ManualWorker, verifier: Verifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys_module, "FIELDS_A_READ", 3)
    await decided.decide(*(a_request(f"many-{n}e") for n in range(600)))  # more than fits into a listpack
    await decided.confirm()
    report = await verifier.report()
    assert report.differences == 0
    assert report.compared["states"] > 600
    await verifier.redis.hdel("{L0}:s:0", "many-599e")
    await verifier.redis.hset("{L0}:s:0", "many-5e", "other")
    found = await verifier.differences()
    assert {one.field: one.ledger for one in found} == {"many-599e": None, "many-5e": "other"}


async def test_a_field_lost_from_a_hash_that_is_large_only_in_the_ledger_is_found(
    decided: ManualWorker, verifier: Verifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = await verifier.redis.hkeys("{L0}:s:1")
    monkeypatch.setattr(keys_module, "FIELDS_A_READ", len(states))
    await verifier.redis.hdel("{L0}:s:1", states[0])
    await verifier.redis.hset("{L0}:s:1", mapping={"made up 1": "x", "made up 2": "x"})
    found = {one.field: one.ledger for one in await verifier.differences()}
    assert found == {states[0].decode(): None, "made up 1": "x", "made up 2": "x"}


@pytest.mark.parametrize("left", [None, 1])
async def test_a_sequence_below_the_journals_is_a_difference(
    decided: ManualWorker, verifier: Verifier, left: int | None
) -> None:
    newest = int(await verifier.redis.hget("{L0}:meta", "seq"))
    if left is None:
        await verifier.redis.hdel("{L0}:meta", "seq")
    else:
        await verifier.redis.hset("{L0}:meta", "seq", newest - left)
    said = None if left is None else str(newest - left)
    assert await verifier.differences() == [LedgerDifference("meta", "seq", said, f"at least {newest}")]
    await verifier.redis.hset("{L0}:meta", "seq", newest + 1_000_000)
    assert await verifier.differences() == []


async def test_the_comparison_is_exact_while_workers_decide(
    decided: ManualWorker, verifier: Verifier
) -> None:
    stop = asyncio.Event()
    rounds = 0

    async def decide() -> None:
        nonlocal rounds
        while not stop.is_set():
            rounds += 1
            inputs = [a_request(f"busy-{rounds}-{n}{'e' if n % 5 == 0 else ''}", p=n % 2) for n in range(20)]
            await decided.decide(*inputs)
            await asyncio.sleep(0)

    deciding = asyncio.create_task(decide())
    try:
        for _ in range(3):
            report = await verifier.report()
            assert (report.differences, report.examples) == (0, [])
    finally:
        stop.set()
        await deciding
    assert rounds > 3, "somebody decided meanwhile"


def index_key(case: str) -> tuple[str, bytes]:
    bucket, field = place(request_id(case))
    return f"i:{bucket}", field


async def test_every_changed_piece_is_found_and_named(decided: ManualWorker, verifier: Verifier) -> None:
    redis = verifier.redis
    counters = sorted(key.decode() for key in await redis.keys("{L0}:b:*"))
    field = sorted(await redis.hgetall(counters[0]))[0]
    held = await redis.hincrby(counters[0], field, 1)
    await redis.hset("{L0}:b:budget|nobody", "3", 5)
    await redis.delete(counters[1])
    changed, gone, added = index_key("c9"), index_key("c10"), index_key("not-there")
    await redis.hset("{L0}:" + changed[0], changed[1], b"digest-2" + (7).to_bytes(7, "big"))
    await redis.hdel("{L0}:" + gone[0], gone[1])
    await redis.hset("{L0}:" + added[0], added[1], b"digest-1" + (7).to_bytes(7, "big"))
    await redis.hset("{L0}:s:0", "c999", "made up")
    await redis.set("{L0}:what", "is this")
    await redis.set("{L0}:i:fffff-", "no hash")
    found = await verifier.differences()
    by_place = {(one.key, one.field): (one.ledger, one.journal) for one in found}
    name = counters[0].removeprefix("{L0}:")
    assert by_place.pop((name, field.decode())) == (str(held), str(held - 1))
    assert by_place.pop(("b:budget|nobody", "3")) == ("5", None)
    assert by_place.pop((changed[0], changed[1].decode()))[0] == "digest digest-2, sequence 7"
    assert by_place.pop((gone[0], gone[1].decode()))[0] is None
    assert by_place.pop((added[0], added[1].decode())) == ("digest digest-1, sequence 7", None)
    assert by_place.pop(("s:0", "c999")) == ("made up", None)
    assert by_place.pop(("what", ""))[1] is None
    assert by_place.pop(("i:fffff-", ""))[1] is None
    gone_counter = counters[1].removeprefix("{L0}:")
    assert by_place
    assert all(key == gone_counter and ledger is None for (key, _), (ledger, _) in by_place.items())


async def test_a_position_that_the_journal_does_not_reach_is_a_difference(
    decided: ManualWorker, verifier: Verifier
) -> None:
    await verifier.redis.hset("{L0}:meta", "pos:2", 99)
    (one,) = await verifier.differences()
    assert (one.key, one.field, one.ledger) == ("meta", "pos:2", "99")


async def test_differences_are_counted_and_only_some_are_shown(
    decided: ManualWorker, verifier: Verifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_module, "MOST_EXAMPLES", 2)
    await verifier.redis.hset("{L0}:s:1", mapping={f"made-up-{n}": "x" for n in range(7)})
    report = await verifier.report()
    assert (report.differences, len(report.examples)) == (7, 2)


async def test_remains_of_an_earlier_verify_are_removed_and_two_at_once_are_refused(
    decided: ManualWorker, verifier: Verifier
) -> None:
    await verifier.redis.hset(f"{SHADOW}:meta", mapping={"partitions": 1, "pos:0": 7})
    await verifier.redis.hset(f"{SHADOW}:i:00000", "left", "over")
    assert (await verifier.report()).differences == 0
    await verifier.redis.set(f"{SHADOW}:lock", "somebody else")
    with pytest.raises(TryAgain, match="another verify"):
        await verifier.report()
    await verifier.redis.delete(f"{SHADOW}:lock")


async def test_an_empty_ledger_is_not_compared(redis: Redis, verifier: Verifier) -> None:
    await redis.flushdb()
    with pytest.raises(TryAgain, match="the ledger is empty"):
        await verifier.report()


async def test_workers_go_on_unaffected_by_a_verify(decided: ManualWorker, verifier: Verifier) -> None:
    before = await decided.ledger.read([Part(0, decided.held[0])], [Wanted(0, ids=(request_id("c9"),))])
    await verifier.report()
    (again,) = (await decided.settle(a_request("c9", p=CHARGED.index("c9") % 2))).answers
    assert isinstance(again, SettledBefore)
    assert before.refused == {}
