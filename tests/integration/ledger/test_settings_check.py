"""The check of the settings that the promises need, on a real Kafka and Redis."""

from __future__ import annotations

from dataclasses import replace

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from redis.asyncio import Redis

from deploy.local.stack import SIZES
from schemas.topics import DECISIONS, Sizes
from services.rules.ledger.settings_check import check_kafka, check_redis, check_settings


async def test_the_local_stack_has_the_settings_that_the_ledger_needs(kafka: str, redis: Redis) -> None:
    assert await check_settings(bootstrap=kafka, redis=redis, sizes=SIZES) == []


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("maxmemory-policy", "allkeys-lru"),
        ("appendonly", "no"),
        ("hash-max-listpack-entries", "64"),
    ],
)
async def test_a_redis_without_persistence_is_named(redis: Redis, setting: str, value: str) -> None:
    before = str((await redis.config_get(setting))[setting])
    await redis.config_set(setting, value)
    try:
        (problem,) = await check_redis(redis)
    finally:
        await redis.config_set(setting, before)
    assert problem.startswith(f"redis: {setting} is {value}, must be ")


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("cleanup.policy", "compact"),
        ("retention.ms", str(7 * 24 * 60 * 60 * 1000)),
        ("message.timestamp.before.max.ms", str(2**63 - 1)),
        ("message.timestamp.type", "LogAppendTime"),
    ],
)
async def test_a_journal_with_a_retention_or_without_a_fence_is_named(
    kafka: str, setting: str, value: str
) -> None:
    before = await changed(kafka, setting, value)
    try:
        (problem,) = await check_kafka(kafka, SIZES)
    finally:
        await changed(kafka, setting, before)
    assert problem.startswith(f"{DECISIONS}: {setting} is {value}, must be ")


async def changed(kafka: str, setting: str, value: str) -> str:
    """Change one setting of a topic and answer the old value."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        topic = ConfigResource(ConfigResourceType.TOPIC, DECISIONS)
        entries = (await admin.describe_configs([topic]))[0].resources[0][4]
        now = {entry[0]: entry[1] for entry in entries if entry[3] == 1 or entry[0] == setting}
        whole = {**now, setting: value}
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, DECISIONS, configs=whole)])
        return str(now[setting])
    finally:
        await admin.close()


@pytest.mark.parametrize(
    ("sizes", "problem"),
    [
        (replace(SIZES, partitions=7), "MANDAAT_PARTITIONS is 7; must be the same"),
        (replace(SIZES, fence_ms=5000), "message.timestamp.before.max.ms is 1000, must be 5000"),
        (replace(SIZES, replication=3), "replication is 1, must be 3"),
    ],
)
async def test_topics_with_another_layout_are_named(kafka: str, sizes: Sizes, problem: str) -> None:
    assert any(problem in one for one in await check_kafka(kafka, sizes))
