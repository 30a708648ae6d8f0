"""When a notice is tried again, and when trying ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from services.notifier.outbox.retry import beyond_memory, given_up, pause_seconds, too_old

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)


def test_pauses_double_from_a_second_to_five_minutes() -> None:
    assert [pause_seconds(attempts, 0.0) for attempts in (1, 2, 3, 9, 10, 10**6)] == [1, 2, 4, 256, 300, 300]
    assert pause_seconds(3, 1.0) == 2


def test_a_pause_that_the_other_side_asks_for_is_respected_up_to_an_hour() -> None:
    assert pause_seconds(1, 0.5, 40.0) == 40
    assert pause_seconds(1, 0.0, 10**9) == 3600
    assert pause_seconds(1, 0.0, -5.0) == 1


def test_a_notice_is_given_up_after_some_hours_but_not_before_the_third_try() -> None:
    hours = timedelta(hours=6)
    assert not given_up(NOW - timedelta(hours=5), NOW, hours, 50)
    assert given_up(NOW - timedelta(hours=7), NOW, hours, 3)
    assert not given_up(NOW - timedelta(days=2), NOW, hours, 2)
    assert given_up(NOW - timedelta(days=8), NOW, hours, 1)


def test_an_event_is_too_old_after_a_week_and_forgotten_after_two() -> None:
    assert not too_old(NOW - timedelta(days=7), NOW)
    assert too_old(NOW - timedelta(days=7, seconds=1), NOW)
    assert not beyond_memory(NOW - timedelta(days=14), NOW)
    assert beyond_memory(NOW - timedelta(days=14, seconds=1), NOW)
