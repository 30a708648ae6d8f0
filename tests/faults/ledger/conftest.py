"""A Kafka and a Redis of their own, four workers of rules, and loads of a chosen size.

MANDAAT_FAULTS_REQUESTS is the number of requests of all tests together: 2,000, and 20,000 in `make faults`,
which also runs the tests that take long.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack

import pytest

from deploy.local.settings import free_ports
from deploy.local.stack import Stack, temporary_stack
from tests.command_line import mandaat
from tests.faults.ledger.competing_requests import CompetingRequests
from tests.faults.ledger.load_run import LoadRun
from tests.faults.ledger.topic_settings import set_topic
from tests.faults.ledger.workers import Workers

REQUESTS = int(os.environ.get("MANDAAT_FAULTS_REQUESTS", "2000"))
WHOLE = REQUESTS >= 20_000
"""Whether this is `make faults`."""
only_in_faults = pytest.mark.skipif(not WHOLE, reason="slow: runs in make faults")

FENCE = "message.timestamp.before.max.ms"
TWO = ("rules", "rules-2")
StartLoad = Callable[..., Awaitable[LoadRun]]


@pytest.fixture(scope="package")
def backing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with temporary_stack(tmp_path_factory.mktemp("faults"), free_ports()) as one:
        one.up(["kafka", "redis"])
        yield one


@pytest.fixture
async def workers(backing: Stack) -> AsyncIterator[Workers]:
    """Four workers that hold all partitions. Afterwards, no log has a bug, and the ledger is verified."""
    one = Workers(backing)
    await one.start_all()
    yield one
    for name in one.names:
        backing.resume(name)
    assert one.bugs() == []
    await asyncio.to_thread(mandaat, backing, "ledger", "verify")


@pytest.fixture
async def start_load(workers: Workers, tenant: str) -> AsyncIterator[StartLoad]:
    """`await start_load(0.05, seconds)`: a load with this share of all requests, spread over some seconds."""
    async with AsyncExitStack() as exits:

        async def opened(share: float, seconds: float = 6.0 if WHOLE else 4.0) -> LoadRun:
            requests = CompetingRequests(tenant, max(120, round(share * REQUESTS)))
            one = await exits.enter_async_context(LoadRun(workers.stack, requests, seconds))
            await one.open()
            return one

        yield opened


@pytest.fixture(scope="package")
def spoiled_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A Kafka and a Redis of their own, for wrong settings."""
    with temporary_stack(tmp_path_factory.mktemp("spoiled"), free_ports()) as one:
        one.up(["kafka", "redis"])
        yield one


@pytest.fixture
async def spoiled(spoiled_stack: Stack) -> Workers:
    """Two workers, not started, beside a journal without a fence."""
    await set_topic(spoiled_stack.bootstrap, "mandaat.decisions", {FENCE: str(2**63 - 1)})
    return Workers(spoiled_stack, TWO)
