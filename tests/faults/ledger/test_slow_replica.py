"""Slow replica: a take-over does not see records that only the leader has (docs/ledger.md, Take-over)."""

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
from tests.faults.ledger.competing_requests import CompetingRequests
from tests.faults.ledger.conftest import TWO, only_in_faults
from tests.faults.ledger.load_run import LoadRun
from tests.faults.ledger.three_brokers import Proxy, three_brokers
from tests.faults.ledger.workers import Workers
from tests.waiting import eventually

pytestmark = [
    only_in_faults,
    pytest.mark.timeout(400),
]
REPLICATED = {"MANDAAT_REPLICATION": "3"}
HELD_SECONDS = 50.0
"""Shorter than the time after which a follower is no longer in sync."""


@pytest.fixture
async def replicated(tmp_path: Path) -> AsyncIterator[tuple[Workers, Proxy]]:
    """Two workers, not started, on three brokers."""
    ports = free_ports()
    stack = Stack(tmp_path / "stack", ports)
    async with three_brokers(tmp_path / "brokers", ports) as proxy:
        with guarded(stack.state):
            await asyncio.to_thread(stack.start, "redis")
            try:
                yield Workers(stack, TWO, REPLICATED), proxy
            finally:
                await asyncio.to_thread(stack.down)


async def died_before_the_followers_had_it(workers: Workers, proxy: Proxy, one: LoadRun) -> None:
    """`rules` publishes while the followers are held up, and dies; the other takes over as far as it can."""
    proxy.hold()
    sending = asyncio.create_task(one.run())
    await workers.wait_until_dead("rules")
    await eventually(partial(asyncio.to_thread, heir_is_through, workers), seconds=HELD_SECONDS)
    proxy.release()
    await sending
    await workers.restart_dead()
    await one.wait_until_settled()


def heir_is_through(workers: Workers) -> bool:
    """Whether it waits for the acknowledgement of its markers, or decided again without them."""
    decided_anew = (
        workers.count_in_log("rules-2", "taken_over")
        and workers.count_in_log("rules-2", "round_not_landed") > 1
    )
    try:
        said = httpx.get(f"{workers.stack.http('rules-2')}/readyz", timeout=4).text
    except httpx.HTTPError:
        said = ""
    return bool(decided_anew) or "[0, 1, 2, 3, 4, 5] are being taken over (not acknowledged" in said


async def test_records_that_the_followers_lack_are_not_decided_twice(
    replicated: tuple[Workers, Proxy], tenant: str
) -> None:
    workers, proxy = replicated
    async with LoadRun(workers.stack, CompetingRequests(tenant, 120)) as one:
        await one.open()
        await workers.start_with_failpoints({"rules": "after-publish=kill", "rules-2": ""})
        await died_before_the_followers_had_it(workers, proxy, one)
        one.check_competition()
    assert workers.count_in_log(
        "rules-2", "taking_waits"
    )  # its markers were not acknowledged, so it did not go on
    assert workers.bugs() == []


async def test_without_the_marker_promises_break(replicated: tuple[Workers, Proxy], tenant: str) -> None:
    """The control: the next worker reads to the end that it sees, without a marker."""
    workers, proxy = replicated
    async with LoadRun(workers.stack, CompetingRequests(tenant, 120)) as one:
        await one.open()
        await workers.start_with_failpoints(
            {"rules": "after-publish=kill", "rules-2": ""}, altered="unmarked"
        )
        await died_before_the_followers_had_it(workers, proxy, one)
        broken = {finding.partition(":")[0] for finding in one.findings()}
    assert "one content" in broken
