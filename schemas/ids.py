"""Ids: their form, and the functions that make them (docs/contracts.md, Ids)."""

from __future__ import annotations

import base64
import os
import re
import time
import uuid
from collections.abc import Callable
from hashlib import blake2b
from typing import Annotated, NamedTuple, TypeVar
from unicodedata import normalize

from pydantic import AfterValidator, BaseModel, StringConstraints, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

MAX_ID_LENGTH = 200

PLAIN_ID = r"^[^\x00-\x1f\x7f-\x9f]+$"
_PLAIN_ID = re.compile(r"\A[^\x00-\x1f\x7f-\x9f]+\Z")
NAME = r"^[a-z0-9][a-z0-9_-]*$"
_NAME = re.compile(r"\A[a-z0-9][a-z0-9_-]*\Z")

PlainId = Annotated[str, StringConstraints(min_length=1, max_length=MAX_ID_LENGTH, pattern=PLAIN_ID)]
"""An id of another system: 1 to 200 characters, no control characters."""


def new_id(given: str) -> str:
    """An id as the doors pass it on: in Unicode's form NFC (UAX 15), so that one name is one id.

    Raises PydanticCustomError for white space at its beginning or end, and for more than 200 characters.
    """
    if given.isascii():
        composed = given
    else:
        composed = normalize("NFC", given)
        if len(composed) > MAX_ID_LENGTH:
            raise PydanticCustomError("string_too_long", "too long", {"max_length": MAX_ID_LENGTH})
    if composed != composed.strip():
        text = "must not begin or end with white space; send the id without it"
        raise PydanticCustomError("outer_white_space", "{flaw}", {"flaw": text})
    return composed


NewId = Annotated[PlainId, AfterValidator(new_id)]
"""An id of another system at a door: a :data:`PlainId` in NFC, without outer white space. Ids that are in the
log already are read as they are."""

_NEW_ID: TypeAdapter[str] = TypeAdapter(NewId)


def id_in_path(text: str) -> str | None:
    """The id that a path or a query names, in NFC; None if it cannot be an id."""
    try:
        return _NEW_ID.validate_python(text)
    except ValidationError:
        return None


Part = TypeVar("Part", bound=BaseModel)


def with_new_id(name: str) -> Callable[[Part], Part]:
    """A validator of a part of a body: its id of this name becomes a :data:`NewId`."""

    def checked(part: Part) -> Part:
        given: str = getattr(part, name)
        try:
            composed = new_id(given)
        except PydanticCustomError as flaw:
            context = {**(flaw.context or {}), "pointer": f"/{name}"}
            raise PydanticCustomError(flaw.type, flaw.message_template, context) from flaw
        return part if composed is given else part.model_copy(update={name: composed})

    return checked


Name = Annotated[str, StringConstraints(min_length=1, max_length=MAX_ID_LENGTH, pattern=NAME)]
"""An id in a policy: a tenant, role, mandate, prohibition, budget or kind."""

Tenant = Name
Kind = Name
Role = Name
CaseId = PlainId
RequestId = PlainId
AgentId = PlainId
CustomerId = PlainId
EventId = PlainId

_DIGITS = "abcdefghijklmnopqrstuvwxyz234567"
_TWO_DIGITS = [one + other for one in _DIGITS for other in _DIGITS]
"""Pairs of base32 digits (RFC 4648), for ten bits at a time. Python's base32 doubles the time of an id."""

APPROVAL_PREFIX = "apr_"
MAX_APPROVAL_ID_LENGTH = len(APPROVAL_PREFIX) + -(-(2 * 4 * MAX_ID_LENGTH + 1) * 4 // 3)
"""The base64 of two ids, with at most four bytes a character in UTF-8, and a NUL."""

ApprovalId = Annotated[
    str, StringConstraints(max_length=MAX_APPROVAL_ID_LENGTH, pattern=rf"^{APPROVAL_PREFIX}[A-Za-z0-9_-]+$")
]


class RequestKey(NamedTuple):
    """The identity of a request."""

    tenant: str
    case_id: str
    request_id: str

    @property
    def index_id(self) -> str:
        """The id under which the ledger knows this request (docs/ledger.md, Keys)."""
        return f"{self.tenant}/{self.case_id}\x00{self.request_id}"


def record_key(tenant: str, case_id: str) -> str:
    """The key of all records about a case. A tenant contains no slash, so the key can be split again."""
    return f"{tenant}/{case_id}"


def split_record_key(key: bytes | None) -> tuple[str, str] | None:
    """The tenant and the case id in a key of :func:`record_key`; None if it is not such a key."""
    try:
        tenant, _, case_id = (key or b"").decode().partition("/")
    except UnicodeDecodeError:
        return None
    named = len(tenant) <= MAX_ID_LENGTH and _NAME.search(tenant) is not None and _plain(case_id)
    return (tenant, case_id) if named else None


def uuid7() -> str:
    """A new time-ordered id (RFC 9562, version 7)."""
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10))
    value = milliseconds << 80 | 0x7 << 76 | (random >> 68) << 64 | 0b10 << 62 | random & (1 << 62) - 1
    return str(uuid.UUID(int=value))


def derived_id(*parts: str | int) -> str:
    """An id made from parts, as 26 characters of base32. The same parts give the same id."""
    text = "\x00".join(map(str, parts))
    number = int.from_bytes(blake2b(text.encode(), digest_size=16).digest(), "big") << 2
    return "".join([_TWO_DIGITS[number >> place & 1023] for place in range(120, -1, -10)])


def approval_id(case_id: str, request_id: str) -> str:
    """The id of the approval of a request. It contains both ids, so a reply needs no look-up for its key."""
    text = f"{case_id}\x00{request_id}".encode()
    return APPROVAL_PREFIX + base64.urlsafe_b64encode(text).decode().rstrip("=")


def new_approval_id(given: str) -> str:
    """The id of an approval with its ids in NFC, as the doors pass it on.

    Raises ValueError if :func:`approval_id` did not make it.
    """
    return approval_id(*(normalize("NFC", one) for one in split_approval_id(given)))


def split_approval_id(approval: str) -> tuple[str, str]:
    """The case id and the request id in the id of an approval.

    Raises ValueError if :func:`approval_id` did not make it.
    """
    body = approval.removeprefix(APPROVAL_PREFIX)
    text = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)).decode()
    case_id, _, request_id = text.partition("\x00")
    if not (_plain(case_id) and _plain(request_id)) or approval_id(case_id, request_id) != approval:
        raise ValueError("not the id of an approval")
    return case_id, request_id


def _plain(text: str) -> bool:
    return len(text) <= MAX_ID_LENGTH and _PLAIN_ID.search(text) is not None
