"""Which Kafka and Redis a command talks to: as called, else as set, else the local stack's; never a guess."""

from __future__ import annotations

import os
import sys
from typing import Final

import typer

from deploy.local.settings import Ports, state_dir
from deploy.local.stack import SIZES, Stack
from services.chassis.process.settings import TopicSettings
from services.cli.exits import CALLED_WRONGLY

KAFKA: Final = "MANDAAT_KAFKA_BOOTSTRAP"
REDIS: Final = "MANDAAT_REDIS_URL"


def kafka_settings(option: str | None = None) -> TopicSettings:
    """The address and the topics' sizes; the local stack's own sizes where it is the one that is meant.

    Exits with 2 where no address was given and no local Kafka runs.
    """
    if option:
        return TopicSettings(kafka_bootstrap=option)
    if os.environ.get(KAFKA):
        return TopicSettings()
    return TopicSettings(
        kafka_bootstrap=_local("kafka", "Kafka", f"--kafka or {KAFKA}").bootstrap,
        partitions=SIZES.partitions,
        replication=SIZES.replication,
        fence_seconds=SIZES.fence_ms / 1000,
        clock_seconds=SIZES.clock_ms / 1000,
    )


def redis_url(option: str | None = None) -> str:
    """The address, password included. Exits with 2 where none was given and no local Redis runs."""
    return option or os.environ.get(REDIS) or _local("redis", "Redis", f"--redis or {REDIS}").redis_url


def _local(name: str, title: str, options: str) -> Stack:
    """The local stack, where that part of it runs. What may listen on the usual ports is somebody else's."""
    stack = Stack(state_dir(), Ports())
    if stack.running(name):
        return stack
    if (stack.state / "processes").is_dir():
        text = f"the {title} of the local stack is not running: start it with `mandaat local up`, "
        text += f"or use {options}"
    else:
        text = f"unknown address of {title}: use {options}; there is no local stack in {stack.state}"
    sys.stderr.write(f"mandaat: {text}\n")
    raise typer.Exit(CALLED_WRONGLY)
