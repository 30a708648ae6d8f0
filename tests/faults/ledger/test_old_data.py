"""Old state and same ledger: Redis put back to what it was, restarted, without its scripts (LEDGER.md)."""

from __future__ import annotations

import asyncio
import shutil
from itertools import cycle, islice, pairwise
from pathlib import Path

import pytest
import redis

from deploy.local.stack import Stack
from tests.faults.ledger.conftest import WHOLE, OpenField, only_in_faults
from tests.faults.ledger.crew import Crew
from tests.faults.ledger.field import fighting
from tests.waiting import eventually

LONGEST_PAUSE_US = 6_000_000
"""T + 5 s."""
TROUBLES = 20 if WHOLE else 4


def copy(stack: Stack, to: Path) -> None:
    """Redis' files as they are at this moment, while it writes them."""
    shutil.copytree(stack.state / "redis" / "data", to)


def put_back(stack: Stack, copied: Path) -> None:
    """Redis dies, and starts with the files of then."""
    stack.kill("redis")
    shutil.rmtree(stack.state / "redis" / "data")
    shutil.copytree(copied, stack.state / "redis" / "data")
    stack.start("redis")


@pytest.mark.parametrize(
    "standing",
    [pytest.param(False, marks=only_in_faults), True],
    ids=["under load", "while a worker stands after settling"],
)
async def test_old_data_that_is_put_back_overspends_nothing(
    crew: Crew, field: OpenField, tmp_path: Path, standing: bool
) -> None:
    one = await field(0.08)
    if standing:
        await crew.arm({"rules": "after-settle=stop@6"})
    async with fighting(one):
        if standing:
            await crew.stopped("rules")
        await one.until_sent(0.4)
        await asyncio.to_thread(copy, crew.stack, tmp_path / "copy")
        crew.stack.resume("rules")
        await one.until_sent(0.8)
        await asyncio.to_thread(put_back, crew.stack, tmp_path / "copy")
    one.fought()


async def test_restarts_and_forgotten_scripts_under_load_change_nothing_and_pause_shortly(
    crew: Crew, field: OpenField
) -> None:
    one = await field(0.1, 4.0 * TROUBLES)
    async with fighting(one):
        for place, trouble in enumerate(islice(cycle(("forget", "restart")), TROUBLES)):
            await one.until_sent((place + 1) / (TROUBLES + 2))
            if trouble == "restart":
                await asyncio.to_thread(crew.stack.stop, "redis")
                await asyncio.to_thread(crew.stack.start, "redis")
            else:
                with redis.Redis.from_url(crew.stack.redis_url) as store:
                    await eventually(store.ping)
                    store.script_flush()
    one.fought()
    assert max(after - before for before, after in pairwise(one.sequences())) < LONGEST_PAUSE_US
