"""When a notice is tried again, and when trying ends."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from services.chassis.process.back_off import BackOff

OLDEST_TOLD: Final = timedelta(days=7)
"""A notice of an older event is not sent (docs/notices.md, When it does not work)."""
NOTICES_REMEMBERED: Final = timedelta(days=14)
"""For so long it is known which notices were made. An older event makes none."""
BACK_OFF: Final = BackOff(first=1.0, longest=300.0, jitter=0.5)
LONGEST_RETRY_AFTER_SECONDS: Final = 3600.0


def pause_seconds(attempts: int, chance: float, retry_after_seconds: float | None = None) -> float:
    """The pause after that many attempts: 1 s, doubling to 5 minutes, less up to half by `chance` (0 to 1).

    Retry-After of the other side (RFC 9110, 10.2.3) is a lower bound, of an hour at most.
    """
    asked = min(max(retry_after_seconds or 0.0, 0.0), LONGEST_RETRY_AFTER_SECONDS)
    return max(BACK_OFF.pause(attempts, chance), asked)


def too_old(about: datetime, now: datetime) -> bool:
    """Whether an event of that time is too old for its notices to be sent."""
    return now - about > OLDEST_TOLD


def beyond_memory(about: datetime, now: datetime) -> bool:
    """Whether nobody can know any more if an event of that time was told."""
    return now - about > NOTICES_REMEMBERED


def given_up(about: datetime, now: datetime, give_up_after: timedelta, attempts: int) -> bool:
    """Whether to give up on a notice that failed in passing. After a long stop it still gets three tries."""
    return too_old(about, now) or (attempts >= 3 and now - about > give_up_after)
