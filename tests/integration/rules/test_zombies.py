"""A worker that loses its partition between settling and publishing (docs/ledger.md, Take-over).

Two workers run in this process on a real Kafka and Redis. The test assigns their partitions, and can delay
what one of them publishes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, cast

import pytest
from aiokafka import TopicPartition

from deploy.local.stack import SIZES, Stack
from schemas.topics import CASES, REPLIES
from services.chassis.kafka.dead_letters import ConsumedRecord
from services.chassis.kafka.producer import Producer
from services.chassis.process.metrics import Metrics
from services.chassis.redis import connect
from services.rules.journal.journal import Journal
from services.rules.journal.publisher import JournalEntry, Outcome
from services.rules.ledger.client import Ledger
from services.rules.ledger.take_over import Fence
from services.rules.metrics import RulesMetrics
from services.rules.worker.held_partitions import HeldPartitions
from services.rules.worker.walk import BatchDecider
from services.rules.worker.worker import Worker
from tests.builders.cases import a_case_body
from tests.builders.events import a_submitted_event
from tests.builders.policies import a_book, a_mandate
from tests.builders.records import a_record
from tests.doubles.rules import FakeLetters, FakeSubscription, FakeTables
from tests.integration.rules.input_sender import case_ids_in_partition
from tests.integration.rules.journal_watch import JournalWatch, assert_promises_kept
from tests.integration.rules.ledger_comparison import assert_ledger_equals_journal
from tests.waiting import eventually

FENCE_SECONDS = SIZES.fence_ms / 1000
Hold = Callable[[Sequence[JournalEntry]], Awaitable[None]]


class HeldJournal(Journal):
    """A journal that can delay a publish."""

    hold: Hold | None = None

    async def publish(self, entries: Sequence[JournalEntry]) -> dict[int, Outcome]:
        if self.hold is not None:
            await self.hold(entries)
        return await super().publish(entries)


class OneWorker:
    """A worker with a policy version of its own, which its decisions name."""

    def __init__(self, stack: Stack, tenant: str, version: str) -> None:
        self.tenant = tenant
        self.subscription = FakeSubscription()
        self.letters = FakeLetters()
        self.bugs: list[BaseException] = []
        self.partitions = HeldPartitions()
        self._stack = stack
        self._version = version

    async def open(self, exits: AsyncExitStack) -> None:
        producer = Producer(self._stack.bootstrap, client_id="zombie")
        await producer.start()
        exits.push_async_callback(producer.stop)
        client = connect(self._stack.redis_url)
        exits.push_async_callback(client.aclose)
        self.ledger, self.journal = Ledger(client), HeldJournal(self._stack.bootstrap, producer)
        exits.push_async_callback(self.journal.stop)
        book = a_book(a_mandate(), policy=self.tenant, version=self._version)
        tables = FakeTables()
        tables.books = {self.tenant: book}
        tables.members = {self.tenant: tables.members["acme"]}
        metrics = RulesMetrics(Metrics())
        self.worker = Worker(
            decider=BatchDecider(
                cast("Any", tables),
                self.ledger,
                self.journal,
                cast("Any", self.letters),
                self.partitions,
                metrics,
            ),
            ledger=self.ledger,
            journal=self.journal,
            partitions=self.partitions,
            fence=Fence(FENCE_SECONDS, SIZES.clock_ms / 1000),
            metrics=metrics,
            on_bug=self.bugs.append,
        )
        self.worker.attach(cast("Any", self.subscription))
        exits.push_async_callback(self.worker.stop)

    async def has(self, *partitions: int) -> None:
        """Assign these partitions, and wait until it holds them."""
        given = {TopicPartition(topic, p) for topic in (CASES, REPLIES) for p in partitions}
        await self.worker.on_assigned(given)
        await eventually(lambda: self.partitions.held == set(partitions), what="it holds them")

    def case(self, case_id: str, partition: int, offset: int) -> ConsumedRecord:
        return a_record(
            a_submitted_event({**a_case_body(case_id), "tenant": self.tenant}),
            partition=partition,
            offset=offset,
        )


Opened = Callable[[str], Awaitable[OneWorker]]


@pytest.fixture
async def opened(stack: Stack, tenant: str) -> AsyncIterator[Opened]:
    workers: list[OneWorker] = []
    async with AsyncExitStack() as exits:

        async def one(version: str) -> OneWorker:
            workers.append(worker := OneWorker(stack, tenant, version))
            await worker.open(exits)
            return worker

        yield one
    assert not [bug for worker in workers for bug in worker.bugs]


@asynccontextmanager
async def held_up(worker: OneWorker, batch: list[ConsumedRecord]) -> AsyncIterator[asyncio.Event]:
    """Let the worker settle the batch, and delay its publish until the event is set."""
    settled, release = asyncio.Event(), asyncio.Event()

    async def hold(_: Sequence[JournalEntry]) -> None:
        settled.set()
        await release.wait()

    worker.journal.hold = hold
    deciding = asyncio.create_task(worker.worker.on_batch(batch))
    await asyncio.wait_for(settled.wait(), 10)
    yield release
    release.set()
    await deciding
    worker.journal.hold = None


def versions(watch: JournalWatch, case_id: str) -> list[str]:
    """The policy versions by which the case was decided, as the journal says."""
    return [one.event["data"]["policy"]["version"] for one in watch.of(case_id)]


async def test_the_next_owner_finds_a_round_that_landed_in_time(
    opened: Opened, watch: JournalWatch, tenant: str
) -> None:
    (case_id,) = case_ids_in_partition(tenant, 3, 1)
    zombie, heir = await opened("zombie"), await opened("heir")
    await zombie.has(3)
    async with held_up(zombie, [zombie.case(case_id, 3, 0)]) as release:
        taking = asyncio.create_task(heir.has(3))
        await eventually(lambda: "taken over" in str(heir.worker.ready()))
        release.set()
        await taking
    await heir.worker.on_batch([heir.case(case_id, 3, 0)])
    await watch.to_the_end()
    assert versions(watch, case_id) == ["zombie", "zombie"]
    assert watch.of(case_id)[0].value == watch.of(case_id)[1].value
    assert_promises_kept(watch.all)
    await heir.worker.on_idle()


async def test_only_the_part_of_a_round_that_did_not_land_is_decided_again(
    stack: Stack, opened: Opened, watch: JournalWatch, tenant: str
) -> None:
    (on_4,), (on_5,) = case_ids_in_partition(tenant, 4, 1), case_ids_in_partition(tenant, 5, 1)
    worker = await opened("1")
    await worker.has(4, 5)

    async def late_for_5(entries: Sequence[JournalEntry]) -> None:
        await Journal.publish(worker.journal, [entry for entry in entries if entry.p == 4])
        await asyncio.sleep(2 * FENCE_SECONDS)
        worker.journal.hold = None

    batch = [worker.case(on_4, 4, 0), worker.case(on_5, 5, 0)]
    worker.journal.hold = late_for_5
    await worker.worker.on_batch(batch)
    assert worker.subscription.committed == {}
    await eventually(lambda: worker.partitions.held == {4, 5})
    await worker.worker.on_batch(batch)
    assert worker.subscription.committed == {TopicPartition(CASES, 4): 1, TopicPartition(CASES, 5): 1}
    await watch.to_the_end()
    first_4, *again_4 = watch.of(on_4)
    (first_5,) = watch.of(on_5)
    assert [one.value for one in again_4] == [first_4.value]
    assert int(first_5.event["sequence"]) > int(first_4.event["sequence"]) + 1_000_000
    assert_promises_kept(watch.all)
    await worker.worker.on_idle()
    await assert_ledger_equals_journal(stack)
