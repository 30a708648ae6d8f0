"""The names of what the notifier measures, in one place. Labels: audiences, channels, outcomes."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from services.chassis.process.metrics import Metrics

SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 3600.0, 21600.0)


class NotifierMetrics:
    """What is told, how fast, and what waits."""

    def __init__(self, metrics: Metrics) -> None:
        registry = metrics.registry
        # How notices ended: delivered or failed.
        self.notices = Counter(
            "mandaat_notices_total",
            "Notices by how they ended",
            ("audience", "channel", "outcome"),
            registry=registry,
        )
        # Tries that failed in passing and come again.
        self.retries = Counter(
            "mandaat_notice_retries_total", "Tries that will be repeated", ("channel",), registry=registry
        )
        # From the ledger's settling (`sequence`) to the other side's acceptance.
        self.told_seconds = Histogram(
            "mandaat_told_seconds",
            "From decision to told",
            ("channel",),
            buckets=SECONDS,
            registry=registry,
        )
        # Of the partitions that this process owns; as of a few seconds ago.
        self.outbox = Gauge("mandaat_outbox_notices", "Notices that wait", registry=registry)
        self.oldest = Gauge(
            "mandaat_outbox_oldest_seconds", "Age of the oldest notice that waits", registry=registry
        )
        # Events past the age at which it can be known whether they were told (14 days).
        self.too_old = Counter(
            "mandaat_events_too_old_total", "Events that nobody is told of any more", registry=registry
        )
        # Partitions taken, also anew after Redis was lost.
        self.taken = Counter("mandaat_partitions_taken_total", "Partitions taken", registry=registry)
