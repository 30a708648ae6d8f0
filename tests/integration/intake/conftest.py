"""Intake as a process of its own, with a real Kafka and a real Redis."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from deploy.local.stack import Stack
from services.chassis.kafka.dead_letters import ConsumedRecord
from services.cli.kafka import read_to_the_end
from services.cli.kept_dead_letters import KeptDeadLetter, read_dead_letter
from tests.raw_records import Raw, produce_raw

MARK = "x-mark"
"""An ordinary header, by which a test finds its records again."""
BATCH = 1_000


@pytest.fixture
def intake(backing: Stack) -> Stack:
    """The stack with Kafka, Redis and one intake, whatever the test before stopped."""
    backing.up(["kafka", "redis", "intake"])
    return backing


async def publish(bootstrap: str, records: Sequence[Raw]) -> None:
    """Appends to one partition of mandaat.inbound, in order, whatever the records are."""
    for start in range(0, len(records), BATCH):
        await produce_raw(bootstrap, "mandaat.inbound", records[start : start + BATCH])


async def records_of(bootstrap: str, topic: str, tenant: str) -> list[ConsumedRecord]:
    """What the topic holds under keys of that tenant."""
    prefix = f"{tenant}/".encode()
    return [
        record
        async for record in read_to_the_end(bootstrap, topic)
        if record.key is not None and record.key.startswith(prefix)
    ]


async def letters_of(bootstrap: str, mark: str) -> dict[str, KeptDeadLetter]:
    """Dead letters whose header MARK begins so, by the rest of it."""
    found: dict[str, KeptDeadLetter] = {}
    async for record in read_to_the_end(bootstrap, "mandaat.dead-letters"):
        letter = read_dead_letter(record)
        marked = (dict(letter.headers).get(MARK) or b"").decode()
        if marked.startswith(f"{mark}/"):
            found[marked.removeprefix(f"{mark}/")] = letter
    return found
