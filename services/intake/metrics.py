"""The names of what intake measures, in one place. Labels are bounded: two doors, four outcomes, REASONS."""

from __future__ import annotations

from typing import Final, Literal

from prometheus_client import Counter, Histogram

from services.chassis.process.metrics import SECONDS, Metrics

Door = Literal["http", "kafka"]
"""Where it came in: a request over HTTP, or a record of mandaat.inbound."""
Outcome = Literal["accepted", "conflict", "other_tenant", "unreadable"]
_DOORS: Final[tuple[Door, ...]] = ("http", "kafka")


class IntakeMetrics:
    """What intake adds to what every service measures."""

    def __init__(self, metrics: Metrics) -> None:
        registry = metrics.registry
        # A redelivered record of mandaat.inbound counts again.
        self.outcomes = Counter(
            "mandaat_intake_outcomes_total",
            "Cases and replies by how they were received",
            ("door", "outcome"),
            registry=registry,
        )
        # Why what was unreadable was, by the reasons of schemas.errors.REASONS.
        self.unreadable = Counter(
            "mandaat_intake_unreadable_total",
            "Cases and replies that could not be read",
            ("door", "reason"),
            registry=registry,
        )
        # http: from the body being there; kafka: from the `time` of its event (core.acceptance.accepted_at).
        self.acceptance_seconds = Histogram(
            "mandaat_intake_acceptance_seconds",
            "Until the broker had acknowledged the case or reply",
            ("door",),
            buckets=SECONDS,
            registry=registry,
        )
        # Each is a case accepted without a look at whether its request was known: rules still looks.
        self.known_requests_away = Counter(
            "mandaat_intake_known_requests_away_total",
            "Look-ups and notes of known requests that Redis did not answer",
            registry=registry,
        )
        for door in _DOORS:
            self.outcomes.labels(door, "accepted")
            self.acceptance_seconds.labels(door)
