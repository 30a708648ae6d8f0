from __future__ import annotations

from typing import Any

import pytest

from schemas.case import Case, SubmittedCase
from schemas.errors import REASONS, Flaw, Unreadable
from schemas.model import Frozen
from schemas.reading import MOST_FLAWS, parse_json, read
from schemas.staff import StaffMember
from tests.builders.bodies import LEFT_OUT, as_bytes
from tests.builders.cases import a_case_body


def refused(body: bytes | None, model: Any = Case) -> Unreadable:
    with pytest.raises(Unreadable) as caught:
        read(model, body)
    return caught.value


def nested(levels: int) -> Any:
    """Nested lists of some levels."""
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def test_a_case_is_read_as_it_was_sent() -> None:
    case = read(Case, as_bytes(a_case_body()))

    assert case.request.money is not None
    assert (case.key.index_id, case.request.money.minor) == ("acme/c-1\x00r1", 4500)
    assert case.facts == {"days_late": 6, "order_value": 90.0}


def test_unknown_keys_are_ignored() -> None:
    assert read(Case, as_bytes(a_case_body(colour="blue", **{"customer.shoe_size": 43}))) == read(
        Case, as_bytes(a_case_body())
    )


def test_only_five_keys_are_required() -> None:
    case = read(
        SubmittedCase,
        as_bytes(
            {
                "case_id": "c",
                "opened_at": "2026-03-02T08:00:00Z",
                "customer": {"id": "cu"},
                "request": {"request_id": "r", "kind": "call_back"},
            }
        ),
    )

    assert (case.tenant, case.agent_id, case.facts, case.request.discretion) == (None, None, {}, False)


def test_the_last_of_two_equal_keys_counts() -> None:
    body = as_bytes(a_case_body())[:-1] + b', "case_id": "c-2"}'

    assert read(Case, body).case_id == "c-2"


@pytest.mark.parametrize(
    ("body", "reason", "detail"),
    [
        (None, "null_value", "The record has no value; send one JSON object in it."),
        (b"", "empty", "The body is empty; send one JSON object."),
        (b" \r\n\t", "empty", "The body is empty; send one JSON object."),
        (b'{"a": "\xff"}', "not_utf8", "The body is not UTF-8: byte 7 is 0xff; send JSON in UTF-8."),
        ("{}".encode("utf-16"), "not_utf8", "The body is not UTF-8: byte 0 is 0xff; send JSON in UTF-8."),
        (b"\xed\xa0\x80", "not_utf8", "The body is not UTF-8: byte 0 is 0xed; send JSON in UTF-8."),
    ],
)
def test_bytes_that_are_not_utf8_are_reported(body: bytes | None, reason: str, detail: str) -> None:
    flaw = refused(body)

    assert (flaw.reason, flaw.detail, flaw.flaws) == (reason, detail, ())


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"<case/>",
        b"{'case_id': 'c'}",
        b'{"case_id": "c",}',
        b"{}{}",
        b"\xef\xbb\xbf{}",
        b'{"case_id": "a\nb"}',
        rb'{"case_id": "\ud800"}',
        rb'{"\udc00": 1}',
        b'{"n": ' + b"9" * 5000 + b"}",
    ],
)
def test_text_that_is_not_json_is_reported_with_its_place(body: bytes) -> None:
    flaw = refused(body)

    assert flaw.reason == "not_json"
    assert flaw.detail.startswith("The body is not JSON at line ")
    assert flaw.detail.endswith("; send one JSON object.")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize("key", ["facts", "a key that no model knows"])
def test_nan_and_infinity_are_not_json_anywhere(number: str, key: str) -> None:
    body = as_bytes(a_case_body(**{key: {"a": "HERE"}})).replace(b'"HERE"', number.encode())

    flaw = refused(body)

    assert flaw.reason == "not_json"
    assert "NaN and Infinity" in flaw.detail


def test_a_text_may_contain_the_words_nan_and_infinity() -> None:
    read(Case, as_bytes(a_case_body(subject="NaN bread, and beyond Infinity")))


@pytest.mark.parametrize("number", ["1e400", "-1e400", "9" * 310, "-" + "9" * 4000])
def test_a_number_that_no_double_holds_is_invalid(number: str) -> None:
    body = as_bytes(a_case_body(facts={"a": [{"b": "HERE"}]})).replace(b'"HERE"', number.encode())

    flaw = refused(body)

    assert (flaw.reason, [one.pointer for one in flaw.flaws]) == ("invalid", ["/facts"])
    with pytest.raises(Unreadable, match="too large"):
        parse_json(body)


