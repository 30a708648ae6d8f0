"""Find the Kafka and Redis of a command: its option, else the setting, else the local stack."""

from __future__ import annotations

import os
import sys
from typing import Any, Final, TypeVar

import typer

from deploy.local.settings import Ports, state_dir
from deploy.local.stack import SIZES, Stack
from services.chassis.process.errors import ConfigurationError
from services.chassis.process.settings import Settings, TopicSettings
from services.cli.exit_codes import CALLED_WRONGLY

KAFKA: Final = "MANDAAT_KAFKA_BOOTSTRAP"
REDIS: Final = "MANDAAT_REDIS_URL"


Chosen = TypeVar("Chosen", bound=Settings)


def settings_of(kind: type[Chosen], **values: Any) -> Chosen:
    """The settings of this kind. Exits with 2, and a sentence for each, if some are wrong."""
    try:
        return kind(**values)
    except ConfigurationError as error:
        sys.stderr.write(f"mandaat: {error}\n")
        raise typer.Exit(CALLED_WRONGLY) from None


def kafka_settings(option: str | None = None) -> TopicSettings:
    """The address, and the sizes of topics; for the local stack its own sizes.

    Exits with 2 if no address is given and no local Kafka is running.
    """
    if option:
        return settings_of(TopicSettings, kafka_bootstrap=option)
    if os.environ.get(KAFKA):
        return settings_of(TopicSettings)
    return TopicSettings(
        kafka_bootstrap=_local("kafka", "Kafka", f"--kafka or {KAFKA}").bootstrap,
        partitions=SIZES.partitions,
        replication=SIZES.replication,
        fence_seconds=SIZES.fence_ms / 1000,
        clock_seconds=SIZES.clock_ms / 1000,
    )


def redis_url(option: str | None = None) -> str:
    """The address, with password. Exits with 2 if none is given and no local Redis is running."""
    return option or os.environ.get(REDIS) or _local("redis", "Redis", f"--redis or {REDIS}").redis_url


def _local(name: str, title: str, options: str) -> Stack:
    """The local stack, if this part of it is running. Another process on its port does not count."""
    stack = Stack(state_dir(), settings_of(Ports))
    if stack.running(name):
        return stack
    if (stack.state / "processes").is_dir():
        text = f"the {title} of the local stack is not running: start it with `mandaat local up`, "
        text += f"or use {options}"
    else:
        text = f"unknown address of {title}: use {options}; there is no local stack in {stack.state}"
    sys.stderr.write(f"mandaat: {text}\n")
    raise typer.Exit(CALLED_WRONGLY)
