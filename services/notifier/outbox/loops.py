"""Loops that run side by side for ever, each repeating one step, and a check that none of them hangs."""

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
"""Longer than any turn may take. The longest is one mail, which may take two minutes."""
BACK_OFF: Final = BackOff()


@dataclass
class Turn:
    """Since when a loop has been busy; None while it waits for work."""

    since: float | None = field(default_factory=time.monotonic)

    def begins(self) -> None:
        """The loop is busy from now on."""
        self.since = time.monotonic()

    def waits(self) -> None:
        """The loop waits for work, for however long."""
        self.since = None


Step: TypeAlias = Callable[[Turn], Awaitable[None]]


class Loops:
    """Repeats each step for ever. After TryAgain it pauses first; a bug ends the loop and is reported."""

    def __init__(self, what: str, on_bug: Callable[[BaseException], None]) -> None:
        self._what = what
        self._on_bug = on_bug
        self._turns: dict[asyncio.Task[None], Turn] = {}

    def start(self, steps: Mapping[str, Step]) -> None:
        """Start a loop for each step. The names are shown by /livez."""
        for name, step in steps.items():
            turn = Turn()
            self._turns[asyncio.create_task(self._for_ever(step, turn), name=name)] = turn

    async def stop(self) -> None:
        """Cancel all loops."""
        for task in self._turns:
            task.cancel()
        if self._turns:
            await asyncio.wait(self._turns)

    def alive(self) -> str | None:
        """The loop that ended or hangs, for /livez, or None."""
        now = time.monotonic()
        for task, turn in self._turns.items():
            if task.done():
                return f"{task.get_name()} ended"
            if turn.since is not None and now - turn.since > STUCK_SECONDS:
                return f"{task.get_name()} has been busy with one turn for {now - turn.since:.0f} s"
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
