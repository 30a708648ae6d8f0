"""Old state and same ledger: Redis gets old files, or loses its scripts (docs/ledger.md, Cold start)."""

from __future__ import annotations

import asyncio
import shutil
from itertools import cycle, islice, pairwise
from pathlib import Path

import pytest
import redis

from deploy.local.stack import Stack
from tests.faults.ledger.conftest import WHOLE, StartLoad, only_in_faults
from tests.faults.ledger.load_run import running
from tests.faults.ledger.workers import Workers
from tests.waiting import eventually

LONGEST_PAUSE_US = 6_000_000
"""T + 5 s."""
TROUBLES = 20 if WHOLE else 4


def copy(stack: Stack, to: Path) -> None:
    """Copy Redis' files while it writes them."""
    shutil.copytree(stack.state / "redis" / "data", to)


def put_back(stack: Stack, copied: Path) -> None:
    """Kill Redis, and start it with the copied files."""
    stack.kill("redis")
    shutil.rmtree(stack.state / "redis" / "data")
    shutil.copytree(copied, stack.state / "redis" / "data")
    stack.start("redis")


@pytest.mark.parametrize(
    "standing",
    [pytest.param(False, marks=only_in_faults), True],
    ids=["under load", "while a worker stands after settling"],
)
async def test_restored_old_data_overspends_nothing(
    workers: Workers, start_load: StartLoad, tmp_path: Path, standing: bool
) -> None:
    one = await start_load(0.08)
    if standing:
        await workers.start_with_failpoints({"rules": "after-settle=stop@6"})
    async with running(one):
        if standing:
            await workers.wait_until_stopped("rules")
        await one.wait_until_sent(0.4)
        await asyncio.to_thread(copy, workers.stack, tmp_path / "copy")
        workers.stack.resume("rules")
        await one.wait_until_sent(0.8)
        await asyncio.to_thread(put_back, workers.stack, tmp_path / "copy")
    one.check_competition()


async def test_restarts_and_lost_scripts_under_load_change_nothing_and_pause_briefly(
    workers: Workers, start_load: StartLoad
) -> None:
    one = await start_load(0.1, 4.0 * TROUBLES)
    async with running(one):
        for place, trouble in enumerate(islice(cycle(("forget", "restart")), TROUBLES)):
            await one.wait_until_sent((place + 1) / (TROUBLES + 2))
            if trouble == "restart":
                await asyncio.to_thread(workers.stack.stop, "redis")
                await asyncio.to_thread(workers.stack.start, "redis")
            else:
                with redis.Redis.from_url(workers.stack.redis_url) as store:
                    await eventually(store.ping)
                    store.script_flush()
    one.check_competition()
    assert max(after - before for before, after in pairwise(one.sequences())) < LONGEST_PAUSE_US
