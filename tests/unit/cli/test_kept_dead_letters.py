"""The content of a dead letter, and which of several are redriven."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from aiokafka import ConsumerRecord

from services.chassis.kafka.dead_letters import ConsumedRecord
from services.cli.dead_letters import Filter
from services.cli.kept_dead_letters import KeptDeadLetter, newest_of_each, read_dead_letter

ABSENT: Any = object()


def a_letter(
    at: int = 0, value: bytes | None = b"hello", key: bytes | None = b"acme/c-1", **says: Any
) -> KeptDeadLetter:
    said = {
        "reason": "not_json",
        "detail": "The body is not JSON.",
        "service": "intake",
        "topic": "mandaat.inbound",
        "partition": "3",
        "offset": "17",
        **says,
    }
    headers = [
        ("x", None),
        *(
            (f"mandaat-{name.replace('_', '-')}", text.encode())
            for name, text in said.items()
            if text is not ABSENT
        ),
    ]
    record: ConsumedRecord = ConsumerRecord(
        topic="mandaat.dead-letters",
        partition=0,
        offset=at,
        timestamp=1_772_438_400_000 + at,
        timestamp_type=0,
        key=key,
        value=value,
        checksum=None,
        serialized_key_size=0,
        serialized_value_size=0,
        headers=tuple(headers),
    )
    return read_dead_letter(record)


def test_a_dead_letter_gives_its_reason_and_source() -> None:
    assert a_letter(5).summary() == {
        "id": "0:5",
        "time": "2026-03-02T08:00:00.005Z",
        "reason": "not_json",
        "detail": "The body is not JSON.",
        "service": "intake",
        "topic": "mandaat.inbound",
        "partition": 3,
        "offset": 17,
        "key": "acme/c-1",
        "bytes": 5,
    }
    assert a_letter().written_at == datetime(2026, 3, 2, 8, tzinfo=UTC)


def test_bytes_that_are_not_text_are_shown_in_base64() -> None:
    whole = a_letter(value=b"\xff\xfe").whole()
    assert (whole["value"], whole["headers"]) == ({"base64": "//4="}, [["x", None]])


def test_a_record_is_redriven_without_the_added_headers() -> None:
    record = a_letter().outgoing()
    assert record == ("mandaat.inbound", 3, b"acme/c-1", b"hello", (("x", None),), None)


@pytest.mark.parametrize(
    ("letter", "able"),
    [
        (a_letter(), True),
        (a_letter(value=None, reason="null_value"), True),
        (a_letter(value=None, reason="header_name_not_utf8"), False),
        (a_letter(topic="mandaat.decisions"), False),
        (a_letter(topic=ABSENT), False),
        (a_letter(partition="x"), False),
        (a_letter(cut_from_bytes="6000000"), False),
    ],
)
def test_only_a_complete_record_can_be_redriven(letter: KeptDeadLetter, able: bool) -> None:
    assert (letter.cannot_be_redriven is None) is able


def test_only_the_newest_dead_letter_of_a_record_is_redriven() -> None:
    first, again, other = a_letter(1, offset="17"), a_letter(2, offset="18"), a_letter(3, value=b"x")
    kept, doubles = newest_of_each([first, again, other])
    assert [letter.id for letter in kept] == ["0:2", "0:3"]
    assert doubles == {"0:1": "0:2"}


@pytest.mark.parametrize(
    ("chosen", "takes"),
    [
        (Filter(), True),
        (Filter(reasons=("conflict", "not_json")), True),
        (Filter(reasons=("conflict",)), False),
        (Filter(topic="mandaat.cases"), False),
        (Filter(tenant="acme"), True),
        (Filter(tenant="acm"), False),
        (Filter(key="acme/c-1"), True),
        (Filter(key="acme/c-2"), False),
    ],
)
def test_filters_choose_by_reason_topic_tenant_and_key(chosen: Filter, takes: bool) -> None:
    assert chosen.chooses(a_letter()) is takes


@pytest.mark.parametrize(
    ("letter", "tenants"),
    [
        (a_letter(), {"acme"}),
        (a_letter(key=b"acme", topic="mandaat.policies"), {"acme"}),
        (a_letter(key=None, value=b'{"tenant": "acme", "case_id": 7}'), {"acme"}),
        (a_letter(key=b"c-1", value=b'{"tenant": "acme"}'), {"acme"}),
        (a_letter(key=None, value=b'{"specversion": "1.0", "data": {"tenant": "acme"}}'), {"acme"}),
        (a_letter(key=None, value=b'{"tenant": "acme", "data": {"tenant": "other"}}'), {"acme", "other"}),
        (a_letter(key=b"acme/c-1", value=b'{"tenant": "other"}'), {"acme", "other"}),
        *(
            (a_letter(key=None, value=value), set())
            for value in (None, b"", b"hello", b"[1]", b'{"tenant": 7}', b"\xff", b"[" * 100_000)
        ),
    ],
)
def test_the_tenant_of_a_dead_letter_may_stand_in_its_value(
    letter: KeptDeadLetter, tenants: set[str]
) -> None:
    assert letter.tenants == tenants
    for tenant in ("acme", "other"):
        assert Filter(tenant=tenant).chooses(letter) == (tenant in tenants)
    assert Filter(tenant="acme").cannot_tell(letter) == (not tenants)
    assert not Filter(tenant="acme", reasons=("conflict",)).cannot_tell(letter)
    assert not Filter().cannot_tell(letter)
