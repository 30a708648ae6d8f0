"""Publishing a round to the journal, with an outcome for each partition (docs/ledger.md, One round)."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Iterator, Sequence
from typing import Final, NamedTuple

from services.chassis.kafka.producer import BATCH_BYTES, Outgoing, Producer
from services.chassis.process.errors import SendFailed, TryAgain
from services.chassis.process.failpoints import SENT_SECONDS, Point, is_armed, reach

PUBLISH_SECONDS: Final = 4.0
"""A publish that is not acknowledged within this time has failed."""
_OVERHEAD_BYTES: Final = 128
"""An upper bound of what a record takes in a batch besides key, value and headers."""


class JournalRecord(NamedTuple):
    """A record of the journal, byte for byte."""

    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes | None], ...]


class JournalEntry(NamedTuple):
    """All records of one input, for partition p. They land together or not at all.

    `timestamp_ms` is its sequence / 1000; for a repeat, the present time by Redis' clock.
    """

    p: int
    timestamp_ms: int
    records: tuple[JournalRecord, ...]


class Landed(NamedTuple):
    """All records of the partition are acknowledged. `next_offset` follows the last."""

    next_offset: int


class NotLanded(NamedTuple):
    """Some records of the partition were refused or not acknowledged in time. They may have landed."""

    why: str


Outcome = Landed | NotLanded


async def publish(
    producer: Producer, topic: str, entries: Sequence[JournalEntry], timeout_seconds: float = PUBLISH_SECONDS
) -> dict[int, Outcome]:
    """Publish in this order: one record batch for each partition, then the next once those are acknowledged.

    Raises ValueError if the records of one input do not fit into a batch.
    """
    deadline = time.monotonic() + timeout_seconds
    outcomes: dict[int, Outcome] = {}
    waiting = {p: whole_batches(mine) for p, mine in _by_partition(entries).items()}
    while wave := {p: batch for p, batches in waiting.items() if (batch := next(batches, None))}:
        if outcomes:
            reach(Point.AFTER_FIRST_BATCH)
        outcomes |= await _send(producer, topic, wave, deadline - time.monotonic())
        waiting = {p: waiting[p] for p in wave if isinstance(outcomes[p], Landed)}
    return outcomes


def whole_batches(
    entries: Sequence[JournalEntry], limit_bytes: int = BATCH_BYTES
) -> Iterator[list[JournalEntry]]:
    """Cut into record batches, never inside an entry. Raises ValueError if one entry is too large."""
    batch: list[JournalEntry] = []
    filled = 0
    for entry in entries:
        size = sum(map(_size, entry.records))
        if size > limit_bytes:
            raise ValueError(f"the records of one input take {size} bytes, a batch {limit_bytes}")
        if filled + size > limit_bytes:
            yield batch
            batch, filled = [], 0
        batch.append(entry)
        filled += size
    if batch:
        yield batch


async def _send(
    producer: Producer, topic: str, wave: dict[int, list[JournalEntry]], timeout_seconds: float
) -> dict[int, Outcome]:
    outgoing = [
        Outgoing(topic, p, record.key, record.value, record.headers, entry.timestamp_ms)
        for p, batch in wave.items()
        for entry in batch
        for record in entry.records
    ]
    failed: dict[int, str] = {}
    try:
        sending: Awaitable[list[int]] = producer.send_all(outgoing, timeout_seconds=timeout_seconds)
        if is_armed(Point.AFTER_PUBLISH):
            sending = await _on_its_way(sending)
        offsets: Sequence[int | None] = await sending
    except SendFailed as error:
        offsets = error.offsets
        failed = {tp.partition: type(why).__name__ for tp, why in error.failed.items()}
    except TryAgain as error:
        return {p: NotLanded(str(error)) for p in wave}
    newest = {record.partition: offset for record, offset in zip(outgoing, offsets, strict=True)}
    return {p: _outcome(newest[p], failed.get(p)) for p in wave}


async def _on_its_way(sending: Awaitable[list[int]]) -> Awaitable[list[int]]:
    """Let it be sent, and reach the failpoint before the acknowledgements are read."""
    task = asyncio.ensure_future(sending)
    await asyncio.wait([task], timeout=SENT_SECONDS)
    reach(Point.AFTER_PUBLISH)
    return task


def _outcome(newest: int | None, failure: str | None) -> Outcome:
    if failure is not None or newest is None:
        return NotLanded(failure or "no acknowledgement")
    if newest < 0:  # aiokafka 0.14 takes DuplicateSequenceNumber for success, without an offset
        return NotLanded("acknowledged without an offset")
    return Landed(newest + 1)


def _by_partition(entries: Sequence[JournalEntry]) -> dict[int, list[JournalEntry]]:
    mine: defaultdict[int, list[JournalEntry]] = defaultdict(list)
    for entry in entries:
        mine[entry.p].append(entry)
    return mine


def _size(record: JournalRecord) -> int:
    headers = sum(len(name) + len(value or b"") + 10 for name, value in record.headers)
    return len(record.key or b"") + len(record.value) + headers + _OVERHEAD_BYTES
