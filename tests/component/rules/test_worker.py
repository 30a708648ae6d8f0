"""What a worker does with its partitions when something goes wrong (LEDGER.md, Worker)."""

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
from tests.component.rules.conftest import Bench
from tests.doubles.rules import FakeSubscription
from tests.waiting import eventually


def both(*partitions: int) -> set[TopicPartition]:
    return {TopicPartition(topic, p) for topic in (CASES, REPLIES) for p in partitions}


def case(case_id: str, partition: int, offset: int = 0) -> ConsumedRecord:
    return a_record(a_submitted_event(a_case_body(case_id)), partition=partition, offset=offset)


class Rig(Bench):
    """A worker on the bench, with T + S = 0 and cold starts that only count."""

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
        """As the real one, as far as a worker sees it."""
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
async def rig(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Rig]:
    rig = Rig()
    monkeypatch.setattr(partition_owner, "cold_start", rig.cold_start)
    monkeypatch.setattr(partition_owner, "BACK_OFF", BackOff(first=0.01, longest=0.01))
    monkeypatch.setattr(worker_module, "REST_SECONDS", 0.01)
    yield rig
    await rig.worker.stop()
    assert not rig.bugs


async def test_a_partition_waits_until_it_is_taken(rig: Rig) -> None:
    await rig.worker.on_assigned(both(1, 2))
    assert rig.subscription.waits([1, 2])
    assert rig.worker.ready() == "partitions [1, 2] are being taken over"
    await rig.until_held(1, 2)
    assert not rig.subscription.paused
    assert rig.worker.ready() is None


async def test_a_batch_is_committed_where_it_landed_and_comes_again_where_it_did_not(rig: Rig) -> None:
    await rig.hold(1, 2)
    rig.journal.refuses = {2}
    await rig.worker.on_batch([case("c-1", 1, 5), case("c-2", 2, 7), case("c-3", 1, 6), case("c-4", 2, 8)])
    assert rig.subscription.committed == {TopicPartition(CASES, 1): 7}
    assert rig.subscription.position == {TopicPartition(CASES, 2): 7}
    assert rig.subscription.waits([2])
    await rig.until_held(1, 2)
    assert not rig.subscription.paused
    assert not rig.ledger.pending.keys() & {2}
    rig.journal.refuses = set()
    await rig.worker.on_batch([case("c-2", 2, 7), case("c-4", 2, 8)])
    assert rig.subscription.committed[TopicPartition(CASES, 2)] == 9
    assert [event["subject"] for event in rig.events(2)] == ["c-2", "c-2", "c-4", "c-4"]


async def test_what_landed_although_nobody_heard_is_not_decided_again(rig: Rig) -> None:
    await rig.hold(1)
    rig.journal.loses = {1}
    await rig.worker.on_batch([case("c-1", 1)])
    rig.journal.loses = set()
    await rig.until_held(1)
    await rig.worker.on_batch([case("c-1", 1)])
    first, again = rig.journal.entries
    assert first.records == again.records


async def test_records_of_a_partition_that_is_not_held_are_left_for_later(rig: Rig) -> None:
    await rig.hold(1)
    await rig.worker.on_batch([case("c-1", 1, 3), case("c-2", 4, 9)])
    assert rig.subscription.position == {TopicPartition(CASES, 4): 9}
    assert rig.subscription.committed == {TopicPartition(CASES, 1): 4}


async def test_what_is_decided_in_a_hurry_is_committed_together_when_there_is_time() -> None:
    rig = Rig(commit_seconds=3600 + time.monotonic())
    await rig.hold(1, 2)
    await rig.worker.on_batch([case("c-1", 1, 3)])
    await rig.worker.on_batch([case("c-2", 1, 4), case("c-3", 2, 5)])
    assert rig.subscription.committed == {}
    await rig.worker.on_idle()
    assert rig.subscription.committed == {TopicPartition(CASES, 1): 5, TopicPartition(CASES, 2): 6}


