"""What rules decides, on a real Kafka and Redis."""

from __future__ import annotations

import json
from typing import Any

import pytest

from deploy.local.stack import Stack
from schemas import topics
from services.chassis.kafka.producer import Outgoing
from tests.builders.bodies import as_bytes, nested
from tests.builders.cases import a_case_body, a_request_body
from tests.builders.events import a_submitted_event
from tests.integration.rules.input_sender import InputSender, case_ids_in_partition
from tests.integration.rules.journal_watch import JournalWatch, assert_promises_kept
from tests.raw_records import BAD_NAME, Raw

pytestmark = pytest.mark.usefixtures("worker")


async def test_a_repeat_gets_the_same_events_byte_for_byte(sender: InputSender, watch: JournalWatch) -> None:
    await sender.send(sender.case("c-1"), sender.case("c-2", amount="10.00"))
    await watch.until(lambda: len(watch.events) == 3)
    await sender.send(sender.case("c-1", facts={"days_late": 99}), sender.case("c-2", amount="10"))
    await watch.until(lambda: len(watch.events) == 6)
    for case_id, number in (("c-1", 2), ("c-2", 1)):
        events = [(one.key, one.value, one.headers) for one in watch.of(case_id)]
        assert events[:number] == events[number:]
    assert_promises_kept(watch.all)


async def test_a_restarted_worker_recognises_a_repeat(
    worker: Stack, sender: InputSender, watch: JournalWatch
) -> None:
    await sender.send(sender.case("c-1"))
    await watch.until(lambda: len(watch.events) == 2)
    worker.kill("rules")
    worker.start("rules")
    await sender.send(sender.case("c-1"))
    await watch.until(lambda: len(watch.events) == 4)
    assert watch.events[0].value == watch.events[2].value
    assert_promises_kept(watch.all)


async def test_a_conflict_is_a_dead_letter_and_changes_nothing(
    sender: InputSender, watch: JournalWatch
) -> None:
    await sender.send(sender.case("c-1"))
    other = sender.case("c-1", amount="46.00")
    (place,) = await sender.send(other)
    await watch.until(lambda: watch.letter_at(place))
    (letter,) = watch.letter_at(place)
    assert letter.reason == "conflict"
    assert (letter.key, letter.value, letter.headers) == (other.key, other.value, tuple(other.headers))
    await sender.send(sender.case("c-1"))
    await watch.until(lambda: len(watch.events) == 4)
    assert watch.events[0].value == watch.events[2].value


async def test_a_case_of_a_tenant_without_a_policy_is_a_dead_letter(
    sender: InputSender, watch: JournalWatch, tenant: str
) -> None:
    stranger = f"{tenant}-new"
    record = sender.case("c-1")._replace(key=f"{stranger}/c-1".encode())
    event = json.loads(record.value or b"")
    event["tenant"] = event["data"]["tenant"] = stranger
    (place,) = await sender.send(record._replace(value=as_bytes(event)))
    await watch.until(lambda: watch.letter_at(place))
    (letter,) = watch.letter_at(place)
    assert letter.reason == "unknown_tenant"
    assert stranger in letter.detail
    await sender.activate(tenant=stranger)
    again = Outgoing(place.topic, place.partition, letter.key, letter.value, letter.headers)
    await sender.send(again)
    await watch.until(lambda: any(one.event.get("tenant") == stranger for one in watch.all))
    assert len(watch.letter_at(place)) == 1


async def test_a_verdict_closes_the_approval_once_however_often_it_is_sent(
    sender: InputSender, watch: JournalWatch
) -> None:
    await sender.send(sender.case("c-1"))
    await watch.until(lambda: watch.kinds("c-1") == ["decision.escalated", "approval.requested"])
    await sender.send(sender.verdict("c-1"))
    await watch.until(lambda: len(watch.events) == 4)
    await sender.send(sender.verdict("c-1"), sender.verdict("c-1", reply_id="reply-2"))
    await watch.until(lambda: len(watch.events) == 7)
    assert watch.kinds("c-1")[2:] == [*["decision.approved", "approval.closed"] * 2, "approval.late"]
    assert [one.value for one in watch.events[2:4]] == [one.value for one in watch.events[4:6]]
    assert_promises_kept(watch.all)


async def test_a_reply_id_with_another_verdict_is_a_dead_letter(
    sender: InputSender, watch: JournalWatch
) -> None:
    await sender.send(sender.case("c-1"), sender.verdict("c-1"))
    await watch.until(lambda: "approval.closed" in watch.kinds("c-1") or watch.letters)
    await sender.send(sender.verdict("c-1"))  # the first may have come before its case: topics have no order
    await watch.until(lambda: "approval.closed" in watch.kinds("c-1"))
    (place,) = await sender.send(sender.verdict("c-1", "reject"))
    await watch.until(lambda: watch.letter_at(place))
    assert [letter.reason for letter in watch.letter_at(place)] == ["conflict"]
    assert "decision.refused" not in watch.kinds("c-1")


async def test_a_verdict_on_an_unknown_approval_is_a_dead_letter(
    sender: InputSender, watch: JournalWatch
) -> None:
    (place,) = await sender.send(sender.verdict("c-404"))
    await watch.until(lambda: watch.letter_at(place))
    assert watch.letter_at(place)[0].reason == "unknown_approval"


