"""Decode plain submissions in a fraction of the time that the models take. Nearly all records are plain.

The decoded values equal those that the models would read. For any other record the result is None, and the
models read it. So the models report all errors.
"""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, Final, Literal, NamedTuple

from msgspec import DecodeError, Meta, Struct
from msgspec.json import Decoder

from schemas.case import Case, Customer, DecisionRequest, Origin
from schemas.ids import MAX_ID_LENGTH, NAME
from schemas.model import MAX_DEPTH, construct_trusted
from schemas.money import Money, exponent, parse_amount

# The lengths are those of the models. The other rules for texts are checked below.
_Id = Annotated[str, Meta(min_length=1, max_length=MAX_ID_LENGTH)]
_Line = Annotated[str, Meta(max_length=1000)]
_Text = Annotated[str, Meta(max_length=8000)]


class _Customer(Struct, gc=False):
    id: _Id
    name: _Line | None = None
    email: Annotated[str, Meta(max_length=320)] | None = None
    language: Annotated[str, Meta(max_length=35)] | None = None


class _Request(Struct, gc=False):
    request_id: _Id
    kind: _Id
    amount: str | None = None
    currency: str | None = None
    reason: _Text | None = None
    discretion: bool = False


class _Origin(Struct, gc=False):
    id: _Id
    source: _Line


class _Case(Struct):
    tenant: _Id
    case_id: _Id
    opened_at: str
    customer: _Customer
    request: _Request
    channel: _Line | None = None
    agent_id: _Id | None = None
    category: Annotated[str, Meta(max_length=200)] | None = None
    subject: _Line | None = None
    facts: dict[str, Any] = {}  # msgspec makes a new dict for each object
    claims: dict[str, Any] | None = None
    origin: _Origin | None = None


class _Event(Struct):
    specversion: Literal["1.0"]
    id: _Id
    source: Annotated[str, Meta(min_length=1, max_length=1000)]
    type: Literal["mandaat.case.submitted.v1"]
    time: str
    tenant: str
    data: _Case
    subject: str | None = None
    datacontenttype: _Line | None = None
    traceparent: _Line | None = None
    sequence: None = None
    cause: None = None


_decode: Final = Decoder(_Event).decode
_is_like_a_name: Final = re.compile(NAME.replace("$", r"\Z")).match
_is_a_time: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z", re.ASCII).fullmatch
_YEARS: Final = range(1970, 9998)
_EXACT: Final = 2**53
"""Integers below this are exact in a double, so all JSON parsers read the same value."""


class DecodedSubmission(NamedTuple):
    """The case of a submission, and the fields of its envelope that are used."""

    event_id: str
    time: datetime
    traceparent: str | None
    case: Case


def decode_submission(key: bytes | None, body: bytes) -> DecodedSubmission | None:
    """The submission in the record with this key and value; None if the models must read it."""
    # Without these bytes no text has a control character. With few brackets nothing is nested too deeply.
    if b"\\" in body or b"\x7f" in body or b"\xc2" in body or body.count(b"{") + body.count(b"[") > MAX_DEPTH:
        return None
    try:
        body.decode()  # unknown fields must be UTF-8 too
        event = _decode(body)
    except (DecodeError, UnicodeDecodeError):
        return None
    data = event.data
    if (
        event.tenant != data.tenant
        or key != f"{data.tenant}/{data.case_id}".encode()
        or event.subject not in (None, data.case_id)
    ):
        return None
    time = _moment(event.time)
    case = _case(data)
    return (
        None if time is None or case is None else DecodedSubmission(event.id, time, event.traceparent, case)
    )


def _case(data: _Case) -> Case | None:
    opened_at, given, customer = _moment(data.opened_at), data.request, data.customer
    money = _money(given.amount, given.currency)
    if (
        opened_at is None
        or money is False
        or not _is_name(data.tenant)
        or not _is_name(given.kind)
        or not _is_open(data.facts)
        or not (data.claims is None or _is_open(data.claims))
    ):
        return None
    return construct_trusted(
        Case,
        case_id=data.case_id,
        opened_at=opened_at,
        channel=data.channel,
        customer=construct_trusted(
            Customer,
            id=customer.id,
            name=customer.name,
            email=customer.email,
            language=customer.language,
        ),
        agent_id=data.agent_id,
        category=data.category,
        subject=data.subject,
        facts=data.facts,
        claims=data.claims,
        request=construct_trusted(
            DecisionRequest,
            request_id=given.request_id,
            kind=given.kind,
            amount=given.amount,
            currency=given.currency,
            reason=given.reason,
            discretion=given.discretion,
            money=money,  # not a field: the cached value of the property
        ),
        origin=_origin(data.origin),
        tenant=data.tenant,
    )


def _origin(data: _Origin | None) -> Origin | None:
    return None if data is None else construct_trusted(Origin, id=data.id, source=data.source)


@lru_cache(maxsize=10_000)
def _is_name(text: str) -> bool:
    return _is_like_a_name(text) is not None


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text) if _is_a_time(text) else None
    except ValueError:
        return None
    return moment if moment is not None and moment.year in _YEARS else None


@lru_cache(maxsize=10_000)
def _money(amount: str | None, currency: str | None) -> Money | Literal[False] | None:
    """The amount; None if there is no amount, False if the amount or the currency is invalid."""
    if currency is not None and exponent(currency) is None:
        return False
    if amount is None:
        return None
    try:
        return False if currency is None else parse_amount(amount, currency)
    except ValueError:
        return False


def _is_open(value: Any) -> bool:
    """Whether all JSON parsers read the same value for every number in it."""
    for item in value.values() if type(value) is dict else value:
        kind = type(item)
        if kind is dict or kind is list:
            if not _is_open(item):
                return False
        elif (kind is float or kind is int) and not -_EXACT < item < _EXACT:
            return False
    return True