async def test_a_commit_that_fails_goes_with_the_next_and_decides_nothing_again(rig: Rig) -> None:
    await rig.hold(1, 2)
    rig.subscription.commits_fail = True
    await rig.worker.on_batch([case("c-1", 1, 3)])
    assert (rig.subscription.committed, rig.subscription.position) == ({}, {})
    rig.subscription.commits_fail = False
    await rig.worker.on_batch([case("c-2", 2, 5)])
    assert rig.subscription.committed == {TopicPartition(CASES, 1): 4, TopicPartition(CASES, 2): 6}
    assert len(rig.journal.entries) == 2


async def test_a_commit_that_failed_is_tried_again_when_nothing_comes(rig: Rig) -> None:
    await rig.hold(1)
    rig.subscription.commits_fail = True
    await rig.worker.on_batch([case("c-1", 1, 3)])
    rig.subscription.commits_fail = False
    await rig.worker.on_idle()
    assert rig.subscription.committed == {TopicPartition(CASES, 1): 4}


async def test_whoever_is_next_finds_nothing_pending_and_nothing_to_repeat(rig: Rig) -> None:
    await rig.hold(1, 2)
    rig.subscription.commits_fail = True
    await rig.worker.on_batch([case("c-1", 1, 3)])
    rig.subscription.commits_fail = False
    await rig.worker.on_revoked(both(1))
    assert rig.ledger.pending == {}
    assert rig.subscription.committed == {TopicPartition(CASES, 1): 4}
    assert rig.partitions.held == {2}


async def test_a_revocation_while_the_ledger_is_away_goes_through(rig: Rig) -> None:
    await rig.hold(1)
    await rig.worker.on_batch([case("c-1", 1, 3)])
    rig.ledger.fails = [TryAgain("away")]
    await rig.worker.on_revoked(both(1))
    assert rig.partitions.held == frozenset()
    assert rig.worker.ready() is None


async def test_nothing_is_asked_of_the_ledger_when_nothing_is_due_at_a_revocation(rig: Rig) -> None:
    await rig.hold(1)
    before = len(rig.ledger.calls)
    await rig.worker.on_revoked(both(1))
    assert len(rig.ledger.calls) == before


async def test_a_revocation_ends_the_taking(rig: Rig) -> None:
    rig.subscription.counted_in = False
    await rig.worker.on_assigned(both(1, 2))
    await rig.worker.on_revoked(both(1, 2))
    rig.subscription.counted_in = True
    await rig.worker.on_assigned(both(2))
    await rig.until_held(2)
    assert rig.ledger.gens[1] == 0


async def test_partitions_that_went_without_a_word_are_forgotten(rig: Rig) -> None:
    await rig.hold(1, 2)
    await rig.worker.on_assigned(both(2, 3))
    await rig.until_held(2, 3)
    assert rig.ledger.gens[2] == 2  # others may have had it since
    assert rig.worker.ready() is None


async def test_nothing_is_taken_before_the_group_counts_us_in(rig: Rig) -> None:
    rig.subscription.counted_in = False
    await rig.worker.on_assigned(both(1))
    await eventually(lambda: rig.worker.ready() != "partitions [1] are being taken over")
    assert (
        rig.worker.ready()
        == "partitions [1] are being taken over (this worker is no longer a member of the group)"
    )
    assert rig.ledger.gens[1] == 0
    rig.subscription.counted_in = True
    await rig.until_held(1)


async def test_who_was_fenced_takes_nothing_back_unless_the_group_counts_them_in(rig: Rig) -> None:
    await rig.hold(1)
    rig.ledger.gens[1] += 1  # another worker's
    rig.subscription.counted_in = False
    await rig.worker.on_batch([case("c-1", 1)])
    assert rig.partitions.held == frozenset()
    await eventually(lambda: "no longer a member" in str(rig.worker.ready()))
    assert rig.ledger.gens[1] == 2


async def test_a_consumer_that_is_being_replaced_is_waited_for(rig: Rig) -> None:
    await rig.hold(1)
    rig.subscription.joined = False
    rig.ledger.fails = [TryAgain("away")]
    await rig.worker.on_idle()
    await eventually(lambda: "not joined" in str(rig.worker.ready()))
    rig.subscription.joined = True
    await rig.until_held(1)


