"""Reading what comes from outside: bytes in, a model out, or one Unreadable that says all that is wrong."""

from __future__ import annotations

import re
from typing import Any, Final, TypeVar

from pydantic import BaseModel, JsonValue, ValidationError
from pydantic_core import PydanticCustomError, from_json

from schemas.errors import Flaw, Unreadable
from schemas.model import MAX_DEPTH, check_open

Model = TypeVar("Model", bound=BaseModel)

MOST_FLAWS: Final = 10
_REASONS: Final = {
    "missing": "missing_field",
    "unknown_currency": "unknown_currency",
    "too_deep": "too_deep",
    "recursion_loop": "too_deep",
}
_PLACE = re.compile(r" at line (\d+) column (\d+)$")


def check_bytes(body: bytes | None) -> bytes:
    """The body, if there is one and it is UTF-8. Raises Unreadable: null_value, empty, not_utf8."""
    if body is None:
        raise Unreadable("null_value", "The record has no value; send the case as JSON in the value.")
    if not body.strip():
        raise Unreadable("empty", "The body is empty; send the case as JSON.")
    try:
        body.decode()
    except UnicodeDecodeError as flaw:
        raise Unreadable(
            "not_utf8",
            f"The body is not UTF-8: byte {flaw.start} is 0x{body[flaw.start]:02x}; send JSON in UTF-8.",
        ) from flaw
    return body


def parse_json(body: bytes | None) -> JsonValue:
    """Any JSON text (RFC 8259) of at most MAX_DEPTH levels.

    Raises Unreadable: null_value, empty, not_utf8, not_json, too_deep.
    """
    body = check_bytes(body)
    try:
        value: JsonValue = from_json(body, allow_inf_nan=False)
    except ValueError as flaw:
        raise _not_json(str(flaw)) from flaw
    if isinstance(value, dict | list):
        try:
            check_open(value, depth=1)
        except PydanticCustomError as flaw:
            raise _unlawful(flaw) from flaw
    return value


def read(model: type[Model], body: bytes | None) -> Model:
    """Read a model. Raises Unreadable with every flaw and where it stands."""
    body = check_bytes(body)
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise unreadable(error) from error


def unreadable(error: ValidationError) -> Unreadable:
    """What pydantic found, in words that a person understands; values of the input are not repeated."""
    found = error.errors(include_url=False, include_input=False, include_context=True)
    if found[0]["type"] == "json_invalid":
        return _not_json(str(found[0]["ctx"]["error"]))
    flaws = tuple(_flaw(one) for one in found[:MOST_FLAWS])
    kinds = [str(one["type"]) for one in found]
    reason = next((_REASONS[kind] for kind in kinds if kind in _REASONS), "invalid")
    more = f" (and {len(found) - MOST_FLAWS} more)" if len(found) > MOST_FLAWS else ""
    return Unreadable(
        reason, "; ".join(f"{flaw.pointer or '/'}: {flaw.text}" for flaw in flaws) + more, flaws
    )


def _flaw(one: Any) -> Flaw:
    context = one.get("ctx") or {}
    pointer = "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in one["loc"])
    text = _TEXTS.get(one["type"]) or str(one["msg"]).removeprefix("Value error, ")
    return Flaw(pointer + str(context.get("pointer", "")), text)


_TEXTS: Final = {
    "string_pattern_mismatch": "holds characters that are not allowed here",
    "string_type": "must be text in quotes",
    "bool_type": "must be true or false",
    "timezone_aware": "must be a time with its offset from UTC, such as 2026-03-02T08:00:00Z",
    "datetime_from_date_parsing": "must be a time (RFC 3339), such as 2026-03-02T08:00:00Z",
    "datetime_type": "must be a time in quotes (RFC 3339), such as 2026-03-02T08:00:00Z",
    "model_type": "must be an object",
    "dict_type": "must be an object",
    "missing": "is missing",
    "not_finite": "NaN and infinity are no JSON numbers",
}


def _not_json(text: str) -> Unreadable:
    if "recursion limit" in text:
        return _too_deep()
    place = _PLACE.search(text)
    where = f" at line {place[1]}, column {place[2]}" if place else ""
    return Unreadable(
        "not_json", f"The body is not JSON{where}: {_PLACE.sub('', text)}; send one JSON object."
    )


def _unlawful(flaw: PydanticCustomError) -> Unreadable:
    if flaw.type == "too_deep":
        return _too_deep()
    return Unreadable(
        "not_json", "The body holds NaN or infinity, which are no JSON numbers; send null or leave it out."
    )


def _too_deep() -> Unreadable:
    return Unreadable("too_deep", f"The body is nested more than {MAX_DEPTH} levels deep; send it flatter.")
