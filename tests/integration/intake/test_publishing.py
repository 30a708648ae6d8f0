"""The contract of publishing and of dead letters, for the real ones and for their doubles."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import NamedTuple

import pytest

from schemas.errors import Unreadable
from services.chassis.kafka.dead_letters import DeadLetters
from services.chassis.kafka.producer import Outgoing, Producer
from services.chassis.process.errors import TryAgain
from services.intake.accepting import Publisher
from services.intake.doors import inbound
from tests.builders.records import a_record
from tests.conftest import MakeTopic
from tests.doubles.intake import FakeDeadLetters, FakePublisher


class Publishing(NamedTuple):
    """A publisher and its dead letters, each with a topic of its own."""

    publisher: Publisher
    dead_letters: inbound.DeadLetters
    topic: str
    kept: Callable[[], Awaitable[int]]
    """The number of dead letters that are kept."""


@pytest.fixture(params=["real", "double"])
async def publishing(request: pytest.FixtureRequest, make_topic: MakeTopic) -> AsyncIterator[Publishing]:
    if request.param == "double":
        letters = FakeDeadLetters()

        async def in_memory() -> int:
            return len(letters.letters)

        yield Publishing(FakePublisher(), letters, "any", in_memory)
        return
    topic, dead_letters = await make_topic(), await make_topic()
    producer = Producer(request.getfixturevalue("kafka"), client_id="test")
    await producer.start()

    async def in_kafka() -> int:
        (offset,) = await producer.send_all([Outgoing(dead_letters, 0, b"k", b"one more")])
        return offset

    yield Publishing(producer, DeadLetters(producer, "intake", topic=dead_letters), topic, in_kafka)
    await producer.stop()


def outgoing(topic: str, count: int) -> Sequence[Outgoing]:
    return [Outgoing(topic, 0, b"k", b"%d" % number) for number in range(count)]


async def test_publishing_returns_the_offsets_in_order(publishing: Publishing) -> None:
    assert await publishing.publisher.send_all(outgoing(publishing.topic, 3)) == [0, 1, 2]
    assert await publishing.publisher.send_all(outgoing(publishing.topic, 2)) == [3, 4]


async def test_publishing_nothing_returns_nothing(publishing: Publishing) -> None:
    assert await publishing.publisher.send_all([]) == []


async def test_each_unreadable_record_becomes_one_dead_letter(publishing: Publishing) -> None:
    why = Unreadable("not_json", "The body is not JSON.")
    await publishing.dead_letters.put_all([(a_record(b"{", offset=n), why) for n in range(3)])
    await publishing.dead_letters.put_all([])
    assert await publishing.kept() == 3


@pytest.mark.parametrize("kind", ["real", "double"])
async def test_without_the_broker_publishing_is_to_be_tried_again(kind: str) -> None:
    if kind == "double":
        publisher: Publisher = FakePublisher()
        publisher.away = True  # type: ignore[attr-defined] # a switch that only the double has
    else:
        publisher = Producer("127.0.0.1:9", client_id="test")
    with pytest.raises(TryAgain):
        await publisher.send_all(outgoing("any", 1), timeout_seconds=0.5)
