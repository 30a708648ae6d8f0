"""Publishing records that producers refuse: header names that are not UTF-8, null keys and values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy

NOT_UTF8_NAME = b"\xff\xfe-name"


class RawName(str):
    """A header name whose bytes are not the UTF-8 of its text."""

    __slots__ = ()

    def encode(self, *_: object) -> bytes:
        """Its bytes."""
        return NOT_UTF8_NAME


class Raw(NamedTuple):
    """A record, exactly as it will be in the log."""

    value: bytes | None = b"{}"
    key: bytes | None = b"k"
    headers: Sequence[tuple[str, bytes | None]] = ()
    timestamp_ms: int | None = None


BAD_NAME = Raw(value=b"bad name", headers=[("before", b"1"), (RawName("x"), b"2")])


def batch_of(records: Sequence[Raw]) -> bytes:
    """One record batch, as it is in the log at offset 0."""
    return bytes(_fill(_builder(), records).build())


async def produce_raw(
    bootstrap: str, topic: str, records: Sequence[Raw], *, partition: int = 0, max_request_size: int = 8 << 20
) -> int:
    """Append the records as one batch. Returns the offset of the first."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, acks="all", max_request_size=max_request_size, max_batch_size=8 << 20
    )
    await producer.start()
    try:
        batch = producer.create_batch()
        batch._builder = _fill(_builder(), records)
        batch._relative_offset = len(records)
        acknowledged = await producer.send_batch(batch, topic, partition=partition)
        return int((await acknowledged).offset)
    finally:
        await producer.stop()


def _builder() -> Any:
    return _DefaultRecordBatchBuilderPy(
        magic=2,
        compression_type=0,
        is_transactional=0,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=0,
        batch_size=8 << 20,
    )


def _fill(builder: Any, records: Sequence[Raw]) -> Any:
    for offset, raw in enumerate(records):
        added = builder.append(offset, raw.timestamp_ms, raw.key, raw.value, list(raw.headers))
        assert added is not None, "the batch is full"
    return builder
