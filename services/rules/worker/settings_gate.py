"""Waiting until Kafka and Redis have the settings that the ledger needs (docs/ledger.md, Topics)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from services.chassis.process.errors import TryAgain
from services.chassis.process.log import log

CHECK_SECONDS: Final = 2.0


class SettingsGate:
    """Repeats `check` until it finds nothing wrong; until then `ready` says what is wrong."""

    def __init__(self, check: Callable[[], Awaitable[list[str]]]) -> None:
        self._check = check
        self._wrong: list[str] = ["not checked yet"]

    def ready(self) -> str | None:
        """The problem that /readyz reports, or None."""
        return "; ".join(self._wrong) if self._wrong else None

    async def passed(self, pause_seconds: float = CHECK_SECONDS) -> None:
        """Return when nothing is wrong."""
        while self._wrong:
            wrong = await self._found()
            if wrong and wrong != self._wrong:
                log.error("settings_differ", problems=wrong)
            self._wrong = wrong
            if wrong:
                await asyncio.sleep(pause_seconds)

    async def _found(self) -> list[str]:
        try:
            return await self._check()
        except TryAgain as away:
            return [str(away)]
