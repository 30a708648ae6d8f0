from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest

from schemas.errors import Unreadable
from schemas.topics import DEAD_LETTER_LIMIT_BYTES, DEAD_LETTERS
from services.chassis.kafka.dead_letters import ConsumedRecord, DeadLetters
from services.chassis.kafka.producer import Outgoing, Producer, partition_for
from services.chassis.process.metrics import Metrics
from tests.builders.records import a_record


class Kept:
    """A producer that stores the records it is given."""

    def __init__(self) -> None:
        self.records: list[Outgoing] = []

    async def send_all(self, records: Sequence[Outgoing], **_: Any) -> list[int]:
        self.records += records
        return list(range(len(records)))


def an_inbound_record(value: bytes | None = b"{", **changes: Any) -> ConsumedRecord:
    fields: dict[str, Any] = {
        "topic": "mandaat.inbound",
        "partition": 3,
        "offset": 17,
        "key": b"acme/c-1",
        "headers": (("content-type", b"x"), ("null", None), ("content-type", b"\xff")),
    }
    return a_record(value, **fields | changes)


async def letter_of(record: ConsumedRecord, why: Unreadable) -> Outgoing:
    kept = Kept()
    await DeadLetters(cast("Producer", kept), "intake", Metrics()).put_all([(record, why)])
    return kept.records[0]


async def test_a_dead_letter_has_the_bytes_key_headers_reason_and_origin() -> None:
    record = an_inbound_record()
    letter = await letter_of(record, Unreadable("not_json", "The body ends at line 1."))
    assert (letter.topic, letter.key, letter.value) == (DEAD_LETTERS, b"acme/c-1", b"{")
    assert tuple(letter.headers[:3]) == record.headers
    assert dict(letter.headers[3:]) == {
        "mandaat-reason": b"not_json",
        "mandaat-detail": b"The body ends at line 1.",
        "mandaat-service": b"intake",
        "mandaat-topic": b"mandaat.inbound",
        "mandaat-partition": b"3",
        "mandaat-offset": b"17",
    }


async def test_null_stays_null_and_empty_stays_empty() -> None:
    why = Unreadable("null_value", "No value.")
    assert (await letter_of(an_inbound_record(value=None, key=None), why)).value is None
    assert (await letter_of(an_inbound_record(value=b""), why)).value == b""


async def test_a_header_name_that_is_not_utf8_is_written_as_text() -> None:
    letter = await letter_of(
        an_inbound_record(headers=(("\udcff-x", b"1"),)), Unreadable("header_name_not_utf8", "A name.")
    )
    assert letter.headers[0] == ("\\xff-x", b"1")


@pytest.mark.parametrize("size", [0, 10_000_000])
async def test_a_letter_that_is_too_large_is_cut_and_marked(size: int) -> None:
    headers = (("big", b"h" * 6_000_000),) if size == 0 else ()
    record = an_inbound_record(value=b"x" * size, headers=headers)
    letter = await letter_of(record, Unreadable("too_large", "Too large."))
    total = len(letter.value or b"") + sum(len(name) + len(value or b"") for name, value in letter.headers)
    assert total < DEAD_LETTER_LIMIT_BYTES
    assert dict(letter.headers)["mandaat-cut-from-bytes"] == str(size).encode()
    assert dict(letter.headers)["mandaat-offset"] == b"17"


@pytest.mark.parametrize(
    ("key", "hashed"),
    # From Kafka's own UtilsTest.testMurmur2.
    [(b"21", -973932308), (b"foobar", -790332482), (b"a-little-bit-long-string", -985981536)],
)
def test_keys_are_partitioned_like_kafkas_default_partitioner_does(key: bytes, hashed: int) -> None:
    assert partition_for(key, 6) == (hashed & 0x7FFFFFFF) % 6
