"""Asks whether this process is still a member of its group, before it takes over a partition."""

from __future__ import annotations

import asyncio
from typing import Final

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from services.chassis.kafka import private_names
from services.chassis.process.errors import TryAgain

ASK_SECONDS: Final = 3.0


async def check_membership(consumer: AIOKafkaConsumer) -> None:
    """Ask the coordinator of the group. Raises TryAgain unless this member belongs to the current generation.

    A process that was stopped for long, or that reaches Redis but not Kafka, still takes its partitions for
    its own. aiokafka 0.14 asks only with every heartbeat, and has no public method to ask now.
    """
    try:
        async with asyncio.timeout(ASK_SECONDS):
            is_member = await private_names.heartbeat(consumer)
    except (KafkaError, TimeoutError) as error:
        raise TryAgain(f"the group did not answer: {type(error).__name__}") from error
    if not is_member:
        raise TryAgain("this worker is no longer a member of the group")
