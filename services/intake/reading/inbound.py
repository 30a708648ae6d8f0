"""Reading one record of mandaat.inbound: a CloudEvent in structured or binary mode, or a bare case as JSON.

An event submits a case or withdraws a request. A bare body is always a case.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Mapping, Sequence
from typing import Annotated, Final, Literal, NamedTuple, TypeAlias
from unicodedata import normalize

from pydantic import Field, JsonValue, TypeAdapter, ValidationError

from schemas.case import Case, Origin, SubmittedCase
from schemas.errors import Flaw, Unreadable
from schemas.ids import MAX_ID_LENGTH, PlainId, Tenant
from schemas.model import MAX_DEPTH, Frozen, Line
from schemas.reading import check_bytes, parse_json, read, unreadable
from schemas.topics import BODY_LIMIT_BYTES
from schemas.types import CASE_SUBMITTED, CASE_WITHDRAWN
from schemas.withdrawal import SubmittedWithdrawal, Withdrawal
from services.intake.reading.cloud_event_headers import (
    PREFIX,
    STRUCTURED,
    STRUCTURED_JSON,
    binary_attributes,
    cloud_event_headers,
    media_type,
)

TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
"""W3C Trace Context, level 1."""
Submitted: TypeAlias = SubmittedCase | SubmittedWithdrawal
_TENANT: Final = TypeAdapter[str](Tenant)
_SPECVERSION: Final = b'"specversion"'
_MOST_DECOMPOSED: Final = 4 * MAX_ID_LENGTH
"""The longest text whose NFC can be an id. NFD writes one character as four at most (UAX 15, section 12)."""


class InboundMessage(NamedTuple):
    """A case or a withdrawal, and its traceparent."""

    data: Case | Withdrawal
    traceparent: str | None


class _Attributes(Frozen):
    """The attributes that are read. The data is read only if the type is known."""

    specversion: Literal["1.0"]
    id: PlainId
    source: Annotated[Line, Field(min_length=1)]
    type: Line
    subject: Line | None = None
    tenant: Line | None = None
    traceparent: JsonValue = None
    data: JsonValue = None
    data_base64: str | None = None


class _WithCase(Frozen):
    data: SubmittedCase


class _WithWithdrawal(Frozen):
    data: SubmittedWithdrawal


def read_inbound(
    key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes | None]]
) -> InboundMessage:
    """The content of a record. Raises Unreadable and no other error, whatever the record holds."""
    found = cloud_event_headers(headers)
    media = media_type(found)
    levels = MAX_DEPTH + 1 if media == STRUCTURED_JSON else MAX_DEPTH
    attributes, submitted = _open(media, _within_limits(value, levels), found)
    tenant = _tenant_of(submitted, attributes, _read_key(key))
    traceparent = None if attributes is None else valid_traceparent(attributes.traceparent)
    if isinstance(submitted, SubmittedWithdrawal):
        return InboundMessage(submitted.of(tenant), traceparent)
    origin = None if attributes is None else Origin(id=attributes.id, source=attributes.source)
    return InboundMessage(submitted.of(tenant, origin=origin), traceparent)


def valid_traceparent(traceparent: JsonValue) -> str | None:
    """The traceparent if it is well formed, else None: a bad one is no reason to refuse a message."""
    if not isinstance(traceparent, str):
        return None
    return traceparent if TRACEPARENT.fullmatch(traceparent) else None


def _within_limits(value: bytes | None, levels: int) -> bytes:
    """The body, if it is JSON within the limits of size and depth. Ignored fields count too."""
    if value is not None and len(value) > BODY_LIMIT_BYTES:
        raise Unreadable(
            "too_large", f"The body is {len(value)} bytes; the limit is {BODY_LIMIT_BYTES}. Send less."
        )
    body = check_bytes(value)
    parse_json(body, levels)
    return body


def _open(media: str, body: bytes, headers: Mapping[str, str]) -> tuple[_Attributes | None, Submitted]:
    """The attributes of the event, if it is one, and its content."""
    if media == STRUCTURED_JSON:
        attributes = read(_Attributes, body)
        if attributes.data_base64 is not None:
            data = _decoded(attributes)
            if _withdraws(attributes):
                return attributes, read(SubmittedWithdrawal, data)
            return attributes, read(SubmittedCase, data)
        if _withdraws(attributes):
            return attributes, read(_WithWithdrawal, body).data
        return attributes, read(_WithCase, body).data
    if media.startswith(STRUCTURED):
        raise Unreadable(
            "invalid",
            f"The content-type {media[:80]!r} is not supported; send one event as {STRUCTURED_JSON}.",
        )
    if given := binary_attributes(headers):
        attributes = _read_attributes(given)
        if _withdraws(attributes):
            return attributes, read(SubmittedWithdrawal, body)
        return attributes, read(SubmittedCase, body)
    return None, _read_bare(body)


def _decoded(attributes: _Attributes) -> bytes:
    """The data of an event that holds it in base64 (CloudEvents JSON format 1.0.2, section 3.1.1)."""
    if attributes.data is not None:
        flaw = Flaw("/data_base64", "is sent together with data; send one of them")
    else:
        try:
            return _within_limits(b64decode(attributes.data_base64 or "", validate=True), MAX_DEPTH)
        except ValueError:
            flaw = Flaw("/data_base64", "is not base64 (RFC 4648)")
    raise Unreadable("invalid", f"{flaw.pointer}: {flaw.text}", (flaw,))


def _read_bare(body: bytes) -> SubmittedCase:
    try:
        return read(SubmittedCase, body)
    except Unreadable as flaw:
        if _SPECVERSION not in body:
            raise
        hint = f"if this is a CloudEvent, send it with the header content-type: {STRUCTURED_JSON}"
        raise Unreadable(flaw.reason, f"{flaw.detail}; {hint}", flaw.flaws) from flaw


def _read_attributes(given: dict[str, str]) -> _Attributes:
    try:
        return _Attributes.model_validate(given)
    except ValidationError as error:
        found = unreadable(error)
        flaws = tuple(
            Flaw("", f"header {PREFIX}{flaw.pointer.removeprefix('/')} {flaw.text}") for flaw in found.flaws
        )
        raise Unreadable(found.reason, "; ".join(flaw.text for flaw in flaws), flaws) from error


def _withdraws(attributes: _Attributes) -> bool:
    """Whether the event withdraws a request; if not, it submits a case. Raises Unreadable: unknown_type."""
    if attributes.type not in (CASE_SUBMITTED, CASE_WITHDRAWN):
        raise Unreadable(
            "unknown_type",
            f"The type {attributes.type[:80]!r} is not accepted here;"
            f" send {CASE_SUBMITTED} or {CASE_WITHDRAWN}.",
        )
    return attributes.type == CASE_WITHDRAWN


def _read_key(key: bytes | None) -> tuple[str, str] | None:
    """The tenant and case id in the key `<tenant>/<case_id>`; None if there is no key."""
    if not key:
        return None
    try:
        tenant, slash, case_id = key.decode().partition("/")
    except UnicodeDecodeError as flaw:
        raise Unreadable(
            "key_mismatch", "The key is not UTF-8; leave it out or write <tenant>/<case_id>."
        ) from flaw
    if not slash:
        raise Unreadable(
            "key_mismatch", f"The key is {_shown(tenant)}; leave it out or write <tenant>/<case_id>."
        )
    return tenant, case_id


def _tenant_of(submitted: Submitted, attributes: _Attributes | None, keyed: tuple[str, str] | None) -> str:
    """The tenant, if body, attributes and key agree on it and on the case.

    Raises Unreadable: key_mismatch, missing_field, invalid.
    """
    tenants = {"body": submitted.tenant}
    cases: dict[str, str | None] = {"body": submitted.case_id}
    if attributes is not None:
        tenants["attribute tenant"] = attributes.tenant
        cases["attribute subject"] = _composed(attributes.subject)
    if keyed is not None:
        tenants["key"], cases["key"] = keyed[0], _composed(keyed[1])
    _agreed("case", cases)
    tenant = _agreed("tenant", tenants)
    if tenant is None:
        flaw = Flaw("/tenant", "is missing, and neither the key nor the attribute tenant gives it")
        raise Unreadable("missing_field", f"{flaw.pointer}: {flaw.text}", (flaw,))
    try:
        return _TENANT.validate_python(tenant)
    except ValidationError as error:
        raise Unreadable(
            "invalid", f"The tenant {_shown(tenant)} may have only a-z, 0-9, _ and -."
        ) from error


def _composed(case_id: str | None) -> str | None:
    """An id outside the body in the form of the body's ids (docs/contracts.md, Ids).

    A text that is too long for an id is left as it is: composing takes the square of its length, and a key
    may have 4 MB.
    """
    if case_id is None or len(case_id) > _MOST_DECOMPOSED:
        return case_id
    return normalize("NFC", case_id)


def _agreed(name: str, found: Mapping[str, str | None]) -> str | None:
    given = {place: text for place, text in found.items() if text is not None}
    if len(set(given.values())) > 1:
        places = ", ".join(f"{place} {_shown(text)}" for place, text in given.items())
        raise Unreadable("key_mismatch", f"They disagree on the {name}: {places}; make them the same.")
    return next(iter(given.values()), None)


def _shown(text: str) -> str:
    return repr(text[:80])
