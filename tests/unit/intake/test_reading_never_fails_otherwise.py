"""Reading any record gives a case, a withdrawal or Unreadable, and no other error."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from cloudevents.core.bindings import kafka as sdk
from cloudevents.core.v1.event import CloudEvent
from hypothesis import example, given, settings
from hypothesis import strategies as st

from schemas.case import Case
from schemas.cloud_event import CloudEvent as Event
from schemas.errors import REASONS, Unreadable
from schemas.reading import read
from schemas.types import CASE_WITHDRAWN
from schemas.withdrawal import Withdrawal
from services.intake.events import Message, event_of
from services.intake.reading.inbound import InboundMessage, read_inbound
from services.intake.reading.replies import REPLY_KINDS, ReplyKind, read_reply
from tests.builders.bodies import as_bytes
from tests.builders.cases import a_case_body, a_request_body, a_withdrawal_body
from tests.builders.events import an_inbound_event
from tests.builders.received import case_of

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["1e3", "-5", "12,50", "45.001", "EUR", "KWD", "2026-03-02T08:00:00Z", "nl"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def _mutated(whole: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """The object with one key replaced or removed."""
    return st.tuples(st.sampled_from(sorted(whole)), JSON, st.booleans()).map(
        lambda change: {
            name: change[1] if name == change[0] else value
            for name, value in whole.items()
            if not (change[2] and name == change[0])
        }
    )


MONDAY = datetime(2026, 3, 2, 8, tzinfo=UTC)


def _escaped(value: Any) -> bytes:
    return json.dumps(value).encode()


CASES = st.one_of(
    _mutated(a_case_body()), _mutated(a_request_body()).map(lambda request: a_case_body(request=request))
)
BODIES = st.one_of(
    st.none(),
    st.binary(max_size=200),
    JSON.map(_escaped),
    CASES.map(_escaped),
    CASES.map(an_inbound_event).map(_escaped),
    _mutated(an_inbound_event()).map(_escaped),
    _mutated(a_withdrawal_body())
    .map(lambda withdrawal: an_inbound_event(withdrawal, type=CASE_WITHDRAWN))
    .map(_escaped),
)
NAMES = st.sampled_from(
    ["content-type", "ce_id", "ce_type", "ce_source", "ce_specversion", "ce_tenant", "ce_subject", "x"]
) | st.text(max_size=12)
VALUES = (
    st.none()
    | st.binary(max_size=20)
    | st.sampled_from(
        [b"application/cloudevents+json", b"application/json", b"1.0", b"mandaat.case.submitted.v1", b"acme"]
    )
)
HEADERS = st.lists(st.tuples(NAMES, VALUES), max_size=6) | st.just(
    [("content-type", b"application/cloudevents+json")]
)
KEYS = st.none() | st.binary(max_size=20) | st.sampled_from([b"acme/c-1", b"acme/", b"/", b"globex/c-1"])


def _outcome(
    key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes | None]]
) -> InboundMessage | Unreadable:
    try:
        return read_inbound(key, value, headers)
    except Unreadable as flaw:
        return flaw


@given(KEYS, BODIES, HEADERS)
@settings(max_examples=2000, deadline=None)
@example(None, b"1" * 5000, [])
@example(None, b'{"case_id": ' + b"9" * 5000 + b"}", [])
@example(None, as_bytes(a_case_body(facts={"n": 0})).replace(b'"n": 0', b'"n": ' + b"9" * 5000), [])
@example(None, as_bytes(a_case_body(facts={"n": 0})).replace(b'"n": 0', b'"n": 1e999'), [])
@example(None, as_bytes(a_case_body(subject="x")).replace(b'"x"', b'"\\ud800"'), [])
@example(None, b'{"a":' * 100_000, [])
@example(None, b'\xef\xbb\xbf{"case_id": "c-1"}', [])
def test_any_record_is_a_case_a_withdrawal_or_unreadable(
    key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes | None]]
) -> None:
    read_or_not = _outcome(key, value, headers)
    if isinstance(read_or_not, Unreadable):
        assert read_or_not.reason in REASONS
        assert read_or_not.detail.encode()
        return
    event = event_of(Message(read_or_not.data, "e", MONDAY, MONDAY))
    model: Any = Event[Case] if isinstance(read_or_not.data, Case) else Event[Withdrawal]
    assert read(model, event.to_bytes()).data == read_or_not.data


@given(st.sampled_from(REPLY_KINDS), st.text(max_size=40) | st.just("apr_YwByMQ"), BODIES)
@settings(max_examples=500, deadline=None)
@example(REPLY_KINDS[0], "apr_YwByMQ", b'{"agent_id": "a", "reply_id": "r"}')
@example(REPLY_KINDS[0], "apr_\u20ac", b'{"agent_id": "a", "reply_id": "r"}')
def test_any_reply_is_a_verdict_or_unreadable(kind: ReplyKind, approval: str, body: bytes | None) -> None:
    with suppress(Unreadable):
        assert read_reply(kind, approval, body or b"", "acme").verdict.approval_id == approval


@given(st.text(min_size=1, max_size=20, alphabet=st.characters(exclude_categories=["Cc", "Cs"])))
def test_events_written_by_the_cloudevents_sdk_are_read_in_both_modes(event_id: str) -> None:
    attributes = {"id": event_id, "source": "/crm", "type": "mandaat.case.submitted.v1", "tenant": "acme"}
    event = CloudEvent({**attributes, "datacontenttype": "application/json"}, a_case_body())
    for written in (sdk.to_binary_event(event), sdk.to_structured_event(event)):
        received = read_inbound(None, written.value, list(written.headers.items()))
        case = case_of(received)
        assert case.origin is not None
        assert (case.case_id, case.origin.id) == ("c-1", event_id)
