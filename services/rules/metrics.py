"""The names of what rules measures beside the chassis' own, in one place. Labels are bounded."""

from __future__ import annotations

import time
from collections import Counter as Counted
from collections.abc import Iterable

from prometheus_client import Counter, Gauge

from services.chassis.dead_letters import Record
from services.chassis.metrics import Metrics, Spread


class RulesMetrics:
    """Decisions by outcome, and how long they took."""

    def __init__(self, metrics: Metrics) -> None:
        registry = metrics.registry
        # approved, escalated, refused; late and not_entitled are answers to a verdict.
        self._decisions = Counter(
            "mandaat_decisions_total", "Inputs that were decided", ("outcome",), registry=registry
        )
        # Inputs that were known already and got their stored events again.
        self._repeats = Counter(
            "mandaat_repeats_total", "Inputs answered from the journal", registry=registry
        )
        # Escalated requests that nobody was asked about: nobody has the role of the step.
        self.without_approver = Counter(
            "mandaat_approvals_without_approver_total", "Approvals that nobody may answer", registry=registry
        )
        # From the append on mandaat.cases or mandaat.replies to the journal's acknowledgement.
        self._seconds = Spread(
            "mandaat_decision_seconds",
            "From the append of the input to the acknowledged decision",
            (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0),
            registry,
        )
        self.take_overs = Counter(
            "mandaat_take_overs_total", "Partitions that had something pending when taken", registry=registry
        )
        self.cold_starts = Counter("mandaat_cold_starts_total", "Rebuilds of the ledger", registry=registry)
        self.partitions_held = Gauge("mandaat_partitions_held", "Partitions to settle on", registry=registry)

    def decided(self, outcomes: Iterable[str], records: Iterable[Record]) -> None:
        """These inputs got their events."""
        for outcome, number in Counted(outcomes).items():
            self._decisions.labels(outcome).inc(number)
        now = time.time()
        self._seconds.observe_all([max(0.0, now - record.timestamp / 1000) for record in records])

    def repeated(self, number: int) -> None:
        """So many inputs got their stored events again."""
        self._repeats.inc(number)
