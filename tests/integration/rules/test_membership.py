"""Whether a worker is still a member of its group, asked of a real coordinator."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaConsumer

from schemas.topics import CASES
from services.chassis.kafka.membership import check_membership
from services.chassis.process.errors import TryAgain


@pytest.fixture
async def member(kafka: str) -> AsyncIterator[AIOKafkaConsumer]:
    """The only member of a group, with its partitions."""
    consumer = AIOKafkaConsumer(
        CASES,
        bootstrap_servers=kafka,
        group_id=f"test-{uuid.uuid4().hex}",
        enable_auto_commit=False,
        rebalance_timeout_ms=1000,  # a consumer that was left out joins again before it can be stopped
    )
    await consumer.start()
    yield consumer
    await consumer.stop()


async def test_a_member_is_confirmed(member: AIOKafkaConsumer) -> None:
    assert member.assignment()
    await check_membership(member)


async def test_a_consumer_that_left_the_group_is_not_confirmed(member: AIOKafkaConsumer) -> None:
    member._coordinator.member_id += "-forgotten"
    with pytest.raises(TryAgain, match="no longer a member of the group"):
        await check_membership(member)


async def test_a_consumer_of_an_older_generation_is_not_confirmed(member: AIOKafkaConsumer) -> None:
    member._coordinator.generation -= 1
    with pytest.raises(TryAgain, match="no longer a member of the group"):
        await check_membership(member)


async def test_without_a_coordinator_no_member_is_confirmed(member: AIOKafkaConsumer) -> None:
    member._coordinator.coordinator_dead()
    with pytest.raises(TryAgain):
        await check_membership(member)
