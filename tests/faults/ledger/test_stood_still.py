"""Zombies: workers stop between settling and publishing while others go on (docs/ledger.md, Take-over)."""

from __future__ import annotations

import asyncio
import time

import pytest
import redis

from deploy.local.stack import SIZES
from tests.faults.ledger.competing_requests import CompetingRequests
from tests.faults.ledger.conftest import StartLoad, only_in_faults
from tests.faults.ledger.load_run import LoadRun, running
from tests.faults.ledger.workers import Workers

T = SIZES.fence_ms / 1000


async def pass_time(since: float, seconds: float) -> None:
    """Wait until some seconds after `since`, because the fence depends on time."""
    await asyncio.sleep(max(0.0, since + seconds - time.monotonic()))


@only_in_faults
@pytest.mark.parametrize(("seconds", "lands"), [(T / 2, True), (4 * T, False)])
async def test_a_worker_that_was_stopped_while_redis_was_emptied_publishes_within_the_fence_or_never(
    workers: Workers, start_load: StartLoad, seconds: float, lands: bool
) -> None:
    one = await start_load(0.06)
    await workers.start_with_failpoints({"rules": "after-settle=stop@4"})
    before = workers.count_in_log("rules", "round_not_landed")
    async with running(one):
        await workers.wait_until_stopped("rules")
        since = time.monotonic()
        with redis.Redis.from_url(workers.stack.redis_url) as store:
            store.flushall()
        await pass_time(since, seconds)
        workers.stack.resume("rules")
    assert (workers.count_in_log("rules", "round_not_landed") == before) == lands
    one.check_competition()


async def test_a_worker_that_was_stopped_until_others_decided_publishes_nothing(
    workers: Workers, start_load: StartLoad
) -> None:
    one = await start_load(0.06)
    await workers.start_with_failpoints({"rules": "after-settle=stop@4"})
    before = workers.count_in_log("rules", "round_not_landed")
    async with running(one):
        await overtaken(workers, one)
        taken_over = [workers.count_in_log(name, "taken_over") for name in workers.names[1:]]
        await workers.wait_until_shared(*workers.names)
    # The worker that came back took nothing over.
    assert [workers.count_in_log(name, "taken_over") for name in workers.names[1:]] == taken_over
    assert workers.count_in_log("rules", "round_not_landed") > before  # a line a partition
    one.check_competition()


async def overtaken(workers: Workers, one: LoadRun) -> None:
    """`rules` settles and stops; the others take its partitions and decide everything; then it continues."""
    await workers.wait_until_stopped("rules")
    since = time.monotonic()
    await workers.wait_until_shared(*workers.names[1:])
    await one.wait_until_sent(1.0)
    await pass_time(since, 4 * T)
    workers.stack.resume("rules")


@only_in_faults
async def test_without_the_fence_promises_break(spoiled: Workers, tenant: str) -> None:
    """The control: a broker that accepts records of any age, and workers that do not check its settings."""
    async with LoadRun(spoiled.stack, CompetingRequests(tenant, 150)) as one:
        await one.open()
        await spoiled.start_with_failpoints(dict.fromkeys(spoiled.names, ""), altered="unchecked")
        await spoiled.start_with_failpoints({"rules": "after-settle=stop@2"}, altered="unchecked")
        await spoiled.wait_until_shared(*spoiled.names)
        async with running(one):
            await overtaken(spoiled, one)
            await one.wait_until_sent(1.0)
        broken = {finding.partition(":")[0] for finding in one.findings()}
    assert "one content" in broken
