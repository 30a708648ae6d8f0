"""Parsing a large row (a policy with thousands of mandates) must not block the event loop."""

from __future__ import annotations

import asyncio
import threading

import pytest

from schemas.errors import Unreadable
from services.chassis.kafka.table import Table
from services.chassis.process.metrics import Metrics
from tests.builders.records import a_record


class Slow:
    """A table that parses a row only when `go_on` is set."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.changes: list[tuple[str, str | None, str | None]] = []
        self.table: Table[str] = Table(
            "mandaat.policies",
            bootstrap="nowhere",
            client_id="test",
            metrics=Metrics(),
            parse=self._parse,
            on_bug=lambda _: None,
            on_change=lambda *change: self.changes.append(change),
            parse_in_thread=True,
        )

    def _parse(self, key: str, value: bytes) -> str:
        if value == b"bug":
            raise KeyError(key)
        if not self.go_on.wait(5):
            raise Unreadable("invalid", "the event loop stood still")
        if value == b"bad":
            raise Unreadable("invalid", "bad")
        return value.decode()

    async def apply(self, *values: bytes | None) -> None:
        """Applies records with the key `acme`, in this order."""
        await self.table._apply_all([a_record(one, topic="mandaat.policies", key=b"acme") for one in values])


async def test_the_event_loop_goes_on_while_a_row_is_parsed() -> None:
    slow = Slow()
    asyncio.get_running_loop().call_soon(slow.go_on.set)  # only called if the loop is not blocked
    await slow.apply(b"1")
    assert slow.table.get("acme") == "1"


async def test_rows_come_in_the_order_of_the_topic() -> None:
    slow = Slow()
    slow.go_on.set()
    await slow.apply(b"1", b"2", None, b"3", b"bad")
    acme = [change[1:] for change in slow.changes]
    assert acme == [(None, "1"), ("1", "2"), ("2", None), (None, "3")]


async def test_a_bug_in_the_thread_is_a_bug() -> None:
    with pytest.raises(KeyError):
        await Slow().apply(b"bug")


async def test_stopping_the_table_does_not_wait_for_a_row() -> None:
    slow = Slow()
    applying = asyncio.create_task(slow.apply(b"1"))
    await asyncio.sleep(0)  # let it begin
    applying.cancel()
    await asyncio.wait([applying], timeout=1)
    assert applying.cancelled()
    slow.go_on.set()
    assert slow.table.get("acme") is None
