"""Changing the settings of a topic."""

from __future__ import annotations

from collections.abc import Mapping

from aiokafka.admin import AIOKafkaAdminClient, NewPartitions
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

SET_ON_THE_TOPIC = 1


async def set_topic(bootstrap: str, topic: str, settings: Mapping[str, str]) -> None:
    """Change these settings; the others stay."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        asked = ConfigResource(ConfigResourceType.TOPIC, topic)
        entries = (await admin.describe_configs([asked]))[0].resources[0][4]
        now = {entry[0]: entry[1] for entry in entries if entry[3] == SET_ON_THE_TOPIC}
        changed = ConfigResource(ConfigResourceType.TOPIC, topic, configs={**now, **settings})
        await admin.alter_configs([changed])
    finally:
        await admin.close()


async def add_partitions(bootstrap: str, topic: str, number: int) -> None:
    """Raise the number of partitions to `number`."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_partitions({topic: NewPartitions(number)})
    finally:
        await admin.close()
