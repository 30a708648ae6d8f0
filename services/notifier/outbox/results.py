"""The result of a try: the notice ended, or it is tried again. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias, assert_never

from schemas.cloud_event import CloudEvent
from schemas.notice import Notice
from services.notifier.channels.channel import DeliveryAttempt
from services.notifier.channels.outcome import Delivered, Passing, Permanent
from services.notifier.outbox.retry import given_up, pause_seconds
from services.notifier.planning.notice import PendingNotice, ended


@dataclass(frozen=True)
class Ended:
    """The notice ended, and `event` says how."""

    notice: PendingNotice
    event: CloudEvent[Notice]


@dataclass(frozen=True)
class Postponed:
    """The notice is due again after a pause. `reason` is why the try failed; None where nothing was tried."""

    notice: PendingNotice
    pause_seconds: float
    reason: str | None = None


Result: TypeAlias = Ended | Postponed


def result_of(
    notice: PendingNotice,
    attempt: DeliveryAttempt,
    message_id: str,
    now: datetime,
    give_up_after: timedelta,
    chance: float,
) -> Result:
    """Judge a try of this notice, whose `attempts` count it. `chance` (0 to 1) spreads the pauses."""
    match attempt.outcome:
        case Delivered():
            event = ended(notice, "delivered", now, message_id=message_id, language=attempt.language)
            return Ended(notice, event)
        case Passing(reason, asked):
            if not given_up(notice.about_time, now, give_up_after, notice.attempts):
                return Postponed(notice, pause_seconds(notice.attempts, chance, asked), reason)
            return _failed(notice, attempt, message_id, now, f"gave_up: {reason}")
        case Permanent(reason):
            return _failed(notice, attempt, message_id, now, reason)
    assert_never(attempt.outcome)


def _failed(
    notice: PendingNotice, attempt: DeliveryAttempt, message_id: str, now: datetime, reason: str
) -> Ended:
    language = attempt.language
    event = ended(notice, "failed", now, message_id=message_id, language=language, reason=reason)
    return Ended(notice, event)
