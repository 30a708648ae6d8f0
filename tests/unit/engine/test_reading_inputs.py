"""Records of mandaat.cases and mandaat.replies are read as inputs, or are unreadable with a reason."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.inputs import Submission, read_input
from engine.inputs.reading import KINDS
from schemas import topics
from schemas.errors import Unreadable
from schemas.types import types_in
from tests.builders.bodies import LEFT_OUT, as_bytes, nested
from tests.builders.cases import a_case_body, a_request_body
from tests.builders.events import TRACE, a_submitted_event, a_verdict_event
from tests.builders.inputs import a_reply, a_submission
from tests.builders.records import key_of


def refusal(event: Any, *, topic: str = topics.CASES, key: bytes | None = b"") -> Unreadable:
    """The error for this record."""
    if isinstance(event, dict) and key == b"":
        key = key_of(event)
    with pytest.raises(Unreadable) as found:
        read_input(topic, 0, key, as_bytes(event) if isinstance(event, dict) else event)
    return found.value


def test_every_type_in_the_topics_that_rules_reads_has_a_kind_of_input() -> None:
    read_by_rules = [topic for topic in topics.TOPICS if "rules" in topic.readers and types_in(topic.name)]
    assert {topic.name: set(types_in(topic.name)) for topic in read_by_rules} == {
        topic: set(kinds) for topic, kinds in KINDS.items()
    }


def test_a_submission_is_identified_by_tenant_case_and_request() -> None:
    one = a_submission(partition=3, traceparent=TRACE)
    assert one.partition == 3
    assert one.request_key == ("acme", "c-1", "r1")
    assert one.index_id == "acme/c-1\x00r1"
    assert one.case_key == ("acme", "c-1")
    assert (one.event_id, one.traceparent) == ("evt-1", TRACE)
    assert one.time == datetime(2026, 3, 2, 8, 0, 1, tzinfo=UTC)


def test_a_verdict_is_identified_by_tenant_approval_and_reply_id() -> None:
    one = a_reply()
    assert one.request_key == ("acme", "c-1", "r1")
    assert one.index_id == f"in/acme/{one.verdict.approval_id}/reply-1"
    assert one.state_id == f"acme/{one.verdict.approval_id}"


@pytest.mark.parametrize(
    "changes", [{"subject": LEFT_OUT}, {"source": "/elsewhere"}, {"datacontenttype": "application/json"}]
)
def test_optional_fields_of_the_envelope_may_be_absent_or_different(changes: dict[str, Any]) -> None:
    assert a_submission(**changes).case.case_id == "c-1"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "null_value"),
        (b"", "empty"),
        (b" \n", "empty"),
        (b"\xff\xfe{}", "not_utf8"),
        (b"{", "not_json"),
        (b"[]", "invalid"),
        (b"42", "invalid"),
        (b'{"a": NaN}', "not_json"),
        (b"{}", "missing_field"),
    ],
)
@pytest.mark.parametrize("topic", [topics.CASES, topics.REPLIES])
def test_a_record_without_an_event_says_what_is_wrong(topic: str, value: bytes | None, reason: str) -> None:
    assert refusal(value, topic=topic, key=b"acme/c-1").reason == reason


@pytest.mark.parametrize(
    ("case", "reason", "place"),
    [
        (a_case_body(case_id=LEFT_OUT), "missing_field", "/data/case_id"),
        (a_case_body(customer=LEFT_OUT), "missing_field", "/data/customer"),
        (a_case_body(customer={"name": "A"}), "missing_field", "/data/customer/id"),
        (a_case_body(opened_at=LEFT_OUT), "missing_field", "/data/opened_at"),
        (
            a_case_body(request=a_request_body(request_id=LEFT_OUT)),
            "missing_field",
            "/data/request/request_id",
        ),
        (a_case_body(request=a_request_body(kind=LEFT_OUT)), "missing_field", "/data/request/kind"),
        (a_case_body(request=a_request_body(currency=LEFT_OUT)), "missing_field", "/data/request/currency"),
        (a_case_body(request=a_request_body(currency="EURO")), "unknown_currency", "/data/request/currency"),
        (a_case_body(request=a_request_body(amount="1e3")), "invalid", "/data/request/amount"),
        (a_case_body(request=a_request_body(amount="-5")), "invalid", "/data/request/amount"),
        (a_case_body(request=a_request_body(amount="12,50")), "invalid", "/data/request/amount"),
        (a_case_body(request=a_request_body(amount="45.001")), "invalid", "/data/request/amount"),
        (a_case_body(request=a_request_body(amount=45)), "invalid", "/data/request/amount"),
        (a_case_body(request=a_request_body(discretion="true")), "invalid", "/data/request/discretion"),
        (a_case_body(case_id="c\n1"), "invalid", "/data/case_id"),
        (a_case_body(case_id="c" * 201), "invalid", "/data/case_id"),
        (a_case_body(opened_at="yesterday"), "invalid", "/data/opened_at"),
        (a_case_body(opened_at="2026-03-02T08:00:00"), "invalid", "/data/opened_at"),
        (a_case_body(facts=nested(33)), "too_deep", ""),
        (a_case_body(facts=[1]), "invalid", "/data/facts"),
    ],
)
def test_a_wrong_case_says_what_is_wrong_and_where(case: Any, reason: str, place: str) -> None:
    event = a_submitted_event(case, tenant="acme", subject=LEFT_OUT)
    found = refusal(event, key=b"acme/c-1")
    assert (found.reason, place in found.detail) == (reason, True), found.detail


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "mandaat.case.reopened.v1"},
        {"type": "mandaat.case.submitted.v2"},
        {"type": "mandaat.case.withdrawn.v2", "data": {"case_id": "c-1", "request_id": "r1"}},
        {"type": "mandaat.verdict.approve.v1"},
    ],
)
def test_an_unknown_type_is_reported_before_anything_else(changes: dict[str, Any]) -> None:
    assert refusal(a_submitted_event(**changes)).reason == "unknown_type"


def test_a_reply_of_a_later_version_is_of_unknown_type() -> None:
    answer = a_verdict_event(type="mandaat.reply.answer.v1")
    assert refusal(answer, topic=topics.REPLIES).reason == "unknown_type"


@pytest.mark.parametrize(
    "key", [None, b"c-1", b"other/c-1", b"acme/c-2", b"acme/c-1 ", b"\xff", b"acme/c-1\x00r1"]
)
def test_a_key_that_disagrees_with_the_body_is_unreadable(key: bytes | None) -> None:
    assert refusal(a_submitted_event(), key=key).reason == "key_mismatch"
    assert refusal(a_verdict_event(), topic=topics.REPLIES, key=key).reason == "key_mismatch"


@pytest.mark.parametrize("changes", [{"tenant": "other"}, {"subject": "c-2"}])
def test_an_envelope_that_disagrees_with_its_data_is_unreadable(changes: dict[str, Any]) -> None:
    assert refusal(a_submitted_event(**changes), key=b"acme/c-1").reason == "key_mismatch"


@pytest.mark.parametrize("tenant", [LEFT_OUT, None])
def test_an_event_without_tenant_is_unreadable(tenant: Any) -> None:
    assert refusal(a_submitted_event(tenant=tenant), key=b"acme/c-1").reason == "missing_field"
    assert (
        refusal(a_verdict_event(tenant=tenant), topic=topics.REPLIES, key=b"acme/c-1").reason
        == "missing_field"
    )


@pytest.mark.parametrize(
    "approval",
    ["apr_", "apr_x", "apr_####", "apr_YQ", "apr_YwAAcjE", "apr_Yy0xAHIx=", "apr_Yy0xAHIy", "apr_Yy0yAHIx"],
)
def test_a_verdict_that_names_another_approval_than_its_request_is_unreadable(approval: str) -> None:
    event = a_verdict_event(data={"approval_id": approval})
    assert refusal(event, topic=topics.REPLIES).reason in ("unknown_approval", "invalid")


@pytest.mark.parametrize("amount", ["1e3", "-5", "12,50", "", 45])
def test_an_amount_of_a_verdict_is_checked(amount: Any) -> None:
    found = refusal(a_verdict_event(data={"amount": amount}), topic=topics.REPLIES)
    assert (found.reason, "/data/amount" in found.detail) == ("invalid", True)


@pytest.mark.parametrize("change", [{"facts": {"days_late": 1}}, {"category": None}, {"channel": "chat"}])
def test_the_digest_of_a_request_does_not_depend_on_the_facts(change: dict[str, Any]) -> None:
    assert a_submission(a_case_body(**change)).digest == a_submission().digest


@pytest.mark.parametrize(
    "case",
    [
        a_case_body(agent_id="agent-02"),
        a_case_body(customer={"id": "cu-2"}),
        a_case_body(request=a_request_body(kind="flowers")),
        a_case_body(request=a_request_body(amount="45.01")),
        a_case_body(request=a_request_body(amount=None)),
        a_case_body(request=a_request_body(currency="USD")),
        a_case_body(request=a_request_body(discretion=True)),
    ],
)
def test_the_digest_of_a_request_changes_with_what_is_asked(case: Any) -> None:
    assert a_submission(case).digest != a_submission().digest


def test_equal_amounts_written_differently_are_one_request() -> None:
    assert a_submission(a_case_body(request=a_request_body(amount="45"))).digest == a_submission().digest
    absent = a_case_body(request=a_request_body(discretion=False, amount="045.00"))
    assert a_submission(absent).digest == a_submission().digest


@pytest.mark.parametrize(
    "data", [{"agent_id": "lead-south"}, {"amount": "10.00"}, {"reason": "because"}, {"reason": ""}]
)
def test_the_digest_of_a_reply_changes_with_what_is_said(data: dict[str, Any]) -> None:
    assert a_reply(data=data).digest != a_reply().digest
    assert a_reply("reject").digest != a_reply().digest


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    ["id", "type", "subject", "time", "tenant", "specversion", "data", "traceparent", "source"]
)


@given(st.binary(max_size=60) | JSON.map(as_bytes))
def test_any_bytes_are_unreadable_and_never_a_bug(value: bytes) -> None:
    for topic in (topics.CASES, topics.REPLIES):
        with pytest.raises(Unreadable):
            read_input(topic, 0, b"acme/c-1", value)


@given(st.dictionaries(FIELDS, JSON, max_size=3), st.booleans())
def test_any_envelope_is_read_or_unreadable_and_never_a_bug(changes: dict[str, Any], verdict: bool) -> None:
    event = {**(a_verdict_event() if verdict else a_submitted_event()), **changes}
    try:
        one = read_input(topics.REPLIES if verdict else topics.CASES, 0, b"acme/c-1", as_bytes(event))
    except Unreadable:
        return
    assert one.tenant == "acme"


@given(
    st.dictionaries(
        st.sampled_from([*a_case_body(), "claims", "origin", "more"]).filter(lambda name: name != "request"),
        JSON,
    ),
    st.dictionaries(st.sampled_from([*a_request_body(), "discretion"]), JSON),
)
def test_any_case_is_read_or_unreadable_and_never_a_bug(
    changes: dict[str, Any], request: dict[str, Any]
) -> None:
    case = {**a_case_body(request={**a_request_body(), **request}), **changes}
    event = a_submitted_event(case, tenant="acme", subject=LEFT_OUT)
    try:
        one = read_input(topics.CASES, 0, b"acme/c-1", as_bytes(event))
    except Unreadable:
        return
    assert isinstance(one, Submission)
    assert len(one.digest) == 8
