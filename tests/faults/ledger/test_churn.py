"""Order: workers come and go while verdicts and withdrawals come in (docs/ledger.md, Promises)."""

from __future__ import annotations

import asyncio

from tests.faults.ledger.conftest import WHOLE, StartLoad
from tests.faults.ledger.load_run import running
from tests.faults.ledger.workers import Workers

SECONDS = 60.0 if WHOLE else 20.0


async def test_sequences_and_versions_rise_while_workers_come_and_go(
    workers: Workers, start_load: StartLoad
) -> None:
    one = await start_load(0.1, SECONDS)
    stack, names = workers.stack, workers.names
    async with running(one):
        while one.sent < 0.9 * one.whole:
            assert await asyncio.to_thread(stack.stop, "rules-2") == 0
            await workers.wait_until_shared(*(name for name in names if name != "rules-2"))
            stack.kill("rules-3")
            stack.begin("rules-2")
            stack.begin("rules-3")
            await workers.wait_until_shared(*names)
            stack.kill("rules-4")
            stack.begin("rules-4")
    await workers.wait_until_shared(*names)
    one.check_competition()
