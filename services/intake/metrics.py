"""The metrics of intake. The values of labels are limited to the doors, the outcomes and REASONS."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, get_args

from prometheus_client import Counter, Gauge, Histogram

from services.chassis.process.metrics import SECONDS, Metrics

Outcome = Literal["accepted", "conflict", "other_tenant", "other_agent", "unreadable"]
WaitOutcome = Literal["answered", "timed_out", "too_many", "stopping", "gone"]


class IntakeMetrics:
    """The metrics of intake, beside those of every service."""

    def __init__(self, metrics: Metrics, doors: Iterable[str]) -> None:
        registry = metrics.registry
        # A redelivered record of mandaat.inbound counts again.
        self.outcomes = Counter(
            "mandaat_intake_outcomes_total",
            "Cases, withdrawals and replies by their outcome",
            ("door", "outcome"),
            registry=registry,
        )
        # Reasons are those of schemas.errors.REASONS.
        self.unreadable = Counter(
            "mandaat_intake_unreadable_total",
            "Cases, withdrawals and replies that could not be read, by reason",
            ("door", "reason"),
            registry=registry,
        )
        # http: since the body was received; kafka: since the `time` of its event (see accepted_at).
        self.acceptance_seconds = Histogram(
            "mandaat_intake_acceptance_seconds",
            "Time until the broker had acknowledged the case, withdrawal or reply",
            ("door",),
            buckets=SECONDS,
            registry=registry,
        )
        # Each is a case that was accepted without a check for a conflict; rules still checks.
        self.known_requests_away = Counter(
            "mandaat_intake_known_requests_away_total",
            "Look-ups and notes of known requests that Redis did not answer in time",
            registry=registry,
        )
        self.waiting = Gauge(
            "mandaat_intake_waiting",
            "Callers who wait for a decision in their call",
            registry=registry,
        )
        # answered; or 202 instead: timed_out, too_many, stopping; or no answer: gone (the caller went away).
        self.waits = Counter(
            "mandaat_intake_waits_total",
            "Calls that asked to wait for the decision, by how the wait ended",
            ("outcome",),
            registry=registry,
        )
        self.wait_seconds = Histogram(
            "mandaat_intake_wait_seconds",
            "Time from the acknowledgement of a case to its decision, for calls that waited for it",
            buckets=SECONDS,
            registry=registry,
        )
        for ending in get_args(WaitOutcome):
            self.waits.labels(ending)
        for door in doors:
            self.outcomes.labels(door, "accepted")
            self.acceptance_seconds.labels(door)
