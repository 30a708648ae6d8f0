"""The names of what rules measures beside the chassis' own, in one place. Labels are bounded."""

from __future__ import annotations

import time
from collections import Counter as Counted
from collections.abc import Iterable, Mapping
from functools import partial

from prometheus_client import Counter, Gauge

from engine.events.envelope import InputOutcome
from engine.policy.book import Per
from services.chassis.kafka.dead_letters import ConsumedRecord
from services.chassis.process.metrics import BulkHistogram, Metrics


class RulesMetrics:
    """The metrics of rules."""

    def __init__(self, metrics: Metrics) -> None:
        registry = metrics.registry
        # The labels are those of InputOutcome.
        self._decisions = Counter(
            "mandaat_decisions_total", "Inputs that were decided", ("outcome",), registry=registry
        )
        # Inputs that were settled before and got their stored events again.
        self._repeats = Counter(
            "mandaat_repeats_total", "Inputs answered from the journal", registry=registry
        )
        # Escalated requests for which nobody has the role of the step.
        self.without_approver = Counter(
            "mandaat_approvals_without_approver_total", "Approvals that nobody may answer", registry=registry
        )
        # Budgets that a decision brought to their warn_at.
        self._budget_warnings = Counter(
            "mandaat_budget_warnings_total",
            "Budgets that a decision brought to their warn_at",
            ("per",),
            registry=registry,
        )
        # From the append on mandaat.cases or mandaat.replies to the journal's acknowledgement.
        self._seconds = BulkHistogram(
            "mandaat_decision_seconds",
            "From the append of the input to the acknowledged decision",
            (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0),
            registry,
        )
        self.take_overs = Counter(
            "mandaat_take_overs_total", "Taken partitions that had something pending", registry=registry
        )
        self.cold_starts = Counter("mandaat_cold_starts_total", "Rebuilds of the ledger", registry=registry)
        self.partitions_held = Gauge(
            "mandaat_partitions_held", "Partitions that this worker holds", registry=registry
        )
        # The least that a rebuild would replay, for the partitions that this worker holds.
        self._unapplied = Gauge(
            "mandaat_journal_unapplied_records",
            "Records of the journal that the ledger does not have",
            ("partition",),
            registry=registry,
        )
        # 0 when everything is read. A record that is not read before its retention ends is lost.
        self._unread = Gauge(
            "mandaat_oldest_unread_seconds",
            "Age of the oldest record that is not read and committed",
            ("topic", "partition"),
            registry=registry,
        )

    def decided(self, outcomes: Iterable[InputOutcome], records: Iterable[ConsumedRecord | None]) -> None:
        """Count decisions, and the time since their records were appended. None: an input had no record."""
        for outcome, number in Counted(outcomes).items():
            self._decisions.labels(outcome).inc(number)
        now = time.time()
        self._seconds.observe_all(
            [max(0.0, now - record.timestamp / 1000) for record in records if record is not None]
        )

    def warned(self, warnings: Iterable[Per]) -> None:
        """Count the warnings of budgets, by whose budget it is."""
        for per in warnings:
            self._budget_warnings.labels(per).inc()

    def repeated(self, number: int) -> None:
        """Count inputs that got their stored events again."""
        self._repeats.inc(number)

    def unapplied(self, records: Mapping[int, int]) -> None:
        """Set the number of records for these partitions, and remove the others."""
        self._unapplied.clear()
        for p, number in records.items():
            self._unapplied.labels(str(p)).set(number)

    def unread(self, appended: Mapping[tuple[str, int], float | None]) -> None:
        """Set when the oldest unread record of each partition was appended: seconds since 1970, or None."""
        self._unread.clear()
        for (topic, p), since in appended.items():
            gauge = self._unread.labels(topic, str(p))
            if since is None:
                gauge.set(0)
            else:
                gauge.set_function(partial(_age, since))


def _age(since: float) -> float:
    return max(0.0, time.time() - since)
