from __future__ import annotations

import struct

import pytest
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy
from aiokafka.record.memory_records import MemoryRecords
from hypothesis import given
from hypothesis import strategies as st

from services.chassis.kafka import header_names
from services.chassis.kafka.header_names import LenientRecords, is_undecodable, read_by_hand
from tests.raw_records import BAD_NAME, Raw, batch_of

GOOD = Raw(
    value=b"good", headers=[("content-type", b"a/b"), ("null", None), ("not-utf8", b"\xff"), ("naïef", b"")]
)


def read(data: bytes) -> list[tuple[int, bytes | None, list[tuple[str, bytes | None]]]]:
    records, found = LenientRecords(data), []
    while records.has_next():
        found += [(record.offset, record.value, list(record.headers)) for record in records.next_batch()]
    return found


def test_aiokafka_alone_cannot_read_past_a_bad_name() -> None:
    records = MemoryRecords(batch_of([GOOD, BAD_NAME, GOOD]))
    with pytest.raises((UnicodeDecodeError, CorruptRecordException)):
        list(records.next_batch())


def test_a_record_with_a_bad_name_keeps_its_offset_and_others_are_read() -> None:
    found = read(batch_of([GOOD, BAD_NAME, GOOD]))
    assert [offset for offset, _, _ in found] == [0, 1, 2]
    assert [value for _, value, _ in found] == [b"good", b"bad name", b"good"]
    assert found[0][2] == found[2][2] == list(GOOD.headers)
    assert [is_undecodable(name) for name, _ in found[1][2]] == [False, True]
    assert found[1][2][1][0].encode("utf-8", "surrogateescape") == b"\xff\xfe-name"


def test_the_batches_after_a_bad_name_are_read_too() -> None:
    found = read(batch_of([BAD_NAME]) + batch_of([GOOD]) + batch_of([GOOD, BAD_NAME]))
    assert [value for _, value, _ in found] == [b"bad name", b"good", b"good", b"bad name"]


def test_an_incomplete_batch_at_the_end_of_a_fetch_is_left_for_the_next() -> None:
    whole = batch_of([BAD_NAME])
    assert [value for _, value, _ in read(whole + whole[: len(whole) // 2])] == [b"bad name"]


def test_invalid_bytes_are_a_corrupt_record() -> None:
    data = bytearray(batch_of([GOOD]))
    data[61] ^= 0x55
    with pytest.raises(CorruptRecordException):
        list(read_by_hand(bytes(data)))


def test_a_compressed_batch_with_a_bad_name_is_read() -> None:
    builder = _DefaultRecordBatchBuilderPy(2, 1, 0, -1, -1, 0, 1 << 20)  # gzip
    for offset, raw in enumerate([GOOD] * 50 + [BAD_NAME] + [GOOD] * 50):
        builder.append(offset, 1_000, raw.key, raw.value, list(raw.headers))
    found = read(bytes(builder.build()))
    assert [offset for offset, _, _ in found] == list(range(101))
    assert found[50][1] == b"bad name"


def test_offsets_start_at_the_base_of_the_batch() -> None:
    data = bytearray(batch_of([BAD_NAME, GOOD]))
    struct.pack_into(">q", data, 0, 5_000_000_000)
    assert [offset for offset, _, _ in read(bytes(data))] == [5_000_000_000, 5_000_000_001]


NAMES = st.text(min_size=0, max_size=20).filter(lambda text: not any("\ud800" <= c <= "\udfff" for c in text))
RAWS = st.builds(
    Raw,
    value=st.none() | st.binary(max_size=200),
    key=st.none() | st.binary(max_size=50),
    headers=st.lists(st.tuples(NAMES, st.none() | st.binary(max_size=50)), max_size=4),
    timestamp_ms=st.integers(0, 2**41),
)


@given(st.lists(RAWS, min_size=1, max_size=8))
def test_reading_by_hand_gives_the_same_as_aiokafka(raws: list[Raw]) -> None:
    data = batch_of(raws)
    theirs = [
        (r.offset, r.timestamp, r.timestamp_type, r.key, r.value, list(r.headers))
        for r in MemoryRecords(data).next_batch()
    ]
    ours = [(r.offset, r.timestamp, r.timestamp_type, r.key, r.value, r.headers) for r in read_by_hand(data)]
    assert ours == theirs


def test_installing_twice_is_the_same_as_once() -> None:
    import aiokafka.consumer.fetcher as fetcher

    header_names.install()
    header_names.install()
    assert fetcher.MemoryRecords is LenientRecords
