from __future__ import annotations

from prometheus_client import CollectorRegistry, Histogram, generate_latest

from services.chassis.process.metrics import BulkHistogram

BUCKETS = (0.01, 0.1, 1.0)
VALUES = (0.0, 0.01, 0.02, 0.1, 5.0, 5.0)


def test_a_bulk_histogram_shows_the_same_as_a_histogram() -> None:
    one, other = CollectorRegistry(), CollectorRegistry()
    BulkHistogram("seconds", "How long", BUCKETS, one).observe_all(VALUES)
    histogram = Histogram("seconds", "How long", buckets=BUCKETS, registry=other)
    for value in VALUES:
        histogram.observe(value)

    expected = [line for line in generate_latest(other).splitlines() if b"_created" not in line]
    assert generate_latest(one).splitlines() == expected
