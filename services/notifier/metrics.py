"""The metrics of the notifier. Labels are audiences, channels and outcomes."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from services.chassis.process.metrics import Metrics

SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 3600.0, 21600.0)


class NotifierMetrics:
    """Notices that ended, how fast, and notices that wait."""

    def __init__(self, metrics: Metrics) -> None:
        registry = metrics.registry
        self.records_skipped = metrics.records_skipped
        # Outcome: delivered or failed.
        self.notices = Counter(
            "mandaat_notices_total",
            "Notices that ended, by outcome",
            ("audience", "channel", "outcome"),
            registry=registry,
        )
        # Such a notice goes back into the outbox.
        self.retries = Counter(
            "mandaat_notice_retries_total",
            "Tries that failed and will be repeated",
            ("channel",),
            registry=registry,
        )
        # From when the ledger settled the event (`sequence`) until the other side accepted the message.
        self.told_seconds = Histogram(
            "mandaat_told_seconds",
            "Seconds from a decision to the delivery of its notice",
            ("channel",),
            buckets=SECONDS,
            registry=registry,
        )
        # Of the partitions that this process owns, measured every few seconds.
        self.outbox = Gauge("mandaat_outbox_notices", "Notices that wait in the outbox", registry=registry)
        self.oldest = Gauge(
            "mandaat_outbox_oldest_seconds",
            "Age of the oldest notice that waits in the outbox",
            registry=registry,
        )
        # After 14 days nobody knows any more whether people were told.
        self.too_old = Counter(
            "mandaat_events_too_old_total", "Events that are too old to tell anybody about", registry=registry
        )
        # Also counts partitions that are taken anew after Redis lost them.
        self.taken = Counter("mandaat_partitions_taken_total", "Partitions taken", registry=registry)
