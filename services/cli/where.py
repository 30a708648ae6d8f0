"""Which Kafka a command talks to: the one the environment names, else the local stack, if that runs."""

from __future__ import annotations

import os

from deploy.local.settings import Ports, state_dir
from deploy.local.stack import SIZES, Stack
from services.chassis.settings import TopicSettings


def kafka_settings() -> TopicSettings:
    """MANDAAT_KAFKA_BOOTSTRAP and its like; with none set, those of the stack of `mandaat local up`."""
    if not os.environ.get("MANDAAT_KAFKA_BOOTSTRAP"):
        stack = Stack(state_dir(), Ports())
        if stack.running("kafka"):
            return TopicSettings(
                kafka_bootstrap=stack.bootstrap,
                partitions=SIZES.partitions,
                replication=SIZES.replication,
                fence_seconds=SIZES.fence_ms / 1000,
                clock_seconds=SIZES.clock_ms / 1000,
            )
    return TopicSettings()
