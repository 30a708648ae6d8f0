"""Kafka as the command line meets it: where it is, reading a topic once, and saying that it is away."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Coroutine
from time import monotonic
from typing import Annotated, Any, Final, TypeVar

import structlog
import typer
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from services.chassis.kafka import lenient_headers, private_names
from services.chassis.kafka.dead_letters import ConsumedRecord
from services.chassis.process.errors import TryAgain
from services.cli.exits import CALLED_WRONGLY
from services.cli.where import KAFKA as SETTING
from services.cli.where import kafka_settings

Answer = TypeVar("Answer")

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
    """The address: as called, else as set, else the local stack's. Exits with 2 where there is none."""
    return kafka_settings(option).kafka_bootstrap


def run(work: Coroutine[Any, Any, Answer]) -> Answer:
    """Runs the work of a command; exits with 2 and one line when Kafka is away. Logs go to stderr."""
    configured = structlog.get_config()
    structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))
    try:
        return asyncio.run(work)
    except (Away, TryAgain) as away:
        sys.stderr.write(f"mandaat: {away}; is it up? --kafka or {SETTING} say where.\n")
        raise typer.Exit(CALLED_WRONGLY) from away
    finally:
        structlog.configure(**configured)


async def read_to_the_end(bootstrap: str, topic: str) -> AsyncIterator[ConsumedRecord]:
    """Every record that the topic holds now, each partition's in order. Joins no group. Raises Away."""
    lenient_headers.install()
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=8 * 1024 * 1024,
        fetch_max_wait_ms=100,
    )
    try:
        ends = await _joined(consumer, topic)
        heard = monotonic()
        while ends:
            polled: dict[TopicPartition, list[ConsumedRecord]] = await consumer.getmany(timeout_ms=200)
            for tp, records in polled.items():
                for record in records:
                    if record.offset < ends.get(tp, 0):
                        yield record
            if polled:
                heard = monotonic()
            elif monotonic() - heard > SILENT_SECONDS:
                raise TimeoutError
            ends = {tp: end for tp, end in ends.items() if await consumer.position(tp) < end}
    except (KafkaError, OSError, TimeoutError) as error:
        raise Away(f"kafka at {bootstrap} does not answer ({type(error).__name__})") from error
    finally:
        await consumer.stop()


async def _joined(consumer: AIOKafkaConsumer, topic: str) -> dict[TopicPartition, int]:
    """The end of each partition that is not empty; the consumer reads them from the beginning."""
    async with asyncio.timeout(CONNECT_SECONDS):
        await consumer.start()
        partitions = await private_names.partitions_of(consumer, topic)
        if not partitions:
            raise Away(f"kafka has no topic {topic}; `mandaat topics` makes it")
        places = [TopicPartition(topic, number) for number in sorted(partitions)]
        first, ends = await consumer.beginning_offsets(places), await consumer.end_offsets(places)
    consumer.assign(places)
    for tp in places:
        consumer.seek(tp, first[tp])
    return {tp: ends[tp] for tp in places if first[tp] < ends[tp]}
