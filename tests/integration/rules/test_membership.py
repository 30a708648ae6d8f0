"""Whether Kafka still counts a worker in, asked of a real group coordinator."""

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
        rebalance_timeout_ms=1000,  # who was left out joins again before it can be stopped
    )
    await consumer.start()
    yield consumer
    await consumer.stop()


async def test_a_member_is_counted_in(member: AIOKafkaConsumer) -> None:
    assert member.assignment()
    await check_membership(member)


async def test_who_was_left_out_hears_so(member: AIOKafkaConsumer) -> None:
    member._coordinator.member_id += "-forgotten"
    with pytest.raises(TryAgain, match="does not count us in"):
        await check_membership(member)


async def test_who_missed_a_generation_hears_so(member: AIOKafkaConsumer) -> None:
    member._coordinator.generation -= 1
    with pytest.raises(TryAgain, match="does not count us in"):
        await check_membership(member)


async def test_without_a_coordinator_nobody_is_counted_in(member: AIOKafkaConsumer) -> None:
    member._coordinator.coordinator_dead()
    with pytest.raises(TryAgain):
        await check_membership(member)
