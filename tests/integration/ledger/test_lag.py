"""How far the ledger is behind the journal, and reading behind its topics, on a real Kafka and Redis."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from aiokafka import TopicPartition
from prometheus_client import generate_latest

from services.chassis.kafka.dead_letters import ConsumedRecord
from services.chassis.kafka.producer import Outgoing, Producer
from services.chassis.kafka.reader import Reader
from services.chassis.process.metrics import Metrics
from services.rules.metrics import RulesMetrics
from services.rules.worker.held_partitions import HeldPartitions
from services.rules.worker.lag import LagMonitor
from tests.conftest import MakeTopic
from tests.integration.ledger.manual_worker import ManualWorker, a_request


class FakePositions:
    """A subscription with the positions that the test gives it."""

    def __init__(self) -> None:
        self.at: dict[TopicPartition, tuple[int | None, int]] = {}

    @property
    def assigned(self) -> set[TopicPartition]:
        return set(self.at)

    async def committed(self, tp: TopicPartition) -> int | None:
        return self.at[tp][0]

    async def end_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return {tp: self.at[tp][1] for tp in partitions}


class LagHarness:
    """The measurements of a manual worker."""

    def __init__(self, worker: ManualWorker, bootstrap: str) -> None:
        self.positions, self.partitions, self.metrics = FakePositions(), HeldPartitions(), Metrics()
        self.monitor = LagMonitor(
            bootstrap=bootstrap,
            ledger=worker.ledger,
            journal=worker.journal,
            partitions=self.partitions,
            subscription=cast("Any", self.positions),
            metrics=RulesMetrics(self.metrics),
            on_bug=lambda bug: pytest.fail(repr(bug)),
        )

    def values(self, name: str) -> dict[str, float]:
        """The values by labels, as Prometheus reads them."""
        lines = generate_latest(self.metrics.registry).decode().splitlines()
        mine = (line.removeprefix(name).rsplit(" ", 1) for line in lines if line.startswith(name + "{"))
        return {labels: float(value) for labels, value in mine}

    def by_partition(self, name: str) -> dict[str, float]:
        return {labels.split('partition="')[1][0]: value for labels, value in self.values(name).items()}


@pytest.fixture
async def lag(worker: ManualWorker, kafka: str) -> AsyncIterator[LagHarness]:
    lag = LagHarness(worker, kafka)
    yield lag
    await lag.monitor.__aexit__()


async def test_unapplied_records_are_counted_by_partition(worker: ManualWorker, lag: LagHarness) -> None:
    lag.partitions.hold(0, 1)
    lag.partitions.hold(1, 1)
    await worker.decide(a_request("c1e"), a_request("c2", p=1))
    await lag.monitor.measure_journal()
    name = "mandaat_journal_unapplied_records"
    assert lag.values(name) == {'{partition="0"}': 2, '{partition="1"}': 1}
    await worker.confirm()
    lag.partitions.drop([1])
    await lag.monitor.measure_journal()
    assert lag.values(name) == {'{partition="0"}': 0}


async def test_the_age_of_the_oldest_unread_record_is_measured_and_grows(
    lag: LagHarness, producer: Producer, make_topic: MakeTopic
) -> None:
    topic = await make_topic("inputs", 3)
    now_ms = int(time.time() * 1000)
    ages = [3_600_000, 60_000, 0]
    for p in (0, 1):
        await producer.send_all([Outgoing(topic, p, b"k", b"v", (), now_ms - age) for age in ages])
    first, second, empty = (TopicPartition(topic, p) for p in range(3))
    lag.positions.at = {first: (None, 3), second: (1, 3), empty: (0, 0)}
    await lag.monitor.measure_inputs()
    name = "mandaat_oldest_unread_seconds"
    measured = lag.by_partition(name)
    assert 3600 <= measured["0"] < 3700
    assert 60 <= measured["1"] < 160
    assert measured["2"] == 0
    assert lag.by_partition(name)["0"] > measured["0"]
    lag.positions.at = {second: (3, 3)}
    await lag.monitor.measure_inputs()
    assert list(lag.values(name).values()) == [0]


async def test_measuring_the_lag_and_looking_up_repeats_do_not_wait_for_each_other(
    worker: ManualWorker, lag: LagHarness
) -> None:
    lag.partitions.hold(0, 1)
    await worker.decide(a_request("c1"))
    async with worker.journal._looking, asyncio.timeout(10):
        await lag.monitor.measure_journal()
    assert lag.values("mandaat_journal_unapplied_records") == {'{partition="0"}': 1}


async def test_an_empty_partition_does_not_make_it_read_the_others_to_their_end(
    lag: LagHarness, producer: Producer, make_topic: MakeTopic, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic, polls, poll = await make_topic("inputs", 2), list[int](), Reader.poll

    async def counted(reader: Reader, max_records: int) -> dict[TopicPartition, list[ConsumedRecord]]:
        polled = await poll(reader, max_records)
        polls.append(sum(map(len, polled.values())))
        return polled

    monkeypatch.setattr(Reader, "poll", counted)
    await producer.send_all([Outgoing(topic, 0, b"k", b"v")] * 500)
    full, empty = TopicPartition(topic, 0), TopicPartition(topic, 1)
    lag.positions.at = {full: (None, 500), empty: (None, 0)}
    await lag.monitor.measure_inputs()
    assert sum(polls) <= 2
