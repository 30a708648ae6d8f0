"""Steps that are repeated for ever side by side, and whether each of them still turns."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from services.chassis.process.back_off import BackOff
from services.chassis.process.families import Family, family_of
from services.chassis.process.log import log

STUCK_SECONDS: Final = 180.0
"""Longer than any turn may take: the longest is one mail, which is given up after two minutes."""
BACK_OFF: Final = BackOff()


@dataclass
class Turn:
    """Since when a loop is at work; None while it waits for some."""

    since: float | None = field(default_factory=time.monotonic)

    def begins(self) -> None:
        """There is work."""
        self.since = time.monotonic()

    def waits(self) -> None:
        """There is none, and that is nothing to worry about."""
        self.since = None


Step: TypeAlias = Callable[[Turn], Awaitable[None]]


class Loops:
    """Repeats each step for ever, after TryAgain with a pause; a bug ends its loop and is reported."""

    def __init__(self, what: str, on_bug: Callable[[BaseException], None]) -> None:
        self._what = what
        self._on_bug = on_bug
        self._turns: dict[asyncio.Task[None], Turn] = {}

    def start(self, steps: Mapping[str, Step]) -> None:
        """Begins; the names are for /livez."""
        for name, step in steps.items():
            turn = Turn()
            self._turns[asyncio.create_task(self._for_ever(step, turn), name=name)] = turn

    async def stop(self) -> None:
        """Ends them wherever they are."""
        for task in self._turns:
            task.cancel()
        if self._turns:
            await asyncio.wait(self._turns)

    def alive(self) -> str | None:
        """What is wrong for /livez, or None."""
        now = time.monotonic()
        for task, turn in self._turns.items():
            if task.done():
                return f"{task.get_name()} ended"
            if turn.since is not None and now - turn.since > STUCK_SECONDS:
                return f"{task.get_name()} has been at one turn for {now - turn.since:.0f} s"
        return None

    async def _for_ever(self, step: Step, turn: Turn) -> None:
        failures = 0
        while True:
            turn.begins()
            outcome = await family_of(step(turn))
            if outcome.family is Family.BUG and outcome.error is not None:
                self._on_bug(outcome.error)
                return
            if outcome.family is Family.DONE:
                failures = 0
                continue
            log.warning("try_again", what=self._what, error=str(outcome.error))
            failures += 1
            await asyncio.sleep(BACK_OFF.pause(failures))
