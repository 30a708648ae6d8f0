"""Order: workers that come and go while verdicts and withdrawals come in (LEDGER.md). No timers yet."""

from __future__ import annotations

import asyncio

from tests.faults.ledger.conftest import WHOLE, OpenField
from tests.faults.ledger.crew import Crew
from tests.faults.ledger.field import fighting

SECONDS = 60.0 if WHOLE else 20.0


async def test_sequences_and_versions_rise_while_workers_come_and_go(crew: Crew, field: OpenField) -> None:
    one = await field(0.1, SECONDS)
    stack, names = crew.stack, crew.names
    async with fighting(one):
        while one.sent < 0.9 * one.whole:
            assert await asyncio.to_thread(stack.stop, "rules-2") == 0
            await crew.shared(*(name for name in names if name != "rules-2"))
            stack.kill("rules-3")
            stack.begin("rules-2")
            stack.begin("rules-3")
            await crew.shared(*names)
            stack.kill("rules-4")
            stack.begin("rules-4")
    await crew.shared(*names)
    one.fought()
