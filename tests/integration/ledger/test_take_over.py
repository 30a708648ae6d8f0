"""Taking over a partition with something pending, on a real Kafka and Redis."""

from __future__ import annotations

import time

import pytest

from services.chassis.process.errors import TryAgain
from services.rules.journal.journal import Journal
from services.rules.journal.publisher import Landed, NotLanded
from services.rules.ledger.client import Ledger
from services.rules.ledger.protocol import New, Part, Refusal, SettledBefore
from services.rules.ledger.take_over import FailedPublish, Fence, take_over
from tests.integration.ledger.manual_worker import ManualWorker, a_request, a_verdict, read, seq_of
from tests.integration.ledger.simulated_cluster import effects_of


async def test_a_partition_that_was_handed_over_is_taken_at_once(worker: ManualWorker, fence: Fence) -> None:
    await worker.decide(a_request("c1"))
    await worker.confirm()
    since = time.monotonic()
    other = await ManualWorker(worker.ledger, worker.journal, fence).take(0)
    assert time.monotonic() - since < fence.fence_seconds
    repeated = await other.settle(a_request("c1"))
    assert isinstance(repeated.answers[0], SettledBefore)


async def test_a_round_that_was_settled_and_never_published_is_decided_anew(
    worker: ManualWorker, fence: Fence
) -> None:
    dead = await worker.settle(a_request("c1"))
    since = time.monotonic()
    other = await ManualWorker(worker.ledger, worker.journal, fence).take(0)
    assert time.monotonic() - since >= fence.fence_seconds + fence.clock_seconds
    anew = await other.decide(a_request("c1"))
    assert anew["request/c1"] > seq_of(dead.answers[0])


async def test_after_a_crash_only_inputs_that_did_not_land_are_decided_anew(
    worker: ManualWorker, fence: Fence
) -> None:
    inputs = [a_request("c1e"), a_request("c2"), a_request("c3")]
    settled = await worker.settle(*inputs)
    entries = worker.entries(inputs, settled)
    await worker.journal.publish(entries[:1])
    other = await ManualWorker(worker.ledger, worker.journal, fence).take(0)
    again = await other.settle(*inputs)
    assert again.answers[0] == SettledBefore("digest-1", settled.first_sequence)
    assert [type(one) for one in again.answers[1:]] == [New, New]
    assert again.first_sequence > settled.first_sequence + 2
    assert await states(worker.ledger, worker.journal, fence, "c1e") == {"c1e": b"open 1"}


async def states(ledger: Ledger, journal: Journal, fence: Fence, *cases: str) -> dict[str, bytes]:
    (p, gen) = next(iter((await ManualWorker(ledger, journal, fence).take(0)).held.items()))
    return (await read(ledger, Part(p, gen), states=cases)).states


async def test_an_acknowledged_and_unconfirmed_round_is_not_decided_twice(
    worker: ManualWorker, fence: Fence
) -> None:
    decided = await worker.decide(a_request("c1e"))
    closed = await worker.decide(a_verdict("c1e"), states={"c1e": "open 1"})
    other = await ManualWorker(worker.ledger, worker.journal, fence).take(0)
    repeated = await other.settle(a_request("c1e"), a_verdict("c1e"))
    newest = closed["in/v1"]
    assert repeated.answers == (SettledBefore("digest-1", newest), SettledBefore("verdict1", newest))
    assert newest > decided["request/c1e"]
    stored = await other.journal.stored([(0, newest)])
    assert len(stored[0, newest]) == 2


async def test_one_partition_lands_and_the_other_is_refused(worker: ManualWorker, fence: Fence) -> None:
    inputs = [a_request("c1"), a_request("c3", p=1)]
    settled = await worker.settle(*inputs)
    entries = worker.entries(inputs, settled)
    entries[1] = entries[1]._replace(timestamp_ms=entries[1].timestamp_ms - 5000)
    outcomes = await worker.publish(settled, entries)
    assert outcomes == {0: Landed(1), 1: NotLanded("InvalidTimestampError")}
    await worker.take(1)
    again = await worker.settle(*inputs)
    assert again.answers == (SettledBefore("digest-1", settled.first_sequence), New(again.first_sequence, 0))


async def test_a_zombie_can_neither_confirm_nor_publish(worker: ManualWorker, fence: Fence) -> None:
    zombie = await worker.settle(a_request("c1"))
    other = await ManualWorker(worker.ledger, worker.journal, fence).take(0)
    await other.decide(a_request("c1"))
    late = await worker.publish(zombie, worker.entries([a_request("c1")], zombie))
    assert late == {0: NotLanded("InvalidTimestampError")}
    refused = await worker.settle(a_request("c2"))
    assert refused.answers == (Refusal.FENCED,)


async def test_a_zombie_that_publishes_within_the_fence_has_decided(
    worker: ManualWorker, fence: Fence
) -> None:
    zombie = await worker.settle(a_request("c1"))
    gen = (await worker.ledger.take(0)).gen
    assert await worker.publish(zombie, worker.entries([a_request("c1")], zombie)) == {0: Landed(1)}
    worker.held[0] = gen
    other = await ManualWorker(worker.ledger, worker.journal, fence).take(0)
    again = await other.settle(a_request("c1"))
    assert again.answers == (SettledBefore("digest-1", zombie.first_sequence),)


async def test_after_its_own_failed_publish_a_worker_waits_from_the_settling(
    worker: ManualWorker, fence: Fence
) -> None:
    await worker.settle(a_request("c1"))
    settled_at = time.monotonic() - fence.fence_seconds - fence.clock_seconds
    since = time.monotonic()
    held = await take_over(
        0,
        ledger=worker.ledger,
        journal=worker.journal,
        effects_of=effects_of,
        fence=fence,
        failed_publish=FailedPublish(worker.held[0], settled_at),
    )
    assert held.waited
    assert time.monotonic() - since < fence.fence_seconds


async def test_the_wait_is_not_shortened_if_another_worker_took_the_partition(
    worker: ManualWorker, fence: Fence
) -> None:
    failed = FailedPublish(worker.held[0], time.monotonic() - 60)
    other = await ManualWorker(worker.ledger, worker.journal, fence).take(0)
    await other.settle(a_request("c1"))
    since = time.monotonic()
    await take_over(
        0,
        ledger=worker.ledger,
        journal=worker.journal,
        effects_of=effects_of,
        fence=fence,
        failed_publish=failed,
    )
    assert time.monotonic() - since >= fence.fence_seconds


async def test_a_partition_taken_by_another_worker_during_the_wait_raises_try_again(
    worker: ManualWorker, fence: Fence
) -> None:
    await worker.settle(a_request("c1"))

    async def overtaken(_: float) -> None:
        await worker.ledger.take(0)

    slow = Fence(0.0, 0.1, sleep=overtaken)
    with pytest.raises(TryAgain, match="fenced"):
        await ManualWorker(worker.ledger, worker.journal, slow).take(0)
