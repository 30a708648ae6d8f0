"""Reads records with header *names* that are not UTF-8.

aiokafka 0.14 decodes names as UTF-8 while it unpacks a batch. On such a record `getmany` raises, again and
again, and loses records of other partitions. Here the batch is read by hand from that record on. Such a name
becomes text with surrogates (PEP 383), so the record keeps its offset, and the records around it are read.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

from aiokafka.errors import CorruptRecordException

from services.chassis.kafka import private_names
from services.chassis.kafka.private_names import MemoryRecords, decode_varint

_LOG_OVERHEAD = 12
_BATCH_LENGTH = struct.Struct(">qi")
_MAGIC_AT = 16
_met = threading.Event()


def install() -> None:
    """From now on every consumer of this process reads such records. Safe to repeat."""
    private_names.replace_memory_records(LenientRecords)


def any_undecodable_met() -> bool:
    """Whether this process has read any batch by hand so far."""
    return _met.is_set()


def is_undecodable(name: str) -> bool:
    """Whether a header name was not UTF-8."""
    return not name.isascii() and any("\udc80" <= char <= "\udcff" for char in name)


class LenientRecords:
    """Like aiokafka's MemoryRecords; keeps the bytes to read a batch by hand."""

    def __init__(self, data: bytes) -> None:
        self._records = MemoryRecords(data)
        self._data = memoryview(data)
        self._at = 0

    def size_in_bytes(self) -> int:
        """The size of the fetched bytes. Their last batch may be cut off."""
        return int(self._records.size_in_bytes())

    def has_next(self) -> bool:
        """Whether another complete batch follows."""
        return bool(self._records.has_next())

    def next_batch(self) -> Any:
        """The next batch; a LenientBatch if its format has headers (magic 2)."""
        batch = self._records.next_batch()
        if batch is None:
            return None
        start = self._at
        _, length = _BATCH_LENGTH.unpack_from(self._data, start)
        self._at = start + _LOG_OVERHEAD + length
        if self._data[start + _MAGIC_AT] < 2:
            return batch
        return LenientBatch(batch, self._data[start : self._at])


class LenientBatch:
    """Like aiokafka's DefaultRecordBatch, but reads on by hand from the first record that fails."""

    def __init__(self, batch: Any, data: memoryview) -> None:
        self._batch = batch
        self._data = data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __next__(self) -> Any:
        return next(self._batch)

    def __iter__(self) -> Iterator[Any]:
        read = 0
        try:
            for record in self._batch:
                yield record
                read += 1
        except (UnicodeDecodeError, CorruptRecordException):
            _met.set()
            yield from islice(read_by_hand(bytes(self._data)), read, None)


class UnpackedRecord(NamedTuple):
    """A record as aiokafka expects it."""

    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]
    checksum: None = None


def read_by_hand(data: bytes) -> Iterator[UnpackedRecord]:
    """The records of one batch of magic 2. Raises CorruptRecordException for other bytes."""
    batch = private_names.uncompressed(data)
    at = batch.position
    for _ in range(batch.size):
        try:
            record, at = _record(batch.header, batch.records, at)
        except (IndexError, ValueError) as error:
            raise CorruptRecordException(f"a record cannot be read: {type(error).__name__}") from error
        yield record


def _record(batch: Any, body: bytearray, at: int) -> tuple[UnpackedRecord, int]:
    length, at = decode_varint(body, at)
    end = at + length
    _, at = decode_varint(body, at)
    timestamp_delta, at = decode_varint(body, at)
    offset_delta, at = decode_varint(body, at)
    key, at = _bytes(body, at)
    value, at = _bytes(body, at)
    count, at = decode_varint(body, at)
    headers: list[tuple[str, bytes | None]] = []
    for _ in range(count):
        name, at = _bytes(body, at)
        content, at = _bytes(body, at)
        headers.append(((name or b"").decode("utf-8", "surrogateescape"), content))
    if at != end:
        raise ValueError("a record does not have the length that it states")
    appended = batch.timestamp_type == batch.LOG_APPEND_TIME
    timestamp = batch.max_timestamp if appended else batch.first_timestamp + timestamp_delta
    offset = batch.base_offset + offset_delta
    return UnpackedRecord(offset, timestamp, batch.timestamp_type, key, value, headers), at


def _bytes(body: bytearray, at: int) -> tuple[bytes | None, int]:
    length, at = decode_varint(body, at)
    if length < 0:
        return None, at
    if at + length > len(body):
        raise IndexError("beyond the end of the batch")
    return bytes(body[at : at + length]), at + length
