"""A producer that failed is ended for good, whatever aiokafka's own tasks end in."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka.errors import KafkaError

from services.chassis.kafka.producer import Producer


class Closing:
    """Something to be closed, which ends as it is told to."""

    def __init__(self, ends: BaseException | float | None = None) -> None:
        self._ends = ends
        self.closed = False
        self.sender_task = None

    async def close(self) -> None:
        self.closed = True
        if isinstance(self._ends, BaseException):
            raise self._ends
        await asyncio.sleep(self._ends or 0.0)


def a_producer(sender: Closing, client: Closing) -> Producer:
    async def flush() -> None:
        pass

    accumulator = SimpleNamespace(fail_all=lambda _: None, _batches=defaultdict(list), _pending_batches=())
    inner = SimpleNamespace(_sender=sender, client=client, _message_accumulator=accumulator, flush=flush)
    producer = Producer("nowhere", client_id="test")
    producer._inner = cast("Any", inner)
    return producer


@pytest.mark.parametrize(
    "ends", [None, KeyError("batch"), KafkaError("gone"), OSError("reset"), asyncio.CancelledError(), 60.0]
)
async def test_connections_are_closed_whatever_the_sender_ends_in(ends: Any) -> None:
    sender, client = Closing(ends), Closing()
    async with asyncio.timeout(5.0):
        await a_producer(sender, client).stop()
    assert (sender.closed, client.closed) == (True, True)


async def test_connections_that_cannot_be_closed_stop_nobody() -> None:
    async with asyncio.timeout(5.0):
        await a_producer(Closing(), Closing(OSError("reset"))).stop()
