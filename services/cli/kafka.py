"""Kafka for commands: its address, reading a topic to its end, and the error if it cannot be reached."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Coroutine
from typing import Annotated, Any, TypeVar

import structlog
import typer

from services.chassis.kafka.dead_letters import ConsumedRecord
from services.chassis.kafka.reader import Reader, TopicMissing
from services.chassis.process.errors import TryAgain
from services.cli.addresses import KAFKA as SETTING
from services.cli.addresses import kafka_settings
from services.cli.exit_codes import CALLED_WRONGLY

Answer = TypeVar("Answer")

Bootstrap = Annotated[
    str | None,
    typer.Option(
        "--kafka",
        metavar="HOST:PORT",
        help=f"The address of Kafka; by default {SETTING}, else the local stack.",
    ),
]


class Away(Exception):  # noqa: N818 - named like TryAgain
    """Kafka cannot be reached, or does not have the topic."""


def bootstrap_of(option: str | None) -> str:
    """The address: the option, else the setting, else the local stack. Exits with 2 if there is none."""
    return kafka_settings(option).kafka_bootstrap


def run(work: Coroutine[Any, Any, Answer]) -> Answer:
    """Run the work of a command. Exits with 2 and one line if Kafka cannot be reached. Logs go to stderr."""
    configured = structlog.get_config()
    structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))
    try:
        return asyncio.run(work)
    except (Away, TryAgain) as away:
        sys.stderr.write(f"mandaat: {away}; is it running? Set its address with --kafka or {SETTING}.\n")
        raise typer.Exit(CALLED_WRONGLY) from away
    finally:
        structlog.configure(**configured)


async def read_to_the_end(bootstrap: str, topic: str) -> AsyncIterator[ConsumedRecord]:
    """Every record that the topic holds now, in order within a partition. Raises Away or TryAgain."""
    async with Reader(
        bootstrap, client_id="mandaat-cli", max_partition_fetch_bytes=8 * 1024 * 1024
    ) as reader:
        try:
            partitions = await reader.partitions(topic)
        except TopicMissing as missing:
            raise Away(f"{missing}; create it with `mandaat topics`") from missing
        async for _, records, _ in reader.read(await reader.bounds(partitions)):
            for record in records:
                yield record