async def test_taking_goes_on_when_the_ledger_is_back(rig: Rig) -> None:
    rig.ledger.fails = [TryAgain("away"), TryAgain("away")]
    await rig.hold(1)
    assert rig.worker.ready() is None


async def test_a_takeover_of_one_partition_leaves_the_others_alone(rig: Rig) -> None:
    await rig.hold(1, 2)
    rig.subscription.counted_in = False
    rig.journal.refuses = {1}
    await rig.worker.on_batch([case("c-1", 1), case("c-2", 2)])
    for offset in range(1, 4):
        await rig.worker.on_batch([case(f"c-{offset + 2}", 2, offset)])
    assert rig.subscription.committed == {TopicPartition(CASES, 2): 4}
    assert rig.partitions.held == {2}
    assert rig.subscription.waits([1])


async def test_dead_letters_that_are_away_let_their_partition_rest_for_a_moment(rig: Rig) -> None:
    await rig.hold(1, 2)
    rig.letters.away = True
    await rig.worker.on_batch([a_record(b"{", partition=1, offset=4), case("c-2", 2, 6)])
    assert rig.subscription.position == {TopicPartition(CASES, 1): 4}
    assert rig.subscription.committed == {TopicPartition(CASES, 2): 7}
    assert rig.partitions.held == {1, 2}
    assert rig.subscription.waits([1])
    await eventually(lambda: not rig.subscription.paused)


async def test_confirms_that_are_due_are_sent_when_nothing_comes(rig: Rig) -> None:
    await rig.hold(1)
    await rig.worker.on_batch([case("c-1", 1)])
    await rig.worker.on_idle()
    assert rig.ledger.pending == {}
    assert rig.partitions.due == frozenset()


async def test_an_idle_worker_looks_at_the_ledger_once_a_second_and_no_more(rig: Rig) -> None:
    await rig.hold(1)
    await rig.worker.on_idle()
    before = len(rig.ledger.calls)
    for _ in range(10):
        await rig.worker.on_idle()
    assert len(rig.ledger.calls) == before


async def test_an_idle_worker_that_loses_the_ledger_takes_its_partitions_again(rig: Rig) -> None:
    await rig.hold(1)
    rig.ledger.fails = [TryAgain("no answer")]
    await rig.worker.on_idle()
    assert rig.worker.ready() == "partitions [1] are being taken over (no answer)"
    await rig.until_held(1)
    assert rig.ledger.gens[1] == 2


async def test_a_worker_without_partitions_says_when_the_ledger_is_away(rig: Rig) -> None:
    rig.ledger.fails = [TryAgain("no answer")]
    await rig.worker.on_idle()
    assert rig.worker.ready() == "no answer"
    rig.worker._called_at = 0.0
    await rig.worker.on_idle()
    assert rig.worker.ready() is None


async def test_a_cold_ledger_in_a_batch_is_rebuilt_and_everything_taken_again(rig: Rig) -> None:
    await rig.hold(1, 2)
    rig.ledger.fails = [Cold("another epoch")]
    await rig.worker.on_batch([case("c-1", 1, 3), case("c-2", 2, 5)])
    assert rig.subscription.position == {TopicPartition(CASES, 1): 3, TopicPartition(CASES, 2): 5}
    assert rig.subscription.waits([1, 2])
    assert rig.worker.ready() == "the ledger is being rebuilt"
    await rig.until_held(1, 2)
    assert (rig.cold_starts, rig.subscription.paused, rig.subscription.committed) == (1, set(), {})


async def test_a_worker_without_partitions_finds_a_cold_ledger_too(rig: Rig) -> None:
    rig.ledger.nonce = None
    await rig.worker.on_idle()
    await eventually(lambda: rig.cold_starts == 1)
    assert rig.worker.ready() is None


async def test_many_takings_that_find_it_cold_rebuild_it_once(rig: Rig) -> None:
    rig.ledger.nonce = None
    await rig.worker.on_assigned(both(0, 1, 2, 3, 4, 5))
    await rig.until_held(0, 1, 2, 3, 4, 5)
    assert rig.cold_starts == 1


