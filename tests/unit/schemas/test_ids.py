from __future__ import annotations

import os
import time
import uuid

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from schemas import ids
from schemas.case import Case
from schemas.errors import Unreadable
from schemas.reading import read
from schemas.reply import Verdict
from schemas.staff import NewStaffMember
from tests.builders.bodies import as_bytes
from tests.builders.cases import a_case_body

PLAIN = TypeAdapter(ids.PlainId)
APPROVALS = TypeAdapter(ids.ApprovalId)
NAMES = TypeAdapter(ids.Name)

plain_ids = st.text(
    st.characters(
        exclude_categories=["Cs"], exclude_characters=[chr(c) for c in (*range(32), *range(127, 160))]
    ),
    min_size=1,
    max_size=ids.MAX_ID_LENGTH,
)


def test_a_new_id_is_a_uuid_of_version_7_and_of_the_rfc_variant() -> None:
    for _ in range(200):
        made = uuid.UUID(ids.uuid7())

        assert (made.version, made.variant) == (7, uuid.RFC_4122)


def test_a_new_id_begins_with_the_milliseconds_of_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 1_772_438_400_123_456_789)

    assert uuid.UUID(ids.uuid7()).int >> 80 == 1_772_438_400_123


def test_a_later_id_sorts_after_an_earlier_one(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(1_772_438_400_000_000_000, 1_772_438_400_100_000_000, 1_000_000))
    monkeypatch.setattr(time, "time_ns", lambda: next(clock))

    made = [ids.uuid7() for _ in range(100)]

    assert made == sorted(made)


def test_no_two_new_ids_are_the_same() -> None:
    assert len({ids.uuid7() for _ in range(10_000)}) == 10_000


@given(st.integers(0, 2**80 - 1))
def test_every_random_bit_of_a_new_id_is_used(random: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "urandom", lambda size: random.to_bytes(size))
        made = uuid.UUID(ids.uuid7())

    assert made.int & (1 << 62) - 1 == random & (1 << 62) - 1
    assert made.int >> 64 & 0xFFF == random >> 68


def test_a_derived_id_is_128_bits_in_base32() -> None:
    assert ids.derived_id("mandaat.inbound", 3, 42) == ids.derived_id("mandaat.inbound", "3", "42")
    assert len(ids.derived_id("a")) == 26
    assert ids.derived_id("a").isalnum()


@given(st.lists(plain_ids, min_size=1, max_size=4), st.lists(plain_ids, min_size=1, max_size=4))
def test_other_parts_make_another_derived_id(one: list[str], other: list[str]) -> None:
    assume(one != other)

    assert ids.derived_id(*one) != ids.derived_id(*other)


@given(plain_ids, plain_ids)
@example("c-1", "r1")
@example("/", "~")
@example("\U0010ffff" * ids.MAX_ID_LENGTH, "\U0010ffff" * ids.MAX_ID_LENGTH)
def test_an_approval_id_gives_back_the_case_and_the_request(case_id: str, request_id: str) -> None:
    approval = ids.approval_id(case_id, request_id)

    assert ids.split_approval_id(approval) == (case_id, request_id)
    assert APPROVALS.validate_python(approval) == approval


@given(plain_ids, plain_ids)
def test_an_approval_id_may_stand_in_a_path_of_a_url_as_it_is(case_id: str, request_id: str) -> None:
    assert ids.approval_id(case_id, request_id).replace("-", "a").replace("_", "a").isalnum()


@given(st.text() | st.text(alphabet="abcAZ09-_=+/ \x00").map("apr_".__add__) | st.binary().map(repr))
@example("")
@example("apr_")
@example("apr_\ud800")
@example("apr_é")
@example("YwBy")
@example("apr_YwBy=")
@example("apr_YwBz\n")
def test_text_that_is_no_approval_id_raises_value_error_and_nothing_else(foreign: str) -> None:
    try:
        case_id, request_id = ids.split_approval_id(foreign)
    except ValueError:
        return
    assert ids.approval_id(case_id, request_id) == foreign


@pytest.mark.parametrize(
    ("case_id", "request_id"),
    [("", "r1"), ("c-1", ""), ("", ""), ("c", "a\x00b"), ("c\n", "r"), ("x" * 201, "r"), ("c", "\x85")],
)
def test_an_approval_id_that_holds_an_invalid_id_is_refused(case_id: str, request_id: str) -> None:
    with pytest.raises(ValueError, match="not the id of an approval"):
        ids.split_approval_id(ids.approval_id(case_id, request_id))


@given(plain_ids)
def test_an_id_of_others_may_hold_anything_but_control_characters(text: str) -> None:
    assert PLAIN.validate_python(text) == text


@pytest.mark.parametrize("text", ["", "a\n", "\x00", "a\x7f", "a\x85b", "x" * 201])
def test_an_id_of_others_is_1_to_200_characters_without_control_characters(text: str) -> None:
    with pytest.raises(ValidationError):
        PLAIN.validate_python(text)


@pytest.mark.parametrize("text", ["", "Acme", "-a", "_a", "a b", "a/b", "a\n", "é"])
def test_a_name_is_lower_case_letters_digits_dash_and_underscore(text: str) -> None:
    with pytest.raises(ValidationError):
        NAMES.validate_python(text)


@given(st.from_regex(r"[a-z0-9][a-z0-9_-]{0,20}", fullmatch=True), plain_ids)
def test_a_record_key_can_be_split_at_its_first_slash(tenant: str, case_id: str) -> None:
    assert ids.record_key(tenant, case_id).split("/", 1) == [tenant, case_id]


@pytest.mark.parametrize("written", ["jose\u0301", "jos\u00e9"])
def test_an_id_in_a_path_is_in_nfc(written: str) -> None:
    assert ids.id_in_path(written) == "jos\u00e9"


@pytest.mark.parametrize("text", ["", " x", "x\u3000", "a\x00b", "x" * 201, "\u0958" * 101])
def test_a_text_that_cannot_be_an_id_names_nothing(text: str) -> None:
    assert ids.id_in_path(text) is None


def test_the_longest_id_may_use_all_characters_in_nfc() -> None:
    assert ids.id_in_path("\u0958" * 100) == "\u0915\u093c" * 100


def test_an_id_that_is_in_the_log_is_read_as_it_is() -> None:
    for written in ("jose\u0301", " lead-01"):
        body = as_bytes(a_case_body(written, agent_id=written, **{"customer.id": written}))
        case = read(Case, body)
        assert {case.case_id, case.agent_id, case.customer.id} == {written}
        verdict = {"agent_id": written, "reply_id": written, "case_id": written, "request_id": written}
        verdict |= {"approval_id": ids.approval_id(written, written)}
        assert read(Verdict, as_bytes(verdict)).agent_id == written


def test_a_staff_record_that_is_published_has_its_ids_in_nfc() -> None:
    absence = {"from": "2026-03-01T00:00:00Z", "until": "2026-03-02T00:00:00Z", "delegate": "e\u0301"}
    body = {"agent_id": "jose\u0301", "tenant": "acme", "name": "J", "role": "agent", "team": "e\u0301"}
    member = read(NewStaffMember, as_bytes({**body, "absences": [absence]}))
    assert (member.agent_id, member.team, member.absences[0].delegate) == ("jos\u00e9", "\u00e9", "\u00e9")
    with pytest.raises(Unreadable, match="/absences/0/delegate: must not begin or end with white space"):
        read(NewStaffMember, as_bytes({**body, "absences": [{**absence, "delegate": "x "}]}))
