"""Creates the topics of a cluster, and finds where existing ones differ from what they must be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    KafkaError,
    LeaderNotAvailableError,
    TopicAlreadyExistsError,
    UnknownTopicOrPartitionError,
    for_code,
)

from schemas.topics import TOPICS, Sizes, Topic, differences

TIMEOUT_MS = 30_000
_NOT_YET = (UnknownTopicOrPartitionError, LeaderNotAvailableError)


@dataclass
class TopicOutcome:
    """The topics that were created and checked. `differences`: a sentence each, with topic and setting."""

    created: list[str] = field(default_factory=list)
    checked: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)


async def ensure_topics(bootstrap: str, sizes: Sizes, topics: Sequence[Topic] = TOPICS) -> TopicOutcome:
    """Creates missing topics, and checks all. Raises aiokafka's KafkaError when the cluster refuses."""
    outcome = TopicOutcome()
    async with _admin(bootstrap) as admin:
        there = set(await admin.list_topics())
        missing = [topic for topic in topics if topic.name not in there]
        for topic in missing:
            if await _create(admin, topic, sizes):
                outcome.created.append(topic.name)
        for topic in topics:
            outcome.checked.append(topic.name)
            outcome.differences += await _differences(admin, topic, sizes)
    return outcome


@asynccontextmanager
async def _admin(bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=TIMEOUT_MS)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def _create(admin: AIOKafkaAdminClient, topic: Topic, sizes: Sizes) -> bool:
    new = NewTopic(topic.name, sizes.partitions, sizes.replication, topic_configs=topic.config(sizes))
    response = await admin.create_topics([new], timeout_ms=TIMEOUT_MS)
    code, message = response.topic_errors[0][1], (response.topic_errors[0][2:] or ("",))[0]
    error = for_code(code)
    if error is TopicAlreadyExistsError:  # another process was faster; the check follows
        return False
    if code != 0:
        raise error(f"{topic.name}: {message}")
    return True


async def _differences(admin: AIOKafkaAdminClient, topic: Topic, sizes: Sizes) -> list[str]:
    wanted = {
        "partitions": str(sizes.partitions),
        "replication": str(sizes.replication),
        **topic.config(sizes),
    }
    found = {**await _layout(admin, topic.name), **await _settings(admin, topic.name)}
    return differences(topic.name, found, wanted)


async def _layout(admin: AIOKafkaAdminClient, name: str) -> dict[str, str]:
    partitions = await _partitions(admin, name)
    fewest = min((len(partition["replicas"]) for partition in partitions), default=0)
    return {"partitions": str(len(partitions)), "replication": str(fewest)}


async def _partitions(admin: AIOKafkaAdminClient, name: str) -> list[dict[str, Any]]:
    """The partitions, once all have a leader: Kafka knows a new topic only a moment later."""
    deadline = monotonic() + TIMEOUT_MS / 1000
    while True:
        described = (await admin.describe_topics([name]))[0]
        partitions: list[dict[str, Any]] = described["partitions"]
        codes = [described["error_code"], *(partition["error_code"] for partition in partitions)]
        errors = {for_code(code) for code in codes if code != 0}
        if not errors:
            return partitions
        if monotonic() > deadline or errors - set(_NOT_YET):
            raise errors.pop()(name)
        await asyncio.sleep(0.05)


async def _settings(admin: AIOKafkaAdminClient, name: str) -> dict[str, str]:
    responses = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
    code, message, _, _, entries = responses[0].resources[0]
    if code != 0:
        raise KafkaError(f"{name}: {message}")
    return {entry[0]: entry[1] for entry in entries}
