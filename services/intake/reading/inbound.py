"""Reading one record of mandaat.inbound: a CloudEvent of either mode, or a bare case as JSON.

An event may also withdraw a request; what is bare is always a case.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Final, Literal, NamedTuple, TypeAlias

from pydantic import Field, TypeAdapter, ValidationError

from schemas.case import Case, Origin, SubmittedCase
from schemas.errors import Flaw, Unreadable
from schemas.ids import PlainId, Tenant
from schemas.model import MAX_DEPTH, Frozen, Line
from schemas.reading import check_bytes, parse_json, read, unreadable
from schemas.topics import BODY_LIMIT_BYTES
from schemas.types import CASE_SUBMITTED, CASE_WITHDRAWN
from schemas.withdrawal import SubmittedWithdrawal, Withdrawal
from services.intake.reading import headers as header

TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
"""W3C Trace Context, level 1."""
Submitted: TypeAlias = SubmittedCase | SubmittedWithdrawal
_TENANT: Final = TypeAdapter[str](Tenant)
_SPECVERSION: Final = b'"specversion"'


class Received(NamedTuple):
    """A case or a withdrawal that can be accepted, and the trace that it belongs to."""

    data: Case | Withdrawal
    traceparent: str | None


class _Attributes(Frozen):
    """What we read of the envelope; the data is looked at only when the type is ours."""

    specversion: Literal["1.0"]
    id: PlainId
    source: Annotated[Line, Field(min_length=1)]
    type: Line
    subject: Line | None = None
    tenant: Line | None = None
    traceparent: str | None = None


class _WithCase(Frozen):
    data: SubmittedCase


class _WithWithdrawal(Frozen):
    data: SubmittedWithdrawal


def read_inbound(
    key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes | None]]
) -> Received:
    """What a record holds. Raises Unreadable, and nothing else, whatever the record holds."""
    relevant = header.that_matter(headers)
    media = header.media_type(relevant)
    levels = MAX_DEPTH + 1 if media == header.STRUCTURED_JSON else MAX_DEPTH
    attributes, submitted = _opened(media, _in_bounds(value, levels), relevant)
    tenant = _agreed(submitted, attributes, _keyed(key))
    traceparent = None if attributes is None else well_formed(attributes.traceparent)
    if isinstance(submitted, SubmittedWithdrawal):
        return Received(submitted.of(tenant), traceparent)
    origin = None if attributes is None else Origin(id=attributes.id, source=attributes.source)
    return Received(submitted.of(tenant, origin=origin), traceparent)


def well_formed(traceparent: str | None) -> str | None:
    """The trace, if it is one: a wrong one is no reason to refuse anything."""
    return traceparent if traceparent and TRACEPARENT.fullmatch(traceparent) else None


def _in_bounds(value: bytes | None, levels: int) -> bytes:
    """The body, if it is JSON of a size and a depth that are taken, also in what is ignored."""
    if value is not None and len(value) > BODY_LIMIT_BYTES:
        raise Unreadable(
            "too_large", f"The body is {len(value)} bytes; at most {BODY_LIMIT_BYTES} are taken. Send less."
        )
    body = check_bytes(value)
    parse_json(body, levels)
    return body


def _opened(media: str, body: bytes, relevant: Mapping[str, str]) -> tuple[_Attributes | None, Submitted]:
    """The envelope, where there is one, and what is in it."""
    if media == header.STRUCTURED_JSON:
        attributes = read(_Attributes, body)
        if _withdraws(attributes):
            return attributes, read(_WithWithdrawal, body).data
        return attributes, read(_WithCase, body).data
    if media.startswith(header.STRUCTURED):
        raise Unreadable(
            "invalid",
            f"The content-type {media[:80]!r} is not taken here; send one event as {header.STRUCTURED_JSON}.",
        )
    if given := header.attributes(relevant):
        attributes = _of_headers(given)
        if _withdraws(attributes):
            return attributes, read(SubmittedWithdrawal, body)
        return attributes, read(SubmittedCase, body)
    return None, _bare(body)


def _bare(body: bytes) -> SubmittedCase:
    try:
        return read(SubmittedCase, body)
    except Unreadable as flaw:
        if _SPECVERSION not in body:
            raise
        hint = f"if this is a CloudEvent, send it with the header content-type: {header.STRUCTURED_JSON}"
        raise Unreadable(flaw.reason, f"{flaw.detail}; {hint}", flaw.flaws) from flaw


def _of_headers(given: dict[str, str]) -> _Attributes:
    try:
        return _Attributes.model_validate(given)
    except ValidationError as error:
        found = unreadable(error)
        flaws = tuple(
            Flaw("", f"header {header.PREFIX}{flaw.pointer.removeprefix('/')} {flaw.text}")
            for flaw in found.flaws
        )
        raise Unreadable(found.reason, "; ".join(flaw.text for flaw in flaws), flaws) from error


def _withdraws(attributes: _Attributes) -> bool:
    """Whether the event withdraws a request; else it submits a case. Raises unknown_type."""
    if attributes.type not in (CASE_SUBMITTED, CASE_WITHDRAWN):
        raise Unreadable(
            "unknown_type",
            f"The type {attributes.type[:80]!r} is not taken here;"
            f" send {CASE_SUBMITTED} or {CASE_WITHDRAWN}.",
        )
    return attributes.type == CASE_WITHDRAWN


def _keyed(key: bytes | None) -> tuple[str, str] | None:
    """Tenant and case id of the key `<tenant>/<case_id>`; None where there is no key."""
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


def _agreed(submitted: Submitted, attributes: _Attributes | None, keyed: tuple[str, str] | None) -> str:
    """The tenant, when all that name it agree, and on the case too. Raises key_mismatch, missing_field."""
    tenants = {"body": submitted.tenant}
    cases: dict[str, str | None] = {"body": submitted.case_id}
    if attributes is not None:
        tenants["attribute tenant"] = attributes.tenant
        cases["attribute subject"] = attributes.subject
    if keyed is not None:
        tenants["key"], cases["key"] = keyed
    _one_of("case", cases)
    tenant = _one_of("tenant", tenants)
    if tenant is None:
        flaw = Flaw("/tenant", "is missing, and neither the key nor the attribute tenant names it")
        raise Unreadable("missing_field", f"{flaw.pointer}: {flaw.text}", (flaw,))
    try:
        return _TENANT.validate_python(tenant)
    except ValidationError as error:
        raise Unreadable(
            "invalid", f"The tenant {_shown(tenant)} is not written as tenants are: a-z, 0-9, _ and -."
        ) from error


def _one_of(what: str, said: Mapping[str, str | None]) -> str | None:
    named = {who: text for who, text in said.items() if text is not None}
    if len(set(named.values())) > 1:
        sides = ", ".join(f"{who} {_shown(text)}" for who, text in named.items())
        raise Unreadable("key_mismatch", f"They disagree on the {what}: {sides}; make them the same.")
    return next(iter(named.values()), None)


def _shown(text: str) -> str:
    return repr(text[:80])
