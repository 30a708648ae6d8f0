"""Fixtures for a real Kafka, a real Redis and the whole stack, each started once a session on first use.

They use free ports and their own state directory, T = 1 s and 6 partitions, and stop at the end.
MANDAAT_TEST_STACK=docker runs Kafka and Redis in containers instead of packages; that is untested.

    kafka         bootstrap address of the broker; all topics of schemas.topics are there
    redis_url     address of a Redis with the ledger's settings, database 0
    fresh_redis   address of an emptied database of that same Redis, for one test
    sinks         the mail server and webhook receiver (a Stack: .mail_folder, .webhook_folder, .ports)
    stack         everything, the three services included (a Stack: .http("intake"), .api_key(TENANT),
                  .kill("rules"), .pause("rules"), .start("rules-2"), .log("rules") ...); whatever a test
                  stopped is started again before the next test that asks for it
    retail        the policy and staff of tests.retail_cases are published
    backing       the Stack itself with nothing started: .start("kafka"), .up(["kafka", "redis"]) ...
    tenant        a name that no other test uses; topics are shared, so tests keep apart by tenant and case id
    make_topic    `await make_topic(partitions=2, settings={...})`: a new topic with a unique name
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Awaitable, Iterator, Mapping
from typing import Protocol

import pytest
import redis
import xdist.scheduler
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from hypothesis import settings

from deploy.local.settings import free_ports
from deploy.local.stack import Stack, temporary_stack
from tests.command_line import publish_retail
from tests.containers import ContainerPart, kafka_container, redis_container

FRESH_DATABASES = range(1, 16)

# The time of one example depends more on other work of the machine than on the code.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


class ByFolder(xdist.scheduler.LoadScopeScheduling):  # type: ignore[misc] # xdist has no types
    """Two processes run the suite, each a folder at a time, so that a folder's fixtures start once."""

    def _split_scope(self, nodeid: str) -> str:
        return nodeid.partition("::")[0].rpartition("/")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ByFolder:
    return ByFolder(config, log)


@pytest.fixture(scope="session")
def backing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    state, ports = tmp_path_factory.mktemp("stack"), free_ports()
    containers: dict[str, ContainerPart] = {}
    if os.environ.get("MANDAAT_TEST_STACK") == "docker":
        containers = {"kafka": kafka_container(state, ports), "redis": redis_container(state, ports)}
    try:
        with temporary_stack(state, ports, containers) as one:
            yield one
    finally:
        for container in containers.values():
            container.remove()


@pytest.fixture
def kafka(backing: Stack) -> str:
    backing.up(["kafka"])
    return backing.bootstrap


@pytest.fixture
def redis_url(backing: Stack) -> str:
    backing.up(["redis"])
    return backing.redis_url


@pytest.fixture
def sinks(backing: Stack) -> Stack:
    backing.up(["sinks"])
    return backing


@pytest.fixture
def stack(backing: Stack) -> Stack:
    backing.up()
    return backing


@pytest.fixture
def retail(stack: Stack) -> None:
    publish_retail(stack)


@pytest.fixture
def fresh_redis(redis_url: str, request: pytest.FixtureRequest) -> str:
    used = request.session.stash.get(_DATABASES, 0)
    request.session.stash[_DATABASES] = used + 1
    number = FRESH_DATABASES[used % len(FRESH_DATABASES)]
    address = redis_url.removesuffix("/0") + f"/{number}"
    with redis.Redis.from_url(address) as client:
        client.flushdb()
    return address


@pytest.fixture
def tenant() -> str:
    return f"t{uuid.uuid4().hex[:12]}"


class MakeTopic(Protocol):
    def __call__(
        self, name: str = "test", partitions: int = 1, settings: Mapping[str, str] | None = None
    ) -> Awaitable[str]: ...


@pytest.fixture
def make_topic(kafka: str) -> MakeTopic:
    async def make(name: str = "test", partitions: int = 1, settings: Mapping[str, str] | None = None) -> str:
        unique = f"{name}-{uuid.uuid4().hex[:12]}"
        admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
        await admin.start()
        try:
            new = NewTopic(unique, partitions, 1, topic_configs=dict(settings or {}))
            response = await admin.create_topics([new], timeout_ms=10_000)
            assert response.topic_errors[0][1] == 0, response.topic_errors
        finally:
            await admin.close()
        return unique

    return make


_DATABASES = pytest.StashKey[int]()
