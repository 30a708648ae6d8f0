"""The check that Kafka and Redis have the settings that the ledger needs (docs/ledger.md, Topics)."""

from __future__ import annotations

from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, for_code
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from schemas.topics import CASES_RETENTION_MS, SAME_PARTITIONS, TOPICS, Sizes, differences
from services.chassis.process.errors import TryAgain
from services.chassis.redis import answering

ADMIN_TIMEOUT_MS: Final = 5_000
OLDEST_REDIS: Final = 7
"""Since version 7 a restart always forgets scripts, and so workers notice it."""
REDIS_SETTINGS: Final = {
    "maxmemory-policy": "noeviction",
    "appendonly": "yes",
    "hash-max-listpack-entries": "512",
}


async def check_settings(*, bootstrap: str, redis: Redis, sizes: Sizes) -> list[str]:
    """Every setting that differs, one sentence each. Raises TryAgain when Kafka or Redis is away."""
    return [*await check_kafka(bootstrap, sizes), *await check_redis(redis)]


async def check_redis(redis: Redis) -> list[str]:
    """The settings of Redis that differ, or that cannot be read."""
    client: Any = redis  # redis-py types its commands for both kinds of client at once
    try:
        with answering("redis"):
            found = {name: (await client.config_get(name)).get(name) for name in REDIS_SETTINGS}
            server: dict[str, Any] = await client.info("server")
    except ResponseError as error:
        return [f"redis: its settings cannot be read, so allow CONFIG GET and INFO: {error}"]
    version = str(server.get("valkey_version") or server["redis_version"])
    problems = differences("redis", {name: _text(value) for name, value in found.items()}, REDIS_SETTINGS)
    if int(version.split(".")[0]) < OLDEST_REDIS:
        problems.append(f"redis: version is {version}, must be {OLDEST_REDIS} or newer")
    return problems


async def check_kafka(bootstrap: str, sizes: Sizes) -> list[str]:
    """The settings that differ, of the broker and of the topics that the ledger relies on."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=ADMIN_TIMEOUT_MS)
    try:
        await admin.start()
        problems = await _topics(admin, sizes)
        broker = (await admin.describe_cluster())["brokers"][0]["node_id"]
        settings = await _settings(admin, ConfigResourceType.BROKER, str(broker))
        return problems + _too_short(
            "kafka", "offsets.retention.minutes", settings, CASES_RETENTION_MS // 60_000
        )
    except (KafkaError, OSError) as error:
        raise TryAgain(f"kafka does not answer: {error!r}") from error
    finally:
        await admin.close()


async def _topics(admin: AIOKafkaAdminClient, sizes: Sizes) -> list[str]:
    problems: list[str] = []
    counts: dict[str, int] = {}
    described = await admin.describe_topics(list(SAME_PARTITIONS))
    layouts = {one["topic"]: one for one in described}
    for topic in TOPICS:
        if topic.name not in SAME_PARTITIONS:
            continue
        layout = layouts[topic.name]
        if layout["error_code"] != 0:
            problems.append(f"{topic.name}: {for_code(layout['error_code']).__name__}; run `mandaat topics`")
            continue
        counts[topic.name] = len(layout["partitions"])
        found = await _settings(admin, ConfigResourceType.TOPIC, topic.name)
        found["replication"] = str(min(len(one["replicas"]) for one in layout["partitions"]))
        wanted = {**topic.config(sizes), "replication": str(sizes.replication)}
        problems += differences(topic.name, found, wanted)
    if len({*counts.values(), sizes.partitions}) > 1:
        each = ", ".join(f"{name} has {count}" for name, count in counts.items())
        problems.append(f"partitions: {each}, and MANDAAT_PARTITIONS is {sizes.partitions}; must be the same")
    return problems


async def _settings(admin: AIOKafkaAdminClient, kind: ConfigResourceType, name: str) -> dict[str, str | None]:
    (response,) = await admin.describe_configs([ConfigResource(kind, name)])
    code, message, _, _, entries = response.resources[0]
    if code != 0:
        raise for_code(code)(f"{name}: {message}")
    return {entry[0]: entry[1] for entry in entries}


def _too_short(where: str, name: str, found: dict[str, str | None], least: int) -> list[str]:
    value = found.get(name)
    if value is None or int(value) < least:
        return [f"{where}: {name} is {value}, must be {least} or more"]
    return []


def _text(value: Any) -> str | None:
    return value.decode() if isinstance(value, bytes) else value
