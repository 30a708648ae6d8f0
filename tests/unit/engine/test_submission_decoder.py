"""A submission is decoded as the models read it, or not at all."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from engine.fast_paths.submission_decoder import decode_submission
from schemas.case import Case
from schemas.cloud_event import CloudEvent
from schemas.ids import record_key
from tests.builders.bodies import as_bytes
from tests.builders.events import a_submitted_event
from tests.builders.records import key_of

ODD: list[Any] = [
    *(None, True, False, 0, -1, 1.0, -0.0, 1e5, 2**53, 2**64, 2**70, 1e300, [], {}, [[1]], {"a": [2**63]}),
    *("", " ", "x", "x" * 200, "x" * 201, "x" * 1001, "x" * 8001, "a\nb", "a\x7fb", "a\x85b", "é", "\u2028"),
    *(
        "0.00",
        "45.5",
        "45.555",
        "1e3",
        "-1",
        "9" * 41,
        "EUR",
        "JPY",
        "eur",
        "XXX",
        "Refund",
        "re fund",
        "acme",
    ),
    *("2026-03-02T08:00:00Z", "2026-03-02t08:00:00z", "2026-03-02T08:00:00+02:00", "2026-03-02T08:00:00"),
    *(
        "2026-03-02T08:00:00.1234567Z",
        "2026-03-02T08:00:00.5Z",
        "20260302T080000.000Z",
        "2026-03-02T24:00:00Z",
    ),
    *("1969-12-31T23:59:59Z", "9998-01-01T00:00:00Z", "2026-02-30T00:00:00Z", "\u0662026-03-02T08:00:00Z"),
    *({"id": "e", "source": "s"}, {"id": "", "source": "s"}, "1.0", "0.3", "mandaat.case.withdrawn.v1"),
]
PLACES = [
    *[
        (name,)
        for name in ("specversion", "id", "source", "type", "subject", "time", "datacontenttype", "tenant")
    ],
    *[(name,) for name in ("traceparent", "sequence", "cause", "data", "unknown")],
    *[
        ("data", name)
        for name in ("tenant", "case_id", "opened_at", "channel", "customer", "agent_id", "category")
    ],
    *[("data", name) for name in ("subject", "facts", "claims", "request", "origin", "unknown")],
    *[("data", "customer", name) for name in ("id", "name", "email", "language")],
    *[
        ("data", "request", name)
        for name in ("request_id", "kind", "amount", "currency", "reason", "discretion")
    ],
    *[("data", root, "late") for root in ("facts", "claims")],
]
REMOVED = object()
changes = st.lists(st.tuples(st.sampled_from(PLACES), st.sampled_from([*ODD, REMOVED])), max_size=3)


def changed(event: dict[str, Any], changes: list[tuple[tuple[str, ...], Any]]) -> dict[str, Any]:
    """The event with other values in these places, if it has them."""
    event = deepcopy(event)
    for (*path, last), value in changes:
        part: Any = event
        for name in path:
            part = part.get(name) if isinstance(part, dict) else None
        if isinstance(part, dict) and value is REMOVED:
            part.pop(last, None)
        elif isinstance(part, dict):
            part[last] = deepcopy(value)
    return event


def decoded_as_the_models_read_it(key: bytes | None, body: bytes) -> bool:
    """Whether it was decoded; if so, it is checked to be what the models read."""
    plain = decode_submission(key, body)
    if plain is None:
        return False
    event = CloudEvent[Case].model_validate_json(body)
    case = event.data
    assert event.type == "mandaat.case.submitted.v1"
    assert key == record_key(case.tenant, case.case_id).encode()
    assert event.tenant == case.tenant
    assert event.subject in (None, case.case_id)
    assert (plain.event_id, plain.time, plain.traceparent) == (event.id, event.time, event.traceparent)
    assert plain.case == case
    assert plain.case.request.money == case.request.money
    assert plain.case.model_dump_json() == case.model_dump_json()
    assert repr((plain.case.facts, plain.case.claims)) == repr((case.facts, case.claims))
    copy = plain.case.model_copy(update={"claims": None})
    assert copy == case.model_copy(update={"claims": None})
    assert plain.case.model_fields_set >= case.model_fields_set
    return True


def test_an_event_of_intake_is_decoded() -> None:
    event = a_submitted_event()
    assert decoded_as_the_models_read_it(key_of(event), as_bytes(event))


@given(changes)
@example([(("data", "facts", "late"), 2**53)])
@example([(("time",), "2026-03-02T08:00:00.1234567Z")])
@example([(("data", "request", "kind"), "re fund")])
def test_no_value_is_decoded_differently(changes: list[tuple[tuple[str, ...], Any]]) -> None:
    event = changed(a_submitted_event(), changes)
    data = event.get("data")
    ids = (data.get("tenant"), data.get("case_id")) if isinstance(data, dict) else ("acme", "c-1")
    decoded_as_the_models_read_it("/".join(map(str, ids)).encode(), json.dumps(event).encode())
    decoded_as_the_models_read_it(
        "/".join(map(str, ids)).encode(), json.dumps(event, ensure_ascii=False).encode()
    )


@given(st.data())
def test_no_bytes_are_decoded_differently(data: st.DataObject) -> None:
    event = a_submitted_event()
    body = bytearray(as_bytes(event))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(body) - 1))
        cut = data.draw(st.integers(0, 2))
        body[at : at + cut] = data.draw(
            st.sampled_from(
                (b"", b"\xff", b"\x00", b"\xc2\x85", b"\\n", b'"', b",", b"0", b"-", b"NaN", b"[", b"{")
            )
        )
    decoded_as_the_models_read_it(key_of(event), bytes(body))


def test_a_record_under_another_key_is_left_to_the_models() -> None:
    event = a_submitted_event()
    assert decode_submission(b"acme/another", as_bytes(event)) is None
    assert decode_submission(None, as_bytes(event)) is None
