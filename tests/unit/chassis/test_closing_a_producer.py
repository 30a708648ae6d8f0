"""A failed producer is closed, after any error of aiokafka's own tasks."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka.errors import KafkaError

from services.chassis.kafka.producer import Producer


class Closing:
    """Something to close, which ends with the given error or after the given seconds."""

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
async def test_connections_are_closed_after_any_error_of_the_sender(ends: Any) -> None:
    sender, client = Closing(ends), Closing()
    async with asyncio.timeout(5.0):
        await a_producer(sender, client).stop()
    assert (sender.closed, client.closed) == (True, True)


async def test_an_error_while_closing_connections_does_not_matter() -> None:
    async with asyncio.timeout(5.0):
        await a_producer(Closing(), Closing(OSError("reset"))).stop()
