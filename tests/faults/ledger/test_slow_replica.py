"""Slow replica: what a leader has and its followers lack is not seen yet by who takes over (LEDGER.md)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import httpx
import pytest

from deploy.local.guardian import guarded
from deploy.local.settings import free_ports
from deploy.local.stack import Stack
from tests.faults.ledger.conftest import TWO, only_in_faults
from tests.faults.ledger.crew import Crew
from tests.faults.ledger.field import Field
from tests.faults.ledger.fighting import Fight
from tests.faults.ledger.three_brokers import Proxy, three_brokers
from tests.waiting import eventually

pytestmark = [
    only_in_faults,
    pytest.mark.timeout(400),
]
REPLICATED = {"MANDAAT_REPLICATION": "3"}
HELD_SECONDS = 50.0
"""Less than it takes until a follower no longer counts as in sync."""


@pytest.fixture
async def replicated(tmp_path: Path) -> AsyncIterator[tuple[Crew, Proxy]]:
    """Two workers, not started, on three brokers."""
    ports = free_ports()
    stack = Stack(tmp_path / "stack", ports)
    async with three_brokers(tmp_path / "brokers", ports) as proxy:
        with guarded(stack.state):
            await asyncio.to_thread(stack.start, "redis")
            try:
                yield Crew(stack, TWO, REPLICATED), proxy
            finally:
                await asyncio.to_thread(stack.down)


async def died_before_the_followers_had_it(crew: Crew, proxy: Proxy, one: Field) -> None:
    """`rules` publishes, the followers are held up, it dies; the other one goes as far as it will."""
    proxy.hold()
    sending = asyncio.create_task(one.run())
    await crew.dead("rules")
    await eventually(partial(asyncio.to_thread, heir_is_through, crew), seconds=HELD_SECONDS)
    proxy.release()
    await sending
    await crew.revive()
    await one.settled()


def heir_is_through(crew: Crew) -> bool:
    """Whether it waits for the acknowledgement of markers, or decided anew without them."""
    decided_anew = crew.said("rules-2", "taken_over") and crew.said("rules-2", "round_not_landed") > 1
    try:
        said = httpx.get(f"{crew.stack.http('rules-2')}/readyz", timeout=4).text
    except httpx.HTTPError:
        said = ""
    return bool(decided_anew) or "[0, 1, 2, 3, 4, 5] are being taken over (not acknowledged" in said


async def test_what_the_followers_lack_is_not_decided_twice(
    replicated: tuple[Crew, Proxy], tenant: str
) -> None:
    crew, proxy = replicated
    async with Field(crew.stack, Fight(tenant, 120)) as one:
        await one.open()
        await crew.arm({"rules": "after-publish=kill", "rules-2": ""})
        await died_before_the_followers_had_it(crew, proxy, one)
        one.fought()
    assert crew.said("rules-2", "taking_waits")  # its markers were not acknowledged, so it did not go on
    assert crew.bugs() == []


async def test_without_the_marker_the_same_breaks_promises(
    replicated: tuple[Crew, Proxy], tenant: str
) -> None:
    """The control: the heir reads to the end that it sees."""
    crew, proxy = replicated
    async with Field(crew.stack, Fight(tenant, 120)) as one:
        await one.open()
        await crew.arm({"rules": "after-publish=kill", "rules-2": ""}, altered="unmarked")
        await died_before_the_followers_had_it(crew, proxy, one)
        broken = {finding.partition(":")[0] for finding in one.findings()}
    assert "one content" in broken
