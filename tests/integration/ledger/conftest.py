"""A warm ledger in an empty database, and a journal on a topic of its own with the fence of tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from services.chassis.kafka.producer import Producer
from services.chassis.redis import connect
from services.rules.journal.journal import Journal
from services.rules.ledger.client import Ledger
from services.rules.ledger.take_over import Fence
from tests.conftest import MakeTopic
from tests.integration.ledger.manual_worker import ManualWorker, warm_ledger

T_MS = 1000
PARTITIONS = 3


@pytest.fixture
async def redis(fresh_redis: str) -> AsyncIterator[Redis]:
    client = connect(fresh_redis)
    yield client
    await client.aclose()


@pytest.fixture
async def ledger(redis: Redis) -> Ledger:
    return await warm_ledger(redis, PARTITIONS)


@pytest.fixture
def fence() -> Fence:
    return Fence(fence_seconds=T_MS / 1000, clock_seconds=0.2)


@pytest.fixture
async def producer(kafka: str) -> AsyncIterator[Producer]:
    one = Producer(kafka, client_id="ledger-test")
    yield one
    await one.stop()


@pytest.fixture
async def journal(kafka: str, producer: Producer, make_topic: MakeTopic) -> AsyncIterator[Journal]:
    fenced = {"message.timestamp.before.max.ms": str(T_MS), "message.timestamp.after.max.ms": "1000"}
    one = Journal(kafka, producer, topic=await make_topic("journal", PARTITIONS, fenced))
    yield one
    await one.stop()


@pytest.fixture
async def worker(ledger: Ledger, journal: Journal, fence: Fence) -> ManualWorker:
    """A worker that holds partitions 0 and 1."""
    return await ManualWorker(ledger, journal, fence).take(0, 1)
