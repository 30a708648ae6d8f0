"""The result of a try to send a notice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from schemas import types
from services.notifier.channels.channel import DeliveryAttempt
from services.notifier.channels.outcome import Delivered, Outcome, Passing, Permanent
from services.notifier.outbox.results import Ended, Postponed, Result, result_of
from tests.builders.cases import a_case
from tests.builders.decisions import a_decision
from tests.builders.events import a_decision_event
from tests.builders.notices import a_pending_notice

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)


def result(outcome: Outcome, age: timedelta = timedelta(0), **changes: Any) -> Result:
    """The result of such a try, of a notice whose event has this age."""
    notice = a_pending_notice(
        a_decision_event(a_decision(a_case()), at=NOW - age), **{"attempts": 1} | changes
    )
    attempt = DeliveryAttempt(outcome, "nl")
    return result_of(notice, attempt, "<m@example.org>", NOW, timedelta(hours=6), chance=0.0)


def how_it_ended(outcome: Outcome, age: timedelta = timedelta(0), **changes: Any) -> tuple[str, str | None]:
    ended = result(outcome, age, **changes)
    assert isinstance(ended, Ended)
    return ended.event.type, ended.event.data.reason


def test_a_delivered_notice_ends_with_its_message_id_and_language() -> None:
    ended = result(Delivered())
    assert isinstance(ended, Ended)
    data = ended.event.data
    assert ended.event.type == types.NOTICE_DELIVERED
    assert (data.message_id, data.language, data.attempts, data.reason) == ("<m@example.org>", "nl", 1, None)


def test_a_permanent_failure_ends_the_notice_with_its_reason() -> None:
    assert how_it_ended(Permanent("no_address")) == (types.NOTICE_FAILED, "no_address")


def test_a_passing_failure_postpones_the_notice_for_as_long_as_the_other_side_asks() -> None:
    soon = result(Passing("busy"))
    assert isinstance(soon, Postponed)
    assert (soon.pause_seconds, soon.reason) == (1.0, "busy")
    later = result(Passing("busy", retry_after_seconds=40.0))
    assert isinstance(later, Postponed)
    assert later.pause_seconds == 40.0


def test_a_passing_failure_ends_the_notice_when_patience_is_over() -> None:
    hours = timedelta(hours=7)
    assert isinstance(result(Passing("busy"), hours, attempts=2), Postponed)
    assert how_it_ended(Passing("busy"), hours, attempts=3) == (types.NOTICE_FAILED, "gave_up: busy")