async def test_a_rebuild_that_cannot_go_on_says_why_and_goes_on_later(rig: Rig) -> None:
    rig.rebuild_fails = [TryAgain("partition 3: the ledger goes on at 9")] * 1000
    await rig.hold(1)
    rig.ledger.nonce = None
    rig.worker._called_at = 0.0
    await rig.worker.on_idle()
    await eventually(lambda: "goes on at 9" in str(rig.worker.ready()))
    rig.rebuild_fails.clear()
    await rig.until_held(1)
    assert rig.worker.ready() is None


async def test_partitions_that_come_while_the_ledger_is_rebuilt_are_taken_after_it(rig: Rig) -> None:
    rig.rebuild_fails = [TryAgain("wait")] * 2
    rig.ledger.nonce = None
    await rig.worker.on_idle()
    await rig.worker.on_assigned(both(4))
    assert rig.subscription.waits([4])
    await rig.until_held(4)
    assert not rig.subscription.paused


async def test_a_batch_in_flight_survives_a_taking_that_finds_it_cold(rig: Rig) -> None:
    await rig.hold(1)
    rig.journal.meanwhile = lambda: rig.worker.owner.rebuild("found by another task")
    await rig.worker.on_batch([case("c-1", 1, 3)])
    assert rig.subscription.committed == {TopicPartition(CASES, 1): 4}  # it landed
    await rig.until_held(1)
    assert rig.due(1) is None


async def test_a_confirm_that_finds_a_partition_fenced_hands_it_to_take_over(rig: Rig) -> None:
    await rig.hold(1, 2)
    rig.ledger.gens[1] += 1
    rig.worker._called_at = 0.0
    await rig.worker.on_idle()
    assert rig.partitions.held == {2}
    await rig.until_held(1, 2)


async def test_a_bug_while_taking_stops_the_worker_loudly(rig: Rig) -> None:
    rig.ledger.fails = [ValueError("not of this world")]
    await rig.worker.on_assigned(both(1))
    await eventually(lambda: rig.bugs)
    assert str(rig.bugs.pop()) == "not of this world"


async def test_stopping_ends_what_goes_on_in_the_background(rig: Rig) -> None:
    rig.subscription.counted_in = False
    await rig.worker.on_assigned(both(1, 2))
    await rig.worker.stop()
    names = {task.get_name() for task in asyncio.all_tasks()}
    assert not any(name.startswith(("take", "cold")) for name in names)


async def test_a_partition_that_only_repeated_is_confirmed_without_a_round(rig: Rig) -> None:
    await rig.hold(1)
    await rig.worker.on_batch([case("c-1", 1)])
    await rig.worker.on_batch([case("c-1", 1, 1)])
    assert rig.due(1) == Confirm(None, 4)
    await rig.worker.on_idle()
    assert rig.ledger.positions[1] == 4


async def test_a_worker_leaves_a_newer_ledger_alone_and_says_so(rig: Rig) -> None:
    rig.ledger.nonce = None
    rig.ledger.fails = [NewerLedger(7)]
    with pytest.raises(TryAgain):
        await rig.worker.on_assigned(both(1))
    assert "of version 7" in str(rig.worker.ready())
    assert [name for name, _ in rig.ledger.calls] == ["adopt"]
    rig.ledger.nonce = "epoch1"
    await rig.hold(1)
    assert rig.worker.ready() is None


async def test_a_worker_whose_ledger_went_on_to_a_newer_version_waits_and_says_so(rig: Rig) -> None:
    await rig.hold(1)
    rig.ledger.nonce = None
    rig.rebuild_fails = [NewerLedger(7)] * 1000
    await rig.worker.on_idle()
    await eventually(lambda: "of version 7" in str(rig.worker.ready()))
    assert rig.worker.ready() == str(NewerLedger(7))
    rig.rebuild_fails = []
    await rig.until_held(1)
    assert rig.worker.ready() is None
