from __future__ import annotations

import json
from typing import Any, cast

import pytest

from engine.policy import PolicyBook
from services.chassis.kafka.dead_letters import ConsumedRecord
from services.chassis.process.metrics import Metrics
from services.rules.ledger.protocol import Confirm
from services.rules.metrics import RulesMetrics
from services.rules.worker.held_partitions import HeldPartitions
from services.rules.worker.outcome import BatchOutcome
from services.rules.worker.walk import BatchDecider
from tests.builders.policies import a_book, a_mandate
from tests.doubles.rules import FakeJournal, FakeLedger, FakeLetters, FakeTables

LEADS = (a_mandate(id="small", limit=40), a_mandate(id="lead", grants="*", to="team_lead", limit=500))


class DeciderHarness:
    """A decider with doubles around it, which holds partitions 0 to 5."""

    def __init__(self, book: PolicyBook | None = None) -> None:
        self.ledger, self.journal, self.letters = FakeLedger(), FakeJournal(), FakeLetters()
        self.tables = FakeTables(a_book(*LEADS) if book is None else book)
        self.partitions = HeldPartitions()
        self.metrics = RulesMetrics(Metrics())
        for p in range(6):
            self.partitions.hold(p, 0)
        self.decider = BatchDecider(
            cast("Any", self.tables),
            cast("Any", self.ledger),
            cast("Any", self.journal),
            cast("Any", self.letters),
            self.partitions,
            self.metrics,
        )

    async def decide(self, *records: ConsumedRecord) -> BatchOutcome:
        return await self.decider.decide_batch(list(records))

    def events(self, p: int | None = None) -> list[dict[str, Any]]:
        """The events in the journal, of one partition or of all."""
        return [
            event
            for place, records in self.journal.records.items()
            for one in records
            if p is None or place == p
            if not (event := json.loads(one.record.value))["type"].startswith("mandaat.ledger")
        ]

    def kinds(self, p: int | None = None) -> list[str]:
        """The types of the events, shortened."""
        return [event["type"].removeprefix("mandaat.").removesuffix(".v1") for event in self.events(p)]

    def due(self, p: int) -> Confirm | None:
        """The confirm of a partition that is due."""
        (part,) = self.partitions.parts([p])
        return part.confirm


@pytest.fixture
def harness() -> DeciderHarness:
    return DeciderHarness()
