"""Accept the body of an HTTP request, and find its caller. Every door over HTTP uses this."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Annotated, Any, Final, Generic, NamedTuple, TypeAlias, TypeVar

from fastapi import Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel

from schemas.case import Case
from schemas.errors import Flaw, Unreadable
from schemas.ids import uuid7
from schemas.reading import parse_json
from services.chassis.http.keys import Caller, Keys, Scope
from services.chassis.http.problems import HttpProblem
from services.intake.accepting import Door, Intake
from services.intake.caller_limits import (
    OtherAgent,
    check_agent,
    check_unknown,
    with_trusted_facts,
    with_unknown,
)
from services.intake.events import Content, Message
from services.intake.reading.inbound import valid_traceparent
from services.intake.reading.unknown_keys import near_misses, unknown_keys

JSON: Final = "application/json"
BEARER: Final = HTTPBearer(auto_error=False, description="A key of MANDAAT_KEYS_FILE. It implies the tenant.")

CallerDependency: TypeAlias = Callable[..., Coroutine[Any, Any, Caller]]
"""A dependency of a route: the caller of a request."""


ContentT = TypeVar("ContentT", bound=Content)


class Accepted(NamedTuple, Generic[ContentT]):
    """Content that was published and acknowledged, the id of its event, and warnings about the body."""

    content: ContentT
    event_id: str
    warnings: tuple[Flaw, ...]


class OtherTenant(HttpProblem):
    """403: the case names another tenant than the caller's key."""

    reason = "other_tenant"


def caller_with(keys: Keys, scope: Scope) -> CallerDependency:
    """A dependency that gives the caller, if the caller's key has the scope. It raises HttpProblem."""

    async def caller(
        request: Request, _: Annotated[HTTPAuthorizationCredentials | None, Security(BEARER)]
    ) -> Caller:
        return keys.check(request.headers.get("authorization"), scope)

    return caller


async def read_message(
    intake: Intake,
    door: Door,
    request: Request,
    caller: Caller,
    model: type[BaseModel],
    read: Callable[[bytes], ContentT],
    about: Mapping[str, str] | None = None,
) -> tuple[ContentT, Message, tuple[Flaw, ...]]:
    """Read the body of a request: its content, the message to accept, and warnings about the body.

    `about` holds the ids in the path, for the log.
    With the scope `backfill` the clock of a case is its `opened_at`.
    Raises Unreadable, HttpProblem, TryAgain.
    """
    body = await _json_body(request)
    received_at = intake.now()
    try:
        content, warnings = _within_limits(caller, model, read, body)
        await intake.check_known(content)
    except (Unreadable, OtherTenant, OtherAgent) as refusal:
        intake.refuse(door, refusal.reason, {"tenant": caller.tenant, **(about or {})})
        raise
    time = received_at
    if isinstance(content, Case) and "backfill" in caller.scopes:
        time = content.opened_at
    message = Message(
        content,
        event_id=uuid7(),
        time=time,
        received_at=received_at,
        traceparent=valid_traceparent(request.headers.get("traceparent")),
    )
    return content, message, warnings


async def accept_body(
    intake: Intake,
    door: Door,
    request: Request,
    caller: Caller,
    model: type[BaseModel],
    read: Callable[[bytes], ContentT],
    about: Mapping[str, str] | None = None,
) -> Accepted[ContentT]:
    """Read the body of a request (see `read_message`) and accept it.

    Raises Unreadable, HttpProblem, TryAgain.
    """
    content, message, warnings = await read_message(intake, door, request, caller, model, read, about)
    await intake.accept([message], door)
    return Accepted(content, message.event_id, warnings)


def _within_limits(
    caller: Caller, model: type[BaseModel], read: Callable[[bytes], ContentT], body: bytes
) -> tuple[ContentT, tuple[Flaw, ...]]:
    """The content of a body as its caller may send it, and warnings. Raises Unreadable, HttpProblem."""
    try:
        content = read(body)
    except Unreadable as refusal:
        if not refusal.flaws:
            raise
        raise with_unknown(refusal, caller, unknown_keys(model, parse_json(body))) from refusal
    unknown = unknown_keys(model, parse_json(body))
    check_unknown(caller, unknown)
    check_agent(caller, content)
    return with_trusted_facts(caller, content), near_misses(unknown)


def check_tenant(caller: Caller, named: str | None) -> None:
    """Check that a body names no tenant, or the caller's. Raises OtherTenant."""
    if named not in (None, caller.tenant):
        raise OtherTenant(
            403,
            "other-tenant",
            "The case is of another tenant than the key. Leave the tenant out, or use that tenant's key.",
            errors=[{"pointer": "/tenant", "detail": "is not the tenant of the key"}],
        )


async def _json_body(request: Request) -> bytes:
    """The body. Raises HttpProblem 415 if the content type is not JSON."""
    content_type = request.headers.get("content-type", JSON)
    if content_type.partition(";")[0].strip().lower() != JSON:
        raise HttpProblem(
            415,
            "unsupported-media-type",
            f"Send the body as JSON, with Content-Type: {JSON}.",
            headers={"Accept": JSON},
        )
    return await request.body()
