"""Reading a record of mandaat.inbound: every mode, and every error."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest

from schemas.case import Origin
from schemas.errors import Unreadable
from schemas.topics import BODY_LIMIT_BYTES
from schemas.types import CASE_WITHDRAWN
from schemas.withdrawal import Withdrawal
from services.intake.events import Message, event_of
from services.intake.reading import inbound
from services.intake.reading.inbound import InboundMessage, read_inbound
from tests.builders.bodies import LEFT_OUT, as_bytes, nested
from tests.builders.cases import a_case_body, a_request_body, a_withdrawal_body
from tests.builders.events import STRUCTURED, Headers, an_inbound_event, binary_headers
from tests.builders.received import case_of

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def structured(**changes: Any) -> InboundMessage:
    return read_inbound(None, as_bytes(an_inbound_event(**changes)), STRUCTURED)


def origin_id(received: InboundMessage) -> str | None:
    origin = case_of(received).origin
    return None if origin is None else origin.id


def refused(key: bytes | None, value: bytes | None, headers: Headers = ()) -> Unreadable:
    with pytest.raises(Unreadable) as caught:
        read_inbound(key, value, headers)
    return caught.value


def test_a_bare_case_is_read_unchanged() -> None:
    received = read_inbound(None, as_bytes(a_case_body()), ())
    case = case_of(received)
    assert (case.tenant, case.case_id, case.request.amount, case.origin) == ("acme", "c-1", "45.00", None)


@pytest.mark.parametrize(
    "content_type",
    [
        b"application/cloudevents+json",
        b"application/cloudevents+json; charset=UTF-8",
        b"Application/CloudEvents+JSON",
    ],
)
def test_a_structured_event_gives_its_case_and_its_origin(content_type: bytes) -> None:
    received = read_inbound(None, as_bytes(an_inbound_event()), (("Content-Type", content_type),))
    assert case_of(received).case_id == "c-1"
    assert case_of(received).origin == Origin(id="evt-1", source="https://crm.example/cases")


def test_a_binary_event_gives_its_case_and_its_origin() -> None:
    received = read_inbound(None, as_bytes(a_case_body()), binary_headers(traceparent=TRACE))
    assert case_of(received).case_id == "c-1"
    assert origin_id(received) == "evt-1"
    assert received.traceparent == TRACE


def test_an_event_in_structured_mode_ignores_ce_headers() -> None:
    received = read_inbound(None, as_bytes(an_inbound_event()), (*STRUCTURED, ("ce_id", b"other")))
    assert origin_id(received) == "evt-1"


def test_an_invalid_traceparent_is_left_out() -> None:
    assert structured(traceparent=TRACE).traceparent == TRACE
    assert structured(traceparent="tomorrow").traceparent is None


@pytest.mark.parametrize(
    ("key", "changes", "extension"),
    [
        (None, {}, LEFT_OUT),
        (b"acme/c-1", {"tenant": LEFT_OUT}, LEFT_OUT),
        (None, {"tenant": LEFT_OUT}, "acme"),
        (b"acme/c-1", {}, "acme"),
        (b"", {}, LEFT_OUT),
    ],
)
def test_the_tenant_comes_from_the_body_the_extension_or_the_key(
    key: bytes | None, changes: dict[str, Any], extension: Any
) -> None:
    body = as_bytes(an_inbound_event(a_case_body(**changes), tenant=extension))
    assert case_of(read_inbound(key, body, STRUCTURED)).tenant == "acme"


def test_a_case_id_may_hold_slashes() -> None:
    received = read_inbound(b"acme/2026/c/1", as_bytes(a_case_body(case_id="2026/c/1")), ())
    assert case_of(received).case_id == "2026/c/1"


@pytest.mark.parametrize(
    ("key", "event"),
    [
        (b"globex/c-1", an_inbound_event()),
        (b"acme/c-2", an_inbound_event()),
        (b"acme", an_inbound_event()),
        (b"\xff\xfe", an_inbound_event()),
        (None, an_inbound_event(tenant="globex")),
        (b"globex/c-1", an_inbound_event(a_case_body(tenant=LEFT_OUT), tenant="acme")),
        (None, an_inbound_event(subject="c-2")),
    ],
)
def test_another_tenant_or_case_anywhere_is_a_mismatch(key: bytes | None, event: Any) -> None:
    assert refused(key, as_bytes(event), STRUCTURED).reason == "key_mismatch"


def test_a_case_without_a_tenant_is_refused() -> None:
    flaw = refused(None, as_bytes(a_case_body(tenant=LEFT_OUT)))
    assert flaw.reason == "missing_field"
    assert "/tenant" in flaw.detail


def test_a_tenant_from_the_key_must_be_valid() -> None:
    assert refused(b"ACME Ltd/c-1", as_bytes(a_case_body(tenant=LEFT_OUT))).reason == "invalid"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "null_value"),
        (b"", "empty"),
        (b"  \n", "empty"),
        (b"hello", "not_json"),
        (b'{"case_id": ', "not_json"),
        (b"\xff\xfe{}", "not_utf8"),
        (b"x" * 2 * 1024 * 1024, "too_large"),
        (as_bytes(a_case_body(facts=nested(32))), "too_deep"),
        (as_bytes(a_case_body(extra=nested(32))), "too_deep"),
        (b"[" * 100_000, "too_deep"),
        (as_bytes(a_case_body()).replace(b"90.0", b"NaN"), "not_json"),
        (as_bytes(a_case_body(unknown_key=float("inf"))), "not_json"),
        (b"[1, 2]", "invalid"),
        (b"null", "invalid"),
        (as_bytes(a_case_body(case_id=LEFT_OUT)), "missing_field"),
        (as_bytes(a_case_body(request=a_request_body(kind=LEFT_OUT))), "missing_field"),
        (as_bytes(a_case_body(request=a_request_body(currency=LEFT_OUT))), "missing_field"),
        (as_bytes(a_case_body(customer={})), "missing_field"),
        (as_bytes(a_case_body(request=a_request_body(currency="XXY"))), "unknown_currency"),
        (as_bytes(a_case_body(request=a_request_body(amount="1e3"))), "invalid"),
        (as_bytes(a_case_body(request=a_request_body(amount="-5"))), "invalid"),
        (as_bytes(a_case_body(request=a_request_body(amount="12,50"))), "invalid"),
        (as_bytes(a_case_body(request=a_request_body(amount="45.001"))), "invalid"),
        (as_bytes(a_case_body(request=a_request_body(amount=45.0))), "invalid"),
        (as_bytes(a_case_body(opened_at="2026-03-02T08:00:00")), "invalid"),
        (as_bytes(a_case_body(case_id="c\n1")), "invalid"),
        (as_bytes(a_case_body(case_id="c" * 201)), "invalid"),
    ],
)
def test_an_error_in_a_body_has_its_reason(value: bytes | None, reason: str) -> None:
    flaw = refused(None, value)
    assert flaw.reason == reason
    assert len(flaw.detail) >= 20


def test_thirty_two_levels_are_accepted() -> None:
    assert case_of(read_inbound(None, as_bytes(a_case_body(facts=nested(31))), ())).case_id == "c-1"


@pytest.mark.parametrize("header", ["content-type", "ce_id", "CE_whatever"])
@pytest.mark.parametrize("value", [None, b"\xff\xfe"])
@pytest.mark.parametrize("body", [a_case_body(), an_inbound_event()])
def test_a_cloud_event_header_must_be_text(header: str, value: bytes | None, body: Any) -> None:
    flaw = refused(None, as_bytes(body), (*binary_headers(), (header, value)))
    assert flaw.reason == "bad_header"
    assert header in flaw.detail


def test_any_other_header_may_hold_anything() -> None:
    headers: Headers = (*STRUCTURED, ("x-trace", None), ("cell", b"\xff"), ("ce", None))
    assert case_of(read_inbound(None, as_bytes(an_inbound_event()), headers)).case_id == "c-1"


def test_another_type_is_refused_before_its_data_is_read() -> None:
    flaw = refused(
        None, as_bytes(an_inbound_event({"ticket": 1}, type="com.example.ticket.created")), STRUCTURED
    )
    assert flaw.reason == "unknown_type"
    assert "mandaat.case.submitted.v1" in flaw.detail
    assert refused(None, as_bytes(a_case_body()), binary_headers(type="other")).reason == "unknown_type"


@pytest.mark.parametrize("name", ["specversion", "id", "source", "type"])
def test_an_event_needs_the_required_attributes_of_cloudevents(name: str) -> None:
    assert refused(None, as_bytes(an_inbound_event(**{name: LEFT_OUT})), STRUCTURED).reason == "missing_field"
    flaw = refused(None, as_bytes(a_case_body()), binary_headers(**{name: LEFT_OUT}))
    assert flaw.reason == "missing_field"
    assert flaw.detail == f"header ce_{name} is missing"


def test_another_version_of_cloudevents_is_refused() -> None:
    assert refused(None, as_bytes(an_inbound_event(specversion="0.3")), STRUCTURED).reason == "invalid"


@pytest.mark.parametrize("media", [b"application/cloudevents-batch+json", b"application/cloudevents+avro"])
def test_an_unsupported_format_is_named(media: bytes) -> None:
    flaw = refused(None, as_bytes([an_inbound_event()]), (("content-type", media),))
    assert flaw.reason == "invalid"
    assert media.decode() in flaw.detail


def test_an_error_in_the_data_of_an_event_names_its_place() -> None:
    flaw = refused(
        None, as_bytes(an_inbound_event(a_case_body(request=a_request_body(amount="1e3")))), STRUCTURED
    )
    assert [one.pointer for one in flaw.flaws] == ["/data/request/amount"]


def test_an_event_without_its_header_gets_a_hint() -> None:
    assert "application/cloudevents+json" in refused(None, as_bytes(an_inbound_event())).detail


def test_the_origin_is_the_event_of_the_case_and_never_from_the_body() -> None:
    pretended = a_case_body(origin={"id": "x", "source": "y"})
    assert case_of(read_inbound(None, as_bytes(pretended), ())).origin is None


def test_the_largest_case_fits_a_record_in_any_notation_of_numbers() -> None:
    body = as_bytes(a_case_body(facts={"n": ["x"]})).replace(b'"x"', b",".join([b"9e15"] * 26_000))
    case = case_of(read_inbound(None, body, ()))
    event = event_of(Message(case, "e", case.opened_at, case.opened_at))
    assert BODY_LIMIT_BYTES * 0.9 < len(body) < len(event.to_bytes()) < 600_000


WITHDRAWAL = Withdrawal(
    tenant="acme", case_id="c-1", request_id="r1", agent_id="agent-01", reason="sent twice"
)


@pytest.mark.parametrize("key", [None, b"acme/c-1"])
def test_an_event_may_withdraw_a_request_in_both_modes(key: bytes | None) -> None:
    event = an_inbound_event(a_withdrawal_body(), type=CASE_WITHDRAWN, traceparent=TRACE)
    assert read_inbound(key, as_bytes(event), STRUCTURED) == InboundMessage(WITHDRAWAL, TRACE)
    headers = binary_headers(type=CASE_WITHDRAWN, traceparent=TRACE)
    assert read_inbound(key, as_bytes(a_withdrawal_body()), headers) == InboundMessage(WITHDRAWAL, TRACE)


def test_the_tenant_of_a_withdrawal_may_come_from_the_event() -> None:
    event = an_inbound_event(a_withdrawal_body(tenant=LEFT_OUT), type=CASE_WITHDRAWN, tenant="acme")
    assert read_inbound(None, as_bytes(event), STRUCTURED).data == WITHDRAWAL
    flaw = refused(b"acme/c-2", as_bytes(event), STRUCTURED)
    assert flaw.reason == "key_mismatch"


@pytest.mark.parametrize(
    ("change", "reason", "pointer"),
    [
        ({"request_id": LEFT_OUT}, "missing_field", "/data/request_id"),
        ({"case_id": LEFT_OUT}, "missing_field", "/data/case_id"),
        ({"case_id": "c\n1"}, "invalid", "/data/case_id"),
        ({"agent_id": 7}, "invalid", "/data/agent_id"),
        ({"reason": "x" * 8001}, "invalid", "/data/reason"),
    ],
)
def test_an_error_in_a_withdrawal_has_its_reason(change: Any, reason: str, pointer: str) -> None:
    event = an_inbound_event(a_withdrawal_body(**change), type=CASE_WITHDRAWN)
    flaw = refused(None, as_bytes(event), STRUCTURED)
    assert (flaw.reason, [one.pointer for one in flaw.flaws]) == (reason, [pointer])


def test_a_case_is_not_read_as_a_withdrawal_nor_the_reverse() -> None:
    assert (
        refused(None, as_bytes(an_inbound_event(a_withdrawal_body())), STRUCTURED).reason == "missing_field"
    )
    assert (
        refused(None, as_bytes(an_inbound_event(type=CASE_WITHDRAWN)), STRUCTURED).reason == "missing_field"
    )
    assert refused(None, as_bytes(a_withdrawal_body())).reason == "missing_field"


@pytest.mark.parametrize("kind", ["case", "withdrawal"])
def test_an_event_may_hold_its_data_in_base64(kind: str) -> None:
    body = a_case_body(tenant="acme") if kind == "case" else a_withdrawal_body(tenant="acme")
    more = {} if kind == "case" else {"type": CASE_WITHDRAWN}
    plain = an_inbound_event(body, **more)
    encoded = {**plain, "data_base64": b64encode(as_bytes(body)).decode()}
    del encoded["data"]
    assert read_inbound(None, as_bytes(encoded), STRUCTURED) == read_inbound(
        None, as_bytes(plain), STRUCTURED
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"data": LEFT_OUT, "data_base64": "%%%"}, "is not base64"),
        ({"data_base64": "e30="}, "send one of them"),
        ({"data": LEFT_OUT, "data_base64": "aGVsbG8="}, "not JSON"),
    ],
)
def test_data_in_base64_that_cannot_be_read_is_explained(change: Any, said: str) -> None:
    assert said in refused(None, as_bytes(an_inbound_event(**change)), STRUCTURED).detail


def test_two_content_types_are_named() -> None:
    flaw = refused(None, as_bytes(a_case_body()), (*STRUCTURED, ("Content-Type", b"application/json")))
    assert flaw.reason == "bad_header"
    assert "two content-type headers" in flaw.detail
    read_inbound(None, as_bytes(an_inbound_event(a_case_body(tenant="acme"))), (*STRUCTURED, *STRUCTURED))


def test_extensions_that_are_numbers_or_booleans_pass() -> None:
    event = an_inbound_event(a_case_body(tenant="acme"), priority=3, urgent=True, traceparent=1)
    assert read_inbound(None, as_bytes(event), STRUCTURED).traceparent is None


def test_a_key_that_is_too_long_for_any_id_is_not_composed(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths: list[int] = []

    def counted(form: Any, text: str) -> str:
        lengths.append(len(text))
        return text

    monkeypatch.setattr(inbound, "normalize", counted)
    key = ("acme/" + "\u0301\u0323" * 5_000).encode()
    assert refused(key, as_bytes(a_case_body())).reason == "key_mismatch"
    assert max(lengths, default=0) < 1_000