async def test_a_repeat_after_the_verdict_gets_the_closing_events(
    sender: InputSender, watch: JournalWatch
) -> None:
    await sender.send(sender.case("c-1"))
    await watch.until(lambda: len(watch.events) == 2)
    await sender.send(sender.verdict("c-1", amount="44.00"))
    await watch.until(lambda: len(watch.events) == 4)
    await sender.send(sender.case("c-1"))
    await watch.until(lambda: len(watch.events) == 6)
    assert [one.value for one in watch.events[2:4]] == [one.value for one in watch.events[4:6]]
    assert watch.events[2].event["data"]["amount"] == "44.00"


def bad_bodies(tenant: str, case_id: str) -> dict[str, tuple[bytes | None, str]]:
    """Bad bodies by what is wrong with them, each with the expected reason."""

    def case(**changes: Any) -> bytes:
        changed = a_case_body(**{"tenant": tenant, "case_id": case_id, **changes})
        return as_bytes(a_submitted_event(changed, tenant=tenant, subject=case_id))

    def request(**changes: Any) -> bytes:
        return case(request=a_request_body(**changes))

    good = json.loads(case())
    return {
        "not json": (b"{", "not_json"),
        "not utf-8": (b'{"a": "\xff"}', "not_utf8"),
        "empty": (b"", "empty"),
        "null": (None, "null_value"),
        "too large": (case(facts={"long": "x" * 900_000}), "too_large"),
        "too deep": (case(facts=nested(40)), "too_deep"),
        "NaN": (case(facts={"n": float("nan")}), "not_json"),
        "1e3": (request(amount="1e3"), "invalid"),
        "-5": (request(amount="-5"), "invalid"),
        "12,50": (request(amount="12,50"), "invalid"),
        "45.001 EUR": (request(amount="45.001"), "invalid"),
        "unknown currency": (request(currency="XXY"), "unknown_currency"),
        "unknown type": (as_bytes({**good, "type": "mandaat.case.opened.v1"}), "unknown_type"),
        "missing field": (request(kind=None), "invalid"),
        "absent field": (
            as_bytes({**good, "data": {"case_id": case_id, "tenant": tenant}}),
            "missing_field",
        ),
        "another key": (case(case_id="c-other"), "key_mismatch"),
    }


async def test_bad_records_are_dead_letters_and_good_cases_between_them_are_decided(
    sender: InputSender, watch: JournalWatch, tenant: str
) -> None:
    bad = bad_bodies(tenant, "c-bad")
    good = case_ids_in_partition(tenant, 0, len(bad) + 3)
    headers = [("content-type", b"application/cloudevents+json"), ("x", b"\xff"), ("null", None)]
    records: list[Raw] = []
    expected: list[tuple[int, bytes | None, str]] = []
    for case_id, (body, reason) in zip(good, bad.values(), strict=False):
        expected.append((len(records), body, reason))
        records.append(Raw(body, f"{tenant}/c-bad".encode(), headers))
        records.append(Raw(sender.case(case_id).value, f"{tenant}/{case_id}".encode(), headers))
    records.insert(7, BAD_NAME)
    records.append(BAD_NAME)
    # A header of others may hold anything, or nothing.
    records.append(Raw(sender.case(good[-1]).value, f"{tenant}/{good[-1]}".encode(), headers))
    places = await sender.put_raw(topics.CASES, 0, records)
    decided = [*good[: len(bad)], good[-1]]
    await watch.until(lambda: {one.event["subject"] for one in watch.events} == set(decided))
    await watch.to_the_end()
    for index, body, reason in expected:
        (letter,) = watch.letter_at(places[index + (index >= 7)])
        assert letter.reason == reason, (reason, letter.detail)
        assert (letter.key, letter.value, letter.headers) == (
            f"{tenant}/c-bad".encode(),
            body,
            tuple(headers),
        )
        assert len(letter.detail) > 20
    for place in (places[7], places[-2]):
        assert [letter.reason for letter in watch.letter_at(place)] == ["header_name_not_utf8"]
    assert_promises_kept(watch.all)


async def test_bad_replies_are_dead_letters_and_good_ones_count(
    sender: InputSender, watch: JournalWatch, tenant: str
) -> None:
    (case_id,) = case_ids_in_partition(tenant, 1, 1)
    await sender.send(sender.case(case_id))
    await watch.until(lambda: len(watch.events) == 2)
    good = sender.verdict(case_id)
    event = json.loads(good.value or b"")
    key = good.key
    bad = [
        Raw(b"{", key),
        Raw(None, key),
        Raw(as_bytes({**event, "type": "mandaat.reply.answer.v1"}), key),
        Raw(as_bytes({**event, "data": {**event["data"], "amount": "1e3"}}), key),
        Raw(as_bytes({**event, "data": {**event["data"], "approval_id": "apr_YQ"}}), key),
        Raw(good.value, b"other/c-1"),
        BAD_NAME,
    ]
    places = await sender.put_raw(topics.REPLIES, 1, [*bad, Raw(good.value, key)])
    await watch.until(lambda: "approval.closed" in watch.kinds(case_id))
    await watch.to_the_end()
    reasons = [letter.reason for place in places for letter in watch.letter_at(place)]
    assert reasons == [
        *("not_json", "null_value", "unknown_type", "invalid", "unknown_approval", "key_mismatch"),
        "header_name_not_utf8",
    ]
    assert not watch.letter_at(places[-1])


async def test_nothing_personal_is_logged(worker: Stack, sender: InputSender, watch: JournalWatch) -> None:
    await sender.send(sender.case("c-1"), sender.case("c-1", amount="46.00"))
    await watch.until(lambda: len(watch.events) == 2 and watch.letters)
    log = worker.log("rules").read_text()
    assert '"case_id": "c-1"' in log
    for private in ("Bakker", "example.org", "cu-1", "late twice", "days_late", "45.00"):
        assert private not in log
