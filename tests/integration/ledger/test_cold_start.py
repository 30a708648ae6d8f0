"""A cold ledger is rebuilt from the journal, on a real Kafka and Redis."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from redis.asyncio import Redis

from deploy.local.stack import Stack
from services.chassis.process.errors import TryAgain
from services.rules.journal.journal import Journal
from services.rules.ledger import client as ledger_module
from services.rules.ledger import rebuild as rebuild_module
from services.rules.ledger import script
from services.rules.ledger.client import Ledger
from services.rules.ledger.cold_start import PositionsDisagree, cold_start
from services.rules.ledger.protocol import New, Part, SettledBefore
from services.rules.ledger.rebuild import Begun, Locked, Lost, Rebuild, Warm
from services.rules.ledger.script import Cold, NewerLedger
from services.rules.ledger.take_over import Fence
from tests.integration.ledger.manual_worker import ManualWorker, a_request, a_verdict, read
from tests.integration.ledger.simulated_cluster import effects_of
from tests.integration.ledger.simulation import snapshot


async def rebuilt(redis: Redis, journal: Journal, fence: Fence, ledger: Ledger | None = None) -> Ledger:
    again = ledger or Ledger(redis)
    await cold_start(ledger=again, journal=journal, effects_of=effects_of, fence=fence)
    return again


async def test_the_first_start_ever_is_a_cold_start(redis: Redis, journal: Journal, fence: Fence) -> None:
    since = time.monotonic()
    ledger = await rebuilt(redis, journal, fence)
    assert time.monotonic() - since >= fence.fence_seconds
    worker = await ManualWorker(ledger, journal, fence).take(0, 1, 2)
    await worker.decide(a_request("c1"), a_request("c2", p=2))


async def test_an_emptied_redis_comes_back_the_same(worker: ManualWorker, redis: Redis, fence: Fence) -> None:
    many = [a_request(f"c{n}{'e' if n % 3 else ''}", p=int(n % 10 == 1)) for n in range(2500)]
    await worker.decide(*many)
    await worker.decide(a_verdict("c1e", p=1), states={"c1e": "open 1"})
    await worker.confirm()
    before = await snapshot(redis, "{L0}")
    await redis.flushdb()
    with pytest.raises(Cold):
        await worker.confirm()
    ledger = await rebuilt(redis, worker.journal, fence, worker.ledger)
    after = await snapshot(redis, "{L0}")
    assert (after.entries, after.states) == (before.entries, before.states)
    assert after.counters == before.counters != {}
    other = await ManualWorker(ledger, worker.journal, fence).take(0, 1)
    answers = (await other.settle(*many[:20])).answers
    assert all(isinstance(one, SettledBefore) for one in answers)


async def test_a_restart_keeps_published_rounds_and_forgets_the_others(
    worker: ManualWorker, redis: Redis, fence: Fence
) -> None:
    decided = await worker.decide(a_request("c1e"))
    await worker.settle(a_request("c3"))
    worker.held.pop(1)
    unconfirmed = await worker.settle()
    assert unconfirmed.refused
    await redis.script_flush()
    ledger = await rebuilt(redis, worker.journal, fence, worker.ledger)
    other = await ManualWorker(ledger, worker.journal, fence).take(0)
    assert (await read(ledger, Part(0, other.held[0]), states=["c1e"])).states == {"c1e": b"open 1"}
    again = await other.settle(a_request("c1e"), a_request("c3"))
    assert again.answers == (SettledBefore("digest-1", decided["request/c1e"]), New(again.first_sequence, 0))


async def test_an_unpublished_charge_is_given_back_after_a_restart(
    worker: ManualWorker, redis: Redis, fence: Fence
) -> None:
    await worker.decide(a_request("c1"))
    await worker.confirm()
    before = (await snapshot(redis, "{L0}")).counters
    await worker.settle(a_request("c2"), a_request("c2e"))
    assert (await snapshot(redis, "{L0}")).counters != before
    await redis.script_flush()
    await rebuilt(redis, worker.journal, fence, worker.ledger)
    assert (await snapshot(redis, "{L0}")).counters == before


async def test_a_killed_and_restarted_redis_is_cold_and_has_every_decision(
    worker: ManualWorker, fence: Fence, backing: Stack
) -> None:
    decided = await worker.decide(a_request("c1e"), a_request("c2", p=1))
    await worker.confirm()
    await worker.settle(a_request("c3"))
    backing.kill("redis")
    with pytest.raises(TryAgain):
        await worker.confirm()
    backing.start("redis")
    with pytest.raises(Cold):
        await worker.confirm()
    ledger = await rebuilt(worker.ledger.redis, worker.journal, fence, worker.ledger)
    other = await ManualWorker(ledger, worker.journal, fence).take(0, 1)
    again = await other.settle(a_request("c1e"), a_request("c2", p=1), a_request("c3"))
    assert again.answers == (
        SettledBefore("digest-1", decided["request/c1e"]),
        SettledBefore("digest-1", decided["request/c2"]),
        New(again.first_sequence, 0),
    )


async def test_of_many_workers_one_rebuilds_and_all_go_on_under_its_epoch(
    redis: Redis, journal: Journal, fence: Fence
) -> None:
    ledgers = await asyncio.gather(*(rebuilt(redis, journal, fence) for _ in range(4)))
    assert len({ledger.nonce for ledger in ledgers}) == 1
    first, end = (await journal.bounds([0]))[0]
    assert end - first == 1, "one marker: one rebuild"


async def test_a_worker_that_finds_the_ledger_cold_late_does_not_rebuild_it_again(
    worker: ManualWorker, redis: Redis, fence: Fence
) -> None:
    late = Ledger(redis)
    await late.adopt()
    await redis.script_flush()
    await rebuilt(redis, worker.journal, fence, worker.ledger)
    since = time.monotonic()
    await rebuilt(redis, worker.journal, fence, late)
    assert time.monotonic() - since < 0.5
    assert late.nonce == worker.ledger.nonce


async def test_a_ledger_ahead_of_the_journal_is_refused_with_the_partition(
    worker: ManualWorker, redis: Redis, fence: Fence
) -> None:
    await worker.decide(a_request("c1"))
    await worker.confirm()
    client: Any = redis
    await client.hset("{L0}:meta", "pos:2", "99")
    await redis.script_flush()
    with pytest.raises(PositionsDisagree, match="partition 2: the ledger goes on at 99"):
        await rebuilt(redis, worker.journal, fence, worker.ledger)
    with pytest.raises(Cold):
        await worker.confirm()


async def test_an_emptied_redis_is_not_filled_from_a_journal_whose_beginning_is_gone(
    worker: ManualWorker, redis: Redis, fence: Fence, kafka: str
) -> None:
    await worker.decide(a_request("c1"), a_request("c2"), a_request("c3", p=1))
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    await admin.delete_records({TopicPartition(worker.journal.topic, 0): RecordsToDelete(1)})
    await admin.close()
    await redis.flushdb()
    with pytest.raises(PositionsDisagree, match=r"partition 0: .* at 0, the journal holds 1 to 2"):
        await rebuilt(redis, worker.journal, fence)


async def test_a_ledger_of_another_number_of_partitions_is_refused(
    redis: Redis, journal: Journal, fence: Fence
) -> None:
    rebuild = Rebuild(redis, "token", prefix="{L0}")
    assert await rebuild.begin(None) == Begun(())
    await rebuild.lay(5)
    await redis.delete("{L0}:lock")
    with pytest.raises(PositionsDisagree, match="the ledger has 5 partitions, the journal 3"):
        await rebuilt(redis, journal, fence)


async def test_others_wait_during_a_rebuild_and_a_stalled_one_does_no_harm(redis: Redis) -> None:
    first, second = Rebuild(redis, "one", prefix="{L0}"), Rebuild(redis, "two", prefix="{L0}")
    assert await first.begin(None) == Begun(())
    assert await second.begin(None) == Locked()
    await redis.delete("{L0}:lock")  # its 15 s have passed
    assert await second.begin(None) == Begun(())
    await second.wipe()
    await second.lay(1)
    steps: list[Callable[[], Awaitable[None]]] = [
        lambda: first.lay(1),
        lambda: first.apply(0, 0, [], 5),
        first.wipe,
        first.renew,
        lambda: first.activate("mine", [0]),
    ]
    for step in steps:
        with pytest.raises(Lost):
            await step()
    await second.activate("theirs", [0])
    assert await first.begin(None) == Warm("theirs")
    assert await first.begin("theirs") == Begun((0,))


async def test_the_epoch_opens_only_if_no_position_has_changed(redis: Redis) -> None:
    rebuild = Rebuild(redis, "one", prefix="{L0}")
    await rebuild.begin(None)
    await rebuild.lay(2)
    await rebuild.apply(1, 0, [], 3)
    with pytest.raises(Lost):
        await rebuild.apply(1, 0, [], 3)
    with pytest.raises(Lost):
        await rebuild.activate("nonce", [0, 0])
    await rebuild.activate("nonce", [0, 3])


async def test_keys_of_other_services_are_left_alone(redis: Redis, journal: Journal, fence: Fence) -> None:
    await redis.set("intake:known", "yes")
    await redis.set("{L0}:i:left-over", "no")
    await rebuilt(redis, journal, fence)
    assert await redis.get("intake:known") == b"yes"
    assert await redis.exists("{L0}:i:left-over") == 0


async def test_workers_of_two_versions_settle_on_the_newer_one(
    worker: ManualWorker, redis: Redis, fence: Fence, monkeypatch: pytest.MonkeyPatch
) -> None:
    await worker.decide(a_request("c1"))
    await worker.confirm()
    older = worker.ledger
    with monkeypatch.context() as newer_worker:
        of_version(newer_worker, script.VERSION + 1)
        newer = Ledger(redis)
        assert await newer.adopt()
        with pytest.raises(Cold):
            await newer.take(0)
        await rebuilt(redis, worker.journal, fence, newer)
    epoch: Any = await redis.execute_command("HGET", "{L0}:meta", "epoch")  # type: ignore[no-untyped-call] # redis-py has no type for it
    with pytest.raises(Cold):
        await worker.confirm()
    for ledger in (older, Ledger(redis)):
        with pytest.raises(NewerLedger, match=f"version {script.VERSION + 1}"):
            await rebuilt(redis, worker.journal, fence, ledger)
    with pytest.raises(NewerLedger):
        await Ledger(redis).adopt()
    assert await redis.execute_command("HGET", "{L0}:meta", "epoch") == epoch  # type: ignore[no-untyped-call] # as above
    with monkeypatch.context() as newer_worker:
        of_version(newer_worker, script.VERSION + 1)
        assert (await newer.take(0)).pending is False


async def test_an_epoch_without_a_version_is_an_old_one(redis: Redis, journal: Journal, fence: Fence) -> None:
    rebuild = Rebuild(redis, "old", prefix="{L0}")
    await rebuild.begin(None)
    await rebuild.lay(3)
    await rebuild.activate("0123456789abcdef", [0, 0, 0])
    await redis.script_flush()  # the script that it loaded had another text
    ledger = Ledger(redis)
    assert await ledger.adopt()
    with pytest.raises(Cold):
        await ledger.take(0)
    assert script.version_of((await rebuilt(redis, journal, fence, ledger)).nonce or "") == script.VERSION


def of_version(patch: pytest.MonkeyPatch, version: int) -> None:
    """Let this process be a worker with another version of the script."""
    patch.setattr(script, "VERSION", version)
    patch.setattr(ledger_module, "VERSION", version)
    whole = script.text
    patch.setattr(script, "text", lambda nonce: whole(nonce) + f"-- version {version}\n")
    patch.setattr(rebuild_module, "text", script.text)
    script.sha.cache_clear()
    patch.setattr(script, "sha", script.sha.__wrapped__)
    patch.setattr(ledger_module, "sha", script.sha)