@pytest.mark.parametrize(
    ("changes", "reason", "flaw"),
    [
        ({"case_id": LEFT_OUT}, "missing_field", Flaw("/case_id", "is missing")),
        ({"opened_at": LEFT_OUT}, "missing_field", Flaw("/opened_at", "is missing")),
        ({"customer.id": LEFT_OUT}, "missing_field", Flaw("/customer/id", "is missing")),
        ({"request.kind": LEFT_OUT}, "missing_field", Flaw("/request/kind", "is missing")),
        ({"request.request_id": LEFT_OUT}, "missing_field", Flaw("/request/request_id", "is missing")),
        ({"case_id": 7}, "invalid", Flaw("/case_id", "must be text in quotes")),
        ({"case_id": ""}, "invalid", Flaw("/case_id", "must not be empty")),
        ({"case_id": "x" * 201}, "invalid", Flaw("/case_id", "is longer than 200 characters")),
        ({"case_id": "a\x00b"}, "invalid", Flaw("/case_id", "holds characters that are not allowed here")),
        ({"tenant": "Acme BV"}, "invalid", Flaw("/tenant", "holds characters that are not allowed here")),
        ({"customer": "A. Bakker"}, "invalid", Flaw("/customer", "must be an object")),
        ({"facts": ["late"]}, "invalid", Flaw("/facts", "must be an object")),
        ({"request.discretion": "true"}, "invalid", Flaw("/request/discretion", "must be true or false")),
        (
            {"opened_at": "2026-03-02T08:00:00"},
            "invalid",
            Flaw("/opened_at", "must be a time with its offset from UTC, such as 2026-03-02T08:00:00Z"),
        ),
        (
            {"opened_at": "2 March"},
            "invalid",
            Flaw("/opened_at", "must be a time in quotes (RFC 3339), such as 2026-03-02T08:00:00Z"),
        ),
        (
            {"opened_at": "2026-13-45T08:00:00Z"},
            "invalid",
            Flaw("/opened_at", "must be a time in quotes (RFC 3339), such as 2026-03-02T08:00:00Z"),
        ),
        ({"request.currency": None}, "missing_field", Flaw("/request/currency", "is missing")),
        (
            {"request.currency": "ZZZ"},
            "unknown_currency",
            Flaw(
                "/request/currency",
                '"ZZZ" is not a currency of ISO 4217; write its code in capitals, such as "EUR"',
            ),
        ),
        ({"request.amount": 45}, "invalid", Flaw("/request/amount", "must be text in quotes")),
        (
            {"request.amount": "45.001"},
            "invalid",
            Flaw("/request/amount", "EUR has 2 decimals, and this amount has 3"),
        ),
    ],
)
def test_an_error_names_its_place_and_the_problem(changes: dict[str, Any], reason: str, flaw: Flaw) -> None:
    found = refused(as_bytes(a_case_body(**changes)))

    assert (found.reason, found.flaws) == (reason, (flaw,))
    assert found.detail == f"{flaw.pointer}: {flaw.text}"


@pytest.mark.parametrize("amount", ["1e3", "-5", "12,50", " 45", "45 euro", "", "NaN"])
def test_the_error_of_a_wrong_amount_says_how_to_write_one(amount: str) -> None:
    found = refused(as_bytes(a_case_body(**{"request.amount": amount})))

    assert found.flaws == (
        Flaw("/request/amount", 'write an amount as digits with a point and no sign, such as "45.00"'),
    )


def test_all_errors_are_reported_at_once() -> None:
    found = refused(
        as_bytes(a_case_body(case_id=1, opened_at=2, **{"customer.id": 3, "request.kind": LEFT_OUT}))
    )

    assert {flaw.pointer for flaw in found.flaws} == {
        "/case_id",
        "/opened_at",
        "/customer/id",
        "/request/kind",
    }
    assert found.reason == "missing_field"


def test_a_body_that_is_not_an_object_is_reported() -> None:
    assert refused(b"[1]").detail == "the body: must be an object"


def test_a_pointer_follows_rfc_6901_and_is_short_enough_to_read() -> None:
    class Open(Frozen):
        counts: dict[str, int]

    found = refused(as_bytes({"counts": {"a/b~c": "x", "k" * 5000: "x"}}), Open)

    assert [flaw.pointer for flaw in found.flaws] == ["/counts/a~1b~0c", "/counts/" + "k" * 100]


def test_only_the_first_ten_errors_are_reported() -> None:
    member = {"agent_id": "a", "tenant": "t", "name": "n", "role": "r", "team": "t", "absences": [{}] * 500}

    found = refused(as_bytes(member), StaffMember)

    assert len(found.flaws) == MOST_FLAWS
    assert found.detail.endswith("(and 990 more)")


@pytest.mark.parametrize("key", ["facts", "claims", "a key that no model knows"])
def test_a_case_may_be_nested_32_levels_deep(key: str) -> None:
    deepest = as_bytes(a_case_body(**{key: {"a": nested(30)}}))

    read(Case, deepest)
    parse_json(deepest)


@pytest.mark.parametrize("key", ["facts", "claims"])
@pytest.mark.parametrize("levels", [31, 40, 190, 210, 20_000])
def test_a_case_that_is_nested_more_deeply_is_refused(key: str, levels: int) -> None:
    body = as_bytes(a_case_body(**{key: "HERE"})).replace(
        b'"HERE"', b'{"a":' + b"[" * levels + b"]" * levels + b"}"
    )

    assert refused(body).reason == "too_deep"
    with pytest.raises(Unreadable, match="too_deep"):
        parse_json(body)


def test_depth_counts_in_unknown_keys_too() -> None:
    assert refused(as_bytes(a_case_body(deep=nested(60)))).reason == "too_deep"


def test_many_brackets_side_by_side_are_not_deep() -> None:
    read(Case, as_bytes(a_case_body(facts={"lines": [{"sku": "[[[["}] * 200})))


def test_every_reason_has_a_sentence() -> None:
    assert all(cause.text[:1].islower() for cause in REASONS.values())
    with pytest.raises(ValueError, match="is not a reason"):
        Unreadable("because", "no")


def test_an_error_does_not_show_the_input() -> None:
    found = refused(as_bytes(a_case_body(opened_at="a.bakker@example.org", **{"customer.id": ["A. Bakker"]})))

    assert "akker" not in str(found) + repr(found) + str(found.__cause__) + repr(found.__cause__)
