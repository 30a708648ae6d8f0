"""When a notice is tried again, and when that ends."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

NOTHING_OLDER: Final = timedelta(days=7)
"""Nothing whose event is older is told (DESIGN.md, Guarantees)."""
DONE_SET: Final = timedelta(days=14)
"""For so long it is known what was told; of what is older nothing is said at all."""
FIRST_PAUSE_SECONDS: Final = 1.0
LONGEST_PAUSE_SECONDS: Final = 300.0
LONGEST_RETRY_AFTER_SECONDS: Final = 3600.0


def pause_seconds(attempts: int, chance: float, retry_after_seconds: float | None = None) -> float:
    """How long to wait after that many attempts: 1 s, doubling to 5 minutes, less up to half by `chance`.

    What the other side asked for (RFC 9110, Retry-After) is a lower bound, of an hour at most.
    """
    doubled = FIRST_PAUSE_SECONDS * 2.0 ** min(max(attempts, 1) - 1, 16)
    pause = min(doubled, LONGEST_PAUSE_SECONDS) * (1 - chance / 2)
    asked = min(max(retry_after_seconds or 0.0, 0.0), LONGEST_RETRY_AFTER_SECONDS)
    return max(pause, asked)


def too_old(about: datetime, now: datetime) -> bool:
    """Whether an event of that time is told no more."""
    return now - about > NOTHING_OLDER


def beyond_knowing(about: datetime, now: datetime) -> bool:
    """Whether it can no longer be known if an event of that time was told."""
    return now - about > DONE_SET


def given_up(about: datetime, now: datetime, give_up_after: timedelta, attempts: int) -> bool:
    """Whether a notice that failed in passing is tried no more; after a long stop each gets three tries."""
    return too_old(about, now) or (attempts >= 3 and now - about > give_up_after)
