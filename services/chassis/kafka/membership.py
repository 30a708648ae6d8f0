"""Whether Kafka still counts this process in: asked before a partition is taken from anybody."""

from __future__ import annotations

import asyncio
from typing import Final

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from services.chassis.kafka import private_names
from services.chassis.process.errors import TryAgain

ASK_SECONDS: Final = 3.0


async def check_membership(consumer: AIOKafkaConsumer) -> None:
    """Ask the group's coordinator. Raises TryAgain unless it says that we are in, as of this generation.

    A process that was stopped for long, or cut off from Kafka but not from Redis, believes in its partitions
    until it hears otherwise. aiokafka 0.14 asks only every heartbeat, and has no word for asking now.
    """
    try:
        async with asyncio.timeout(ASK_SECONDS):
            counted_in = await private_names.heartbeat(consumer)
    except (KafkaError, TimeoutError) as error:
        raise TryAgain(f"the group did not answer: {type(error).__name__}") from error
    if not counted_in:
        raise TryAgain("the group does not count us in")
