"""Kafka as the command line meets it: where it is, reading a topic once, and saying that it is away."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Coroutine
from typing import Annotated, Any, Final, TypeVar

import structlog
import typer
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from services.chassis import lenient_headers
from services.chassis.dead_letters import Record
from services.chassis.errors import TryAgain
from services.cli.policy import CALLED_WRONGLY
from services.cli.where import kafka_settings

Answer = TypeVar("Answer")

SETTING: Final = "MANDAAT_KAFKA_BOOTSTRAP"
CONNECT_SECONDS: Final = 10.0
SILENT_SECONDS: Final = 15.0

Bootstrap = Annotated[
    str | None,
    typer.Option(
        "--kafka", metavar="HOST:PORT", help=f"Where Kafka is; else {SETTING}, else the local stack."
    ),
]


class Away(Exception):  # noqa: N818 - says what is the matter, as TryAgain does
    """Kafka cannot be reached, or does not have the topic."""


def bootstrap_of(option: str | None) -> str:
    """The address: as called, else as set, else of the local stack where one runs, else Kafka's usual one."""
    return option or kafka_settings().kafka_bootstrap


def run(work: Coroutine[Any, Any, Answer]) -> Answer:
    """Runs the work of a command; exits with 2 and one line when Kafka is away. Logs go to stderr."""
    structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))
    try:
        return asyncio.run(work)
    except (Away, TryAgain) as away:
        sys.stderr.write(f"mandaat: {away}; is it up? --kafka or {SETTING} say where.\n")
        raise typer.Exit(CALLED_WRONGLY) from away


async def read_to_the_end(bootstrap: str, topic: str) -> AsyncIterator[Record]:
    """Every record that the topic holds now, partition by partition. Joins no group. Raises Away."""
    lenient_headers.install()
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=8 * 1024 * 1024,
    )
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            await consumer.start()
    except (KafkaError, OSError, TimeoutError) as error:
        await consumer.stop()
        raise Away(f"no connection to kafka at {bootstrap}") from error
    try:
        for partition in sorted(await _partitions(consumer, topic)):
            async for record in _of_partition(consumer, TopicPartition(topic, partition)):
                yield record
    finally:
        await consumer.stop()


async def _partitions(consumer: AIOKafkaConsumer, topic: str) -> set[int]:
    cluster = await consumer._client.fetch_all_metadata()
    found: set[int] | None = cluster.partitions_for_topic(topic)
    if not found:
        raise Away(f"kafka has no topic {topic}")
    return found


async def _of_partition(consumer: AIOKafkaConsumer, tp: TopicPartition) -> AsyncIterator[Record]:
    consumer.assign([tp])
    await consumer.seek_to_beginning(tp)
    end = (await consumer.end_offsets([tp]))[tp]
    while await consumer.position(tp) < end:
        try:
            async with asyncio.timeout(SILENT_SECONDS):
                polled: dict[TopicPartition, list[Record]] = await consumer.getmany(tp, timeout_ms=1000)
        except (KafkaError, TimeoutError) as error:
            raise Away(f"kafka stopped answering ({type(error).__name__})") from error
        for record in polled.get(tp, ()):
            if record.offset < end:
                yield record
