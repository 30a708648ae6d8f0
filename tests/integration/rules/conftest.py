"""Rules in processes of its own, on a Kafka and a Redis that nothing else writes to.

Only rules may write the journal (docs/ledger.md, Topics). These tests empty Redis and stop Kafka under it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import redis

from deploy.local.settings import free_ports
from deploy.local.stack import Stack, temporary_stack
from tests.integration.rules.input_sender import InputSender
from tests.integration.rules.journal_watch import JournalWatch
from tests.waiting import wait_until

WORKERS = ("rules", "rules-2", "rules-3")


@pytest.fixture(scope="package")
def backing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with temporary_stack(tmp_path_factory.mktemp("rules"), free_ports()) as one:
        one.up(["kafka", "redis"])
        yield one


@pytest.fixture
def stack(backing: Stack) -> Stack:
    """Kafka and Redis, and no worker."""
    backing.up(["kafka", "redis"])
    for name in WORKERS:
        backing.resume(name)
        backing.stop(name)
    return backing


@pytest.fixture
def worker(backing: Stack) -> Stack:
    """A worker called `rules`, which is ready."""
    backing.up(["kafka", "redis"])
    for name in WORKERS[1:]:
        backing.resume(name)
        backing.stop(name)
    backing.up(["rules"])
    return backing


@pytest.fixture
def ledger_store(running: Stack) -> Iterator[redis.Redis]:
    """A client of the ledger's Redis."""
    with redis.Redis.from_url(running.redis_url) as client:
        wait_until(client.ping)
        yield client


@pytest.fixture
def running(backing: Stack) -> Stack:
    """Make sure that Kafka and Redis run, whatever the test before did."""
    backing.up(["kafka", "redis"])
    return backing


@pytest.fixture
async def sender(running: Stack, tenant: str) -> AsyncIterator[InputSender]:
    """A tenant with a policy and staff that sends cases and verdicts."""
    async with InputSender(running, tenant) as one:
        await one.open()
        yield one


@pytest.fixture
async def watch(running: Stack, tenant: str) -> AsyncIterator[JournalWatch]:
    """Reads the journal and the dead letters."""
    async with JournalWatch(running.bootstrap, tenant) as one:
        yield one


@pytest.fixture(autouse=True)
def no_bug(backing: Stack) -> Iterator[None]:
    """Fail if a worker logged a bug."""
    yield
    for name in WORKERS:
        log = backing.log(name)
        text = log.read_text() if log.exists() else ""
        assert '"stopped_by_a_bug"' not in text
        assert "Traceback" not in text
