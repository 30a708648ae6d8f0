"""What the notifier keeps of dead letters."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from schemas.topics import CASES, DECISIONS, INBOUND, REPLIES
from services.notifier import failures
from services.notifier.failures import FailedRecords, read_failed
from tests.builders.cases import a_case_body
from tests.builders.events import a_submitted_event, a_verdict_event, a_withdrawn_event

KEY = b"acme/c-1"


def a_dead_letter(event: Any, topic: str = CASES, *, offset: int = 7, key: bytes | None = KEY) -> Any:
    """The record in mandaat.dead-letters of a record with this event."""
    headers = (
        ("mandaat-reason", b"unknown_tenant"),
        ("mandaat-detail", b"The tenant is unknown."),
        ("mandaat-topic", topic.encode()),
        ("mandaat-partition", b"3"),
        ("mandaat-offset", str(offset).encode()),
    )
    value = event if isinstance(event, bytes) else json.dumps(event).encode()
    return SimpleNamespace(key=key, value=value, headers=headers, timestamp=1_772_438_400_000)


def kept(*letters: Any) -> FailedRecords:
    """The failed records after these dead letters."""
    records = FailedRecords(
        "127.0.0.1:1", kept=timedelta(days=1), clock=lambda: datetime.now(UTC), on_bug=lambda _: None
    )
    for one in letters:
        records.take_in(one)
    return records


def test_a_submission_that_became_a_dead_letter_says_of_which_request_it_is_and_why() -> None:
    (failed,) = kept(a_dead_letter(a_submitted_event())).of("acme/c-1")
    assert (failed.of, failed.request_id, failed.reason) == ("submission", "r1", "unknown_tenant")
    assert (failed.detail, failed.time) == ("The tenant is unknown.", datetime(2026, 3, 2, 8, tzinfo=UTC))


def test_a_reply_that_became_a_dead_letter_says_who_gave_it() -> None:
    (failed,) = kept(a_dead_letter(a_verdict_event("reject"), REPLIES)).of("acme/c-1")
    assert (failed.of, failed.reply_id, failed.giver, failed.verdict) == (
        "reply",
        "reply-1",
        "lead-north",
        "reject",
    )


def test_a_withdrawal_that_became_a_dead_letter_does_not_make_its_request_fail() -> None:
    (failed,) = kept(a_dead_letter(a_withdrawn_event())).of("acme/c-1")
    assert (failed.of, failed.is_final) == ("withdrawal", False)


@pytest.mark.parametrize("value", [b"", b"\x00", b"{}", b"null", b"[1]", b'{"type":["x"],"data":{}}'])
def test_a_dead_letter_that_names_no_request_is_ignored(value: bytes) -> None:
    assert read_failed(a_dead_letter(value)) is None


@pytest.mark.parametrize("data", [None, 1, [], "text", {}, {"request": None}, {"request": ["r1"]}])
def test_a_dead_letter_with_nonsense_inside_is_ignored(data: Any) -> None:
    assert read_failed(a_dead_letter(a_submitted_event() | {"data": data})) is None


@pytest.mark.parametrize("topic", [INBOUND, DECISIONS, "another"])
def test_a_dead_letter_from_another_topic_says_nothing_of_an_accepted_case(topic: str) -> None:
    assert kept(a_dead_letter(a_submitted_event(), topic)).of("acme/c-1") == ()


@pytest.mark.parametrize("key", [None, b"", b"\xff", b"acme"])
def test_a_dead_letter_without_the_key_of_a_case_is_ignored(key: bytes | None) -> None:
    assert not kept(a_dead_letter(a_submitted_event(), key=key))._by_case


def test_a_dead_letter_that_is_read_twice_is_kept_once() -> None:
    letter, other = a_dead_letter(a_submitted_event()), a_dead_letter(a_submitted_event(), offset=8)
    assert len(kept(letter, other, letter).of("acme/c-1")) == 2


def test_what_is_remembered_of_failures_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "CASES_KEPT", 2)
    event = a_submitted_event()
    many = [a_dead_letter(event, offset=number) for number in range(100)]
    records = kept(*many, *(a_dead_letter(event, key=f"acme/c-{n}".encode()) for n in range(2, 4)))
    assert records.of("acme/c-1") == ()
    assert len(kept(*many).of("acme/c-1")) == failures.KEPT_OF_A_CASE


def test_no_words_of_people_are_kept() -> None:
    event = a_submitted_event(a_case_body(subject="about my neighbour"))
    assert "neighbour" not in repr(kept(a_dead_letter(event)).of("acme/c-1"))


@pytest.mark.parametrize("timestamp", [10**17, -(10**18)])
def test_a_dead_letter_of_an_impossible_time_is_ignored(timestamp: int) -> None:
    letter = a_dead_letter(a_submitted_event())
    letter.timestamp = timestamp
    assert kept(letter).of("acme/c-1") == ()
