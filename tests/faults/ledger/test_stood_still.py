"""Zombies: workers that stand still between settling and publishing, while others go on (LEDGER.md)."""

from __future__ import annotations

import asyncio
import time

import pytest
import redis

from deploy.local.stack import SIZES
from tests.faults.ledger.conftest import OpenField, only_in_faults
from tests.faults.ledger.crew import Crew
from tests.faults.ledger.field import Field, fighting
from tests.faults.ledger.fighting import Fight

T = SIZES.fence_ms / 1000


async def pass_time(since: float, seconds: float) -> None:
    """The fence is a matter of time, and so is its test: until so many seconds after `since`."""
    await asyncio.sleep(max(0.0, since + seconds - time.monotonic()))


@only_in_faults
@pytest.mark.parametrize(("seconds", "lands"), [(T / 2, True), (4 * T, False)])
async def test_who_stood_still_while_redis_was_emptied_publishes_within_the_fence_or_never(
    crew: Crew, field: OpenField, seconds: float, lands: bool
) -> None:
    one = await field(0.06)
    await crew.arm({"rules": "after-settle=stop@4"})
    before = crew.said("rules", "round_not_landed")
    async with fighting(one):
        await crew.stopped("rules")
        since = time.monotonic()
        with redis.Redis.from_url(crew.stack.redis_url) as store:
            store.flushall()
        await pass_time(since, seconds)
        crew.stack.resume("rules")
    assert (crew.said("rules", "round_not_landed") == before) == lands
    one.fought()


async def test_who_stood_still_until_others_decided_publishes_nothing(crew: Crew, field: OpenField) -> None:
    one = await field(0.06)
    await crew.arm({"rules": "after-settle=stop@4"})
    before = crew.said("rules", "round_not_landed")
    async with fighting(one):
        await overtaken(crew, one)
        taken_over = [crew.said(name, "taken_over") for name in crew.names[1:]]
        await crew.shared(*crew.names)
    # Nothing was taken from under anybody's hands by who came back.
    assert [crew.said(name, "taken_over") for name in crew.names[1:]] == taken_over
    assert crew.said("rules", "round_not_landed") > before  # a line a partition
    one.fought()


async def overtaken(crew: Crew, one: Field) -> None:
    """`rules` settles and stands still; the others take its partitions and decide all; then it goes on."""
    await crew.stopped("rules")
    since = time.monotonic()
    await crew.shared(*crew.names[1:])
    await one.until_sent(1.0)
    await pass_time(since, 4 * T)
    crew.stack.resume("rules")


@only_in_faults
async def test_without_the_fence_the_same_breaks_promises(spoiled: Crew, tenant: str) -> None:
    """The control: a broker that takes records of any age, and workers that do not look at its settings."""
    async with Field(spoiled.stack, Fight(tenant, 150)) as one:
        await one.open()
        await spoiled.arm(dict.fromkeys(spoiled.names, ""), altered="unchecked")
        await spoiled.arm({"rules": "after-settle=stop@2"}, altered="unchecked")
        await spoiled.shared(*spoiled.names)
        async with fighting(one):
            await overtaken(spoiled, one)
            await one.until_sent(1.0)
        broken = {finding.partition(":")[0] for finding in one.findings()}
    assert "one content" in broken
