"""Creates the topics on a cluster, or says where those that are there differ from what they must be."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from schemas.topics import TOPICS, Sizes, Topic

TIMEOUT_MS = 30_000


@dataclass
class Outcome:
    """What was done and found. `differences`: one sentence each, naming the topic and the setting."""

    created: list[str] = field(default_factory=list)
    checked: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)


async def ensure_topics(bootstrap: str, sizes: Sizes, topics: Sequence[Topic] = TOPICS) -> Outcome:
    """Creates what is missing and checks all. Raises aiokafka's KafkaError when the cluster refuses."""
    outcome = Outcome()
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
    if error is TopicAlreadyExistsError:  # somebody else was quicker; the check says whether it is right
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
    return [
        f"{topic.name}: {name} is {found.get(name, 'not set')}, must be {value}"
        for name, value in wanted.items()
        if not _same(found.get(name), value)
    ]


def _same(found: str | None, wanted: str) -> bool:
    """Kafka lists are sets to us: `delete,compact` is `compact,delete`."""
    return found is not None and set(found.split(",")) == set(wanted.split(","))


async def _layout(admin: AIOKafkaAdminClient, name: str) -> dict[str, str]:
    described = (await admin.describe_topics([name]))[0]
    if described["error_code"] != 0:
        raise for_code(described["error_code"])(name)
    partitions = described["partitions"]
    fewest = min((len(partition["replicas"]) for partition in partitions), default=0)
    return {"partitions": str(len(partitions)), "replication": str(fewest)}


async def _settings(admin: AIOKafkaAdminClient, name: str) -> dict[str, str]:
    responses = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
    code, message, _, _, entries = responses[0].resources[0]
    if code != 0:
        raise KafkaError(f"{name}: {message}")
    return {entry[0]: entry[1] for entry in entries}
