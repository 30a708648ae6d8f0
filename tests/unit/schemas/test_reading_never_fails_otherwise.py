"""Reading any bytes gives a model or Unreadable, and no other error."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from schemas.case import Case, SubmittedCase
from schemas.cloud_event import CloudEvent
from schemas.errors import Unreadable
from schemas.ids import derived_id
from schemas.policy_record import PolicyRecord
from schemas.reading import parse_json, read
from schemas.reply import ReplyBody, Verdict
from schemas.request_digest import request_digest
from schemas.staff import StaffMember
from tests.builders.bodies import as_bytes
from tests.builders.cases import a_case_body

MODELS: list[type[BaseModel]] = [
    Case,
    SubmittedCase,
    CloudEvent[SubmittedCase],
    CloudEvent[Verdict],
    ReplyBody,
    StaffMember,
    PolicyRecord,
]
T = TypeVar("T")
LONGEST_DETAIL = 2500
"""The longest detail: it becomes a Kafka header, and a person reads it."""
SECRET = "Jan.Janssen@example.org"

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(10**300, 10**320)
    | st.floats()
    | st.text()
    | st.sampled_from(
        [SECRET, "2026-03-02T08:00:00Z", "EUR", "45.00", "\ud800", "0001-01-01T00:00:00+14:00"]
    ),
    lambda below: st.lists(below, max_size=4) | st.dictionaries(st.text(max_size=8), below, max_size=4),
    max_leaves=12,
)


def paths(body: dict[str, Any], prefix: str = "") -> list[str]:
    found = []
    for key, value in body.items():
        found.append(prefix + key)
        if isinstance(value, dict):
            found += paths(value, f"{prefix}{key}.")
    return found


def read_or_unreadable(reading: Callable[[], T]) -> T | Unreadable:
    try:
        return reading()
    except Unreadable as flaw:
        return flaw


def survives(model: type[BaseModel], body: bytes) -> None:
    value = read_or_unreadable(lambda: read(model, body))
    if isinstance(value, Unreadable):
        assert 0 < len(value.detail) <= LONGEST_DETAIL
        assert value.detail.encode()
        assert SECRET not in value.detail
        assert all(one.text for one in value.flaws)
        return
    again = read(model, value.model_dump_json(by_alias=True).encode())
    assert again == value
    if isinstance(value, Case):
        derived_id(*value.key)
        request_digest(value)


@pytest.mark.parametrize("model", MODELS)
@given(body=st.binary() | st.text().map(lambda text: text.encode("utf-8", "surrogatepass")))
@example(body=b"\x00")
@example(body=b"\xef\xbb\xbf")
@example(body=rb'{"case_id":"\ud800\udc00\udc00"}')
@example(body=b'{"case_id":' * 10_000)
@example(body=b"9" * 1_000_000)
@example(body=b'"' + b"a" * 1_000_000 + b'"')
@example(body=b"-")
def test_any_bytes_are_a_model_or_unreadable(model: type[BaseModel], body: bytes) -> None:
    survives(model, body)


@given(value=json_values, ascii_only=st.booleans())
def test_any_json_is_a_value_or_unreadable(value: Any, ascii_only: bool) -> None:
    body = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    found = read_or_unreadable(lambda: parse_json(body))

    assert not isinstance(found, Unreadable) or len(found.detail) <= LONGEST_DETAIL
    for model in MODELS:
        survives(model, body)


@given(path=st.sampled_from(paths(a_case_body())), value=json_values, ascii_only=st.booleans())
@settings(max_examples=500)
@example("opened_at", SECRET, False)
@example("request.currency", SECRET, False)
@example("request.amount", SECRET, False)
@example("customer", SECRET, False)
@example("customer.id", SECRET + "\n", False)
@example("tenant", SECRET, False)
@example("facts", {SECRET: float("inf")}, False)
@example("facts", {SECRET: 10**400}, False)
@example("facts", {"x" * 100_000: float("nan")}, False)
@example("case_id", "x" * 1_000_000, False)
@example("opened_at", "9" * 1_000_000, False)
@example("request.amount", "9" * 1_000_000, False)
def test_a_case_with_anything_anywhere_is_a_case_or_unreadable(
    path: str, value: Any, ascii_only: bool
) -> None:
    body = json.dumps(a_case_body(**{path: value}), ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")

    survives(Case, body)


@given(st.data())
def test_a_case_with_some_bytes_changed_is_a_case_or_unreadable(data: st.DataObject) -> None:
    body = bytearray(as_bytes(a_case_body(subject="één pakje, zes dagen te laat")))
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))

    survives(Case, bytes(body))
    survives(SubmittedCase, bytes(body))
