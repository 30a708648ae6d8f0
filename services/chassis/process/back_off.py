"""How long to wait before the next try, and repeating a step until it is done."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from services.chassis.process.families import Family, family_of

_MOST_DOUBLINGS = 30


@dataclass(frozen=True)
class BackOff:
    """Pauses that double from `first` to `longest` seconds, each shorter by up to the share `jitter`."""

    first: float = 0.1
    longest: float = 2.0
    jitter: float = 0.3

    def pause(self, failures: int, chance: float | None = None) -> float:
        """Seconds to wait after so many failures in a row. `chance` is 0 to 1, random by default."""
        doubled = self.first * 2.0 ** min(max(failures, 1) - 1, _MOST_DOUBLINGS)
        by_chance = random.random() if chance is None else chance  # noqa: S311 - spreads load
        return min(doubled, self.longest) * (1 - self.jitter * by_chance)


async def repeat_until_done(
    step: Callable[[], Awaitable[object]],
    back_off: BackOff,
    *,
    on_try_again: Callable[[BaseException, int], None],
    on_bug: Callable[[BaseException], None],
) -> bool:
    """Repeats a step while it ends in TryAgain; True when it is done, False when it ended in a bug.

    `on_try_again` gets the error and how many tries have failed, before the pause. `on_bug` gets the bug.
    """
    failures = 0
    while (ended := await family_of(step())).error is not None:
        if ended.family is Family.BUG:
            on_bug(ended.error)
            return False
        failures += 1
        on_try_again(ended.error, failures)
        await asyncio.sleep(back_off.pause(failures))
    return True
