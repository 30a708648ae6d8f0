"""What a worker does with its partitions when something goes wrong (docs/ledger.md, The worker)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from aiokafka import TopicPartition

from schemas.topics import CASES, REPLIES
from services.chassis.kafka.dead_letters import ConsumedRecord
from services.chassis.process.back_off import BackOff
from services.chassis.process.errors import TryAgain
from services.chassis.process.metrics import Metrics
from services.rules.ledger.protocol import Confirm
from services.rules.ledger.script import Cold, NewerLedger
from services.rules.ledger.take_over import Fence
from services.rules.metrics import RulesMetrics
from services.rules.worker import partition_owner
from services.rules.worker import worker as worker_module
from services.rules.worker.worker import Worker
from tests.builders.cases import a_case_body
from tests.builders.events import a_submitted_event
from tests.builders.records import a_record
from tests.component.rules.conftest import DeciderHarness
from tests.doubles.rules import FakeSubscription
from tests.waiting import eventually


def both(*partitions: int) -> set[TopicPartition]:
    return {TopicPartition(topic, p) for topic in (CASES, REPLIES) for p in partitions}


def case(case_id: str, partition: int, offset: int = 0) -> ConsumedRecord:
    return a_record(a_submitted_event(a_case_body(case_id)), partition=partition, offset=offset)


class WorkerHarness(DeciderHarness):
    """A worker with doubles around it, with T + S = 0 and cold starts that are only counted."""

    def __init__(self, commit_seconds: float = 0) -> None:
        super().__init__()
        self.partitions.drop(range(6))
        self.subscription = FakeSubscription()
        self.bugs: list[BaseException] = []
        self.cold_starts = 0
        self.rebuild_fails: list[BaseException] = []
        self.worker = Worker(
            decider=self.decider,
            ledger=cast("Any", self.ledger),
            journal=cast("Any", self.journal),
            partitions=self.partitions,
            fence=Fence(0.0, 0.0),
            metrics=RulesMetrics(Metrics()),
            on_bug=self.bugs.append,
            commit_seconds=commit_seconds,
        )
        self.worker.attach(cast("Any", self.subscription))

    async def cold_start(self, **_: object) -> None:
        """Does what a worker sees of the real one."""
        await asyncio.sleep(0)
        if self.rebuild_fails:
            raise self.rebuild_fails.pop(0)
        self.cold_starts += 1
        self.ledger.pending.clear()
        self.ledger.nonce = f"epoch{self.cold_starts + 1}"

    async def hold(self, *partitions: int) -> None:
        await self.worker.on_assigned(both(*partitions))
        await eventually(lambda: self.partitions.held == set(partitions))

    async def until_held(self, *partitions: int) -> None:
        await eventually(lambda: self.partitions.held == set(partitions))


@pytest.fixture
async def harness(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[WorkerHarness]:
    harness = WorkerHarness()
    monkeypatch.setattr(partition_owner, "cold_start", harness.cold_start)
    monkeypatch.setattr(partition_owner, "BACK_OFF", BackOff(first=0.01, longest=0.01))
    monkeypatch.setattr(worker_module, "REST_SECONDS", 0.01)
    yield harness
    await harness.worker.stop()
    assert not harness.bugs


async def test_a_partition_waits_until_it_is_taken(harness: WorkerHarness) -> None:
    await harness.worker.on_assigned(both(1, 2))
    assert harness.subscription.waits([1, 2])
    assert harness.worker.ready() == "partitions [1, 2] are being taken over"
    await harness.until_held(1, 2)
    assert not harness.subscription.paused
    assert harness.worker.ready() is None


async def test_only_partitions_whose_round_landed_are_committed(
    harness: WorkerHarness,
) -> None:
    await harness.hold(1, 2)
    harness.journal.refuses = {2}
    await harness.worker.on_batch(
        [case("c-1", 1, 5), case("c-2", 2, 7), case("c-3", 1, 6), case("c-4", 2, 8)]
    )
    assert harness.subscription.committed == {TopicPartition(CASES, 1): 7}
    assert harness.subscription.position == {TopicPartition(CASES, 2): 7}
    assert harness.subscription.waits([2])
    await harness.until_held(1, 2)
    assert not harness.subscription.paused
    assert not harness.ledger.pending.keys() & {2}
    harness.journal.refuses = set()
    await harness.worker.on_batch([case("c-2", 2, 7), case("c-4", 2, 8)])
    assert harness.subscription.committed[TopicPartition(CASES, 2)] == 9
    assert [event["subject"] for event in harness.events(2)] == ["c-2", "c-2", "c-4", "c-4"]


async def test_a_round_that_landed_without_acknowledgement_is_not_decided_again(
    harness: WorkerHarness,
) -> None:
    await harness.hold(1)
    harness.journal.loses = {1}
    await harness.worker.on_batch([case("c-1", 1)])
    harness.journal.loses = set()
    await harness.until_held(1)
    await harness.worker.on_batch([case("c-1", 1)])
    first, again = harness.journal.entries
    assert first.records == again.records


async def test_records_of_a_partition_that_is_not_held_are_read_again_later(harness: WorkerHarness) -> None:
    await harness.hold(1)
    await harness.worker.on_batch([case("c-1", 1, 3), case("c-2", 4, 9)])
    assert harness.subscription.position == {TopicPartition(CASES, 4): 9}
    assert harness.subscription.committed == {TopicPartition(CASES, 1): 4}


async def test_offsets_of_several_batches_are_committed_together() -> None:
    harness = WorkerHarness(commit_seconds=3600 + time.monotonic())
    await harness.hold(1, 2)
    await harness.worker.on_batch([case("c-1", 1, 3)])
    await harness.worker.on_batch([case("c-2", 1, 4), case("c-3", 2, 5)])
    assert harness.subscription.committed == {}
    await harness.worker.on_idle()
    assert harness.subscription.committed == {TopicPartition(CASES, 1): 5, TopicPartition(CASES, 2): 6}


async def test_a_failed_commit_goes_with_the_next_one(
    harness: WorkerHarness,
) -> None:
    await harness.hold(1, 2)
    harness.subscription.commits_fail = True
    await harness.worker.on_batch([case("c-1", 1, 3)])
    assert (harness.subscription.committed, harness.subscription.position) == ({}, {})
    harness.subscription.commits_fail = False
    await harness.worker.on_batch([case("c-2", 2, 5)])
    assert harness.subscription.committed == {TopicPartition(CASES, 1): 4, TopicPartition(CASES, 2): 6}
    assert len(harness.journal.entries) == 2


async def test_a_failed_commit_is_tried_again_when_idle(harness: WorkerHarness) -> None:
    await harness.hold(1)
    harness.subscription.commits_fail = True
    await harness.worker.on_batch([case("c-1", 1, 3)])
    harness.subscription.commits_fail = False
    await harness.worker.on_idle()
    assert harness.subscription.committed == {TopicPartition(CASES, 1): 4}


async def test_a_revoked_partition_is_confirmed_and_committed(harness: WorkerHarness) -> None:
    await harness.hold(1, 2)
    harness.subscription.commits_fail = True
    await harness.worker.on_batch([case("c-1", 1, 3)])
    harness.subscription.commits_fail = False
    await harness.worker.on_revoked(both(1))
    assert harness.ledger.pending == {}
    assert harness.subscription.committed == {TopicPartition(CASES, 1): 4}
    assert harness.partitions.held == {2}


async def test_a_partition_can_be_revoked_while_the_ledger_is_away(harness: WorkerHarness) -> None:
    await harness.hold(1)
    await harness.worker.on_batch([case("c-1", 1, 3)])
    harness.ledger.fails = [TryAgain("away")]
    await harness.worker.on_revoked(both(1))
    assert harness.partitions.held == frozenset()
    assert harness.worker.ready() is None


async def test_a_revocation_without_a_due_confirm_does_not_call_the_ledger(
    harness: WorkerHarness,
) -> None:
    await harness.hold(1)
    before = len(harness.ledger.calls)
    await harness.worker.on_revoked(both(1))
    assert len(harness.ledger.calls) == before


async def test_a_revocation_stops_the_take_over(harness: WorkerHarness) -> None:
    harness.subscription.counted_in = False
    await harness.worker.on_assigned(both(1, 2))
    await harness.worker.on_revoked(both(1, 2))
    harness.subscription.counted_in = True
    await harness.worker.on_assigned(both(2))
    await harness.until_held(2)
    assert harness.ledger.gens[1] == 0


async def test_partitions_that_were_never_revoked_are_forgotten_at_the_next_assignment(
    harness: WorkerHarness,
) -> None:
    await harness.hold(1, 2)
    await harness.worker.on_assigned(both(2, 3))
    await harness.until_held(2, 3)
    assert harness.ledger.gens[2] == 2  # another worker may have had it since
    assert harness.worker.ready() is None


async def test_no_partition_is_taken_before_the_group_confirms_membership(harness: WorkerHarness) -> None:
    harness.subscription.counted_in = False
    await harness.worker.on_assigned(both(1))
    await eventually(lambda: harness.worker.ready() != "partitions [1] are being taken over")
    assert (
        harness.worker.ready()
        == "partitions [1] are being taken over (this worker is no longer a member of the group)"
    )
    assert harness.ledger.gens[1] == 0
    harness.subscription.counted_in = True
    await harness.until_held(1)


async def test_a_fenced_worker_takes_nothing_back_without_membership(
    harness: WorkerHarness,
) -> None:
    await harness.hold(1)
    harness.ledger.gens[1] += 1  # another worker's
    harness.subscription.counted_in = False
    await harness.worker.on_batch([case("c-1", 1)])
    assert harness.partitions.held == frozenset()
    await eventually(lambda: "no longer a member" in str(harness.worker.ready()))
    assert harness.ledger.gens[1] == 2


async def test_a_take_over_waits_for_a_consumer_that_is_being_replaced(harness: WorkerHarness) -> None:
    await harness.hold(1)
    harness.subscription.joined = False
    harness.ledger.fails = [TryAgain("away")]
    await harness.worker.on_idle()
    await eventually(lambda: "not joined" in str(harness.worker.ready()))
    harness.subscription.joined = True
    await harness.until_held(1)


async def test_a_take_over_goes_on_when_the_ledger_is_back(harness: WorkerHarness) -> None:
    harness.ledger.fails = [TryAgain("away"), TryAgain("away")]
    await harness.hold(1)
    assert harness.worker.ready() is None


async def test_other_partitions_go_on_during_a_take_over(harness: WorkerHarness) -> None:
    await harness.hold(1, 2)
    harness.subscription.counted_in = False
    harness.journal.refuses = {1}
    await harness.worker.on_batch([case("c-1", 1), case("c-2", 2)])
    for offset in range(1, 4):
        await harness.worker.on_batch([case(f"c-{offset + 2}", 2, offset)])
    assert harness.subscription.committed == {TopicPartition(CASES, 2): 4}
    assert harness.partitions.held == {2}
    assert harness.subscription.waits([1])


async def test_a_partition_rests_while_its_dead_letters_cannot_be_written(
    harness: WorkerHarness,
) -> None:
    await harness.hold(1, 2)
    harness.letters.away = True
    await harness.worker.on_batch([a_record(b"{", partition=1, offset=4), case("c-2", 2, 6)])
    assert harness.subscription.position == {TopicPartition(CASES, 1): 4}
    assert harness.subscription.committed == {TopicPartition(CASES, 2): 7}
    assert harness.partitions.held == {1, 2}
    assert harness.subscription.waits([1])
    await eventually(lambda: not harness.subscription.paused)


async def test_due_confirms_are_sent_when_idle(harness: WorkerHarness) -> None:
    await harness.hold(1)
    await harness.worker.on_batch([case("c-1", 1)])
    await harness.worker.on_idle()
    assert harness.ledger.pending == {}
    assert harness.partitions.due == frozenset()


async def test_an_idle_worker_calls_the_ledger_once_a_second(harness: WorkerHarness) -> None:
    await harness.hold(1)
    await harness.worker.on_idle()
    before = len(harness.ledger.calls)
    for _ in range(10):
        await harness.worker.on_idle()
    assert len(harness.ledger.calls) == before


async def test_an_idle_worker_whose_call_fails_takes_its_partitions_again(
    harness: WorkerHarness,
) -> None:
    await harness.hold(1)
    harness.ledger.fails = [TryAgain("no answer")]
    await harness.worker.on_idle()
    assert harness.worker.ready() == "partitions [1] are being taken over (no answer)"
    await harness.until_held(1)
    assert harness.ledger.gens[1] == 2


async def test_a_worker_without_partitions_says_when_the_ledger_is_away(harness: WorkerHarness) -> None:
    harness.ledger.fails = [TryAgain("no answer")]
    await harness.worker.on_idle()
    assert harness.worker.ready() == "no answer"
    harness.worker._called_at = 0.0
    await harness.worker.on_idle()
    assert harness.worker.ready() is None


async def test_a_ledger_found_cold_in_a_batch_is_rebuilt(harness: WorkerHarness) -> None:
    await harness.hold(1, 2)
    harness.ledger.fails = [Cold("another epoch")]
    await harness.worker.on_batch([case("c-1", 1, 3), case("c-2", 2, 5)])
    assert harness.subscription.position == {TopicPartition(CASES, 1): 3, TopicPartition(CASES, 2): 5}
    assert harness.subscription.waits([1, 2])
    assert harness.worker.ready() == "the ledger is being rebuilt"
    await harness.until_held(1, 2)
    assert (harness.cold_starts, harness.subscription.paused, harness.subscription.committed) == (
        1,
        set(),
        {},
    )


async def test_a_worker_without_partitions_finds_a_cold_ledger_too(harness: WorkerHarness) -> None:
    harness.ledger.nonce = None
    await harness.worker.on_idle()
    await eventually(lambda: harness.cold_starts == 1)
    assert harness.worker.ready() is None


async def test_several_take_overs_that_find_it_cold_rebuild_it_once(harness: WorkerHarness) -> None:
    harness.ledger.nonce = None
    await harness.worker.on_assigned(both(0, 1, 2, 3, 4, 5))
    await harness.until_held(0, 1, 2, 3, 4, 5)
    assert harness.cold_starts == 1


async def test_a_rebuild_that_cannot_go_on_says_why(harness: WorkerHarness) -> None:
    harness.rebuild_fails = [TryAgain("partition 3: the ledger goes on at 9")] * 1000
    await harness.hold(1)
    harness.ledger.nonce = None
    harness.worker._called_at = 0.0
    await harness.worker.on_idle()
    await eventually(lambda: "goes on at 9" in str(harness.worker.ready()))
    harness.rebuild_fails.clear()
    await harness.until_held(1)
    assert harness.worker.ready() is None


async def test_partitions_assigned_during_a_rebuild_are_taken_after_it(
    harness: WorkerHarness,
) -> None:
    harness.rebuild_fails = [TryAgain("wait")] * 2
    harness.ledger.nonce = None
    await harness.worker.on_idle()
    await harness.worker.on_assigned(both(4))
    assert harness.subscription.waits([4])
    await harness.until_held(4)
    assert not harness.subscription.paused


async def test_a_batch_in_flight_survives_a_take_over_that_finds_the_ledger_cold(
    harness: WorkerHarness,
) -> None:
    await harness.hold(1)
    harness.journal.meanwhile = lambda: harness.worker.owner.rebuild("found by another task")
    await harness.worker.on_batch([case("c-1", 1, 3)])
    assert harness.subscription.committed == {TopicPartition(CASES, 1): 4}  # the round landed
    await harness.until_held(1)
    assert harness.due(1) is None


async def test_a_partition_found_fenced_at_a_confirm_is_taken_again(harness: WorkerHarness) -> None:
    await harness.hold(1, 2)
    harness.ledger.gens[1] += 1
    harness.worker._called_at = 0.0
    await harness.worker.on_idle()
    assert harness.partitions.held == {2}
    await harness.until_held(1, 2)


async def test_a_bug_in_a_take_over_stops_the_worker(harness: WorkerHarness) -> None:
    harness.ledger.fails = [ValueError("not of this world")]
    await harness.worker.on_assigned(both(1))
    await eventually(lambda: harness.bugs)
    assert str(harness.bugs.pop()) == "not of this world"


async def test_stop_ends_the_tasks_in_the_background(harness: WorkerHarness) -> None:
    harness.subscription.counted_in = False
    await harness.worker.on_assigned(both(1, 2))
    await harness.worker.stop()
    names = {task.get_name() for task in asyncio.all_tasks()}
    assert not any(name.startswith(("take", "cold")) for name in names)


async def test_a_partition_with_repeats_only_is_confirmed_without_a_round(harness: WorkerHarness) -> None:
    await harness.hold(1)
    await harness.worker.on_batch([case("c-1", 1)])
    await harness.worker.on_batch([case("c-1", 1, 1)])
    assert harness.due(1) == Confirm(None, 4)
    await harness.worker.on_idle()
    assert harness.ledger.positions[1] == 4


async def test_a_worker_does_not_touch_a_newer_ledger(harness: WorkerHarness) -> None:
    harness.ledger.nonce = None
    harness.ledger.fails = [NewerLedger(7)]
    with pytest.raises(TryAgain):
        await harness.worker.on_assigned(both(1))
    assert "of version 7" in str(harness.worker.ready())
    assert [name for name, _ in harness.ledger.calls] == ["adopt"]
    harness.ledger.nonce = "epoch1"
    await harness.hold(1)
    assert harness.worker.ready() is None


async def test_a_worker_waits_when_the_ledger_gets_a_newer_version(
    harness: WorkerHarness,
) -> None:
    await harness.hold(1)
    harness.ledger.nonce = None
    harness.rebuild_fails = [NewerLedger(7)] * 1000
    await harness.worker.on_idle()
    await eventually(lambda: "of version 7" in str(harness.worker.ready()))
    assert harness.worker.ready() == str(NewerLedger(7))
    harness.rebuild_fails = []
    await harness.until_held(1)
    assert harness.worker.ready() is None
