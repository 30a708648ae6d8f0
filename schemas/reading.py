"""Read input from outside: bytes in, a model out, or one Unreadable with all errors."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final, TypeVar

from pydantic import BaseModel, JsonValue, ValidationError
from pydantic_core import PydanticCustomError, from_json

from schemas.errors import Flaw, Unreadable
from schemas.model import ENVELOPE_DEPTH, MAX_DEPTH, check_open

Model = TypeVar("Model", bound=BaseModel)

MOST_FLAWS: Final = 10
_REASONS: Final = {
    "missing": "missing_field",
    "unknown_currency": "unknown_currency",
    "too_deep": "too_deep",
    "recursion_loop": "too_deep",
}
_LONGEST_STEP: Final = 100
_PLACE = re.compile(r" at line (\d+) column (\d+)$")


def check_bytes(body: bytes | None) -> bytes:
    """The body, if it is not empty and is UTF-8. Raises Unreadable: null_value, empty, not_utf8."""
    if body is None:
        raise Unreadable("null_value", "The record has no value; send one JSON object in it.")
    if not body.strip():
        raise Unreadable("empty", "The body is empty; send one JSON object.")
    try:
        body.decode()
    except UnicodeDecodeError as flaw:
        raise Unreadable(
            "not_utf8",
            f"The body is not UTF-8: byte {flaw.start} is 0x{body[flaw.start]:02x}; send JSON in UTF-8.",
        ) from flaw
    return body


def parse_json(body: bytes | None, most_levels: int = MAX_DEPTH) -> JsonValue:
    """Read JSON (RFC 8259) with at most `most_levels` levels, and only numbers that a double can hold.

    Raises Unreadable: null_value, empty, not_utf8, not_json, too_deep.
    """
    body = check_bytes(body)
    try:
        value: JsonValue = from_json(body, allow_inf_nan=False)
    except ValueError as flaw:
        raise _not_json(str(flaw)) from flaw
    if isinstance(value, dict | list):
        try:
            check_open(value, depth=1, most=most_levels)
        except PydanticCustomError as flaw:
            raise _unlawful(flaw) from flaw
    return value


def read(model: type[Model], body: bytes | None) -> Model:
    """Read a model. Raises Unreadable with all errors and their places."""
    body = check_bytes(body)
    if _suspect(body):
        # Pydantic skips unknown keys, but their values must be valid JSON too.
        parse_json(body, MAX_DEPTH + ENVELOPE_DEPTH)
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise unreadable(error) from error


def _suspect(body: bytes) -> bool:
    """Whether the body may contain NaN, infinity or deep nesting.

    Each word is looked for only if its first byte is there, because a search for one byte is much faster.
    """
    return (
        body.count(b"{") + body.count(b"[") > MAX_DEPTH
        or (b"N" in body and b"NaN" in body)
        or (b"I" in body and b"Infinity" in body)
    )


def unreadable(error: ValidationError) -> Unreadable:
    """The errors of pydantic in words for people, without the values of the input."""
    found = error.errors(include_url=False, include_input=False, include_context=True)
    if found[0]["type"] == "json_invalid":
        return _not_json(str(found[0]["ctx"]["error"]))
    flaws = tuple(_flaw(one) for one in found[:MOST_FLAWS])
    kinds = [str(one["type"]) for one in found]
    reason = next((_REASONS[kind] for kind in kinds if kind in _REASONS), "invalid")
    more = f" (and {len(found) - MOST_FLAWS} more)" if len(found) > MOST_FLAWS else ""
    return Unreadable(reason, sentence(flaws) + more, flaws)


def sentence(flaws: Iterable[Flaw]) -> str:
    """All errors in one text."""
    return "; ".join(f"{flaw.pointer or 'the body'}: {flaw.text}" for flaw in flaws)


def first_flaw(error: ValidationError) -> str:
    """The first error of a line of a file, in words for people: `sha256: is missing`."""
    found = unreadable(error)
    if not found.flaws:
        said = found.detail.removesuffix("; send one JSON object.").replace("The body is", "the line is")
        return said.replace(" at line 1, column", " at column")
    place, text = found.flaws[0].pointer[1:].replace("/", "."), found.flaws[0].text
    return f"{place}: {text}" if place else text


def _flaw(one: Any) -> Flaw:
    context = one.get("ctx") or {}
    pointer = "".join(
        "/" + str(step)[:_LONGEST_STEP].replace("~", "~0").replace("/", "~1") for step in one["loc"]
    )
    template = _TEXTS.get(one["type"])
    text = template.format_map(context) if template else str(one["msg"]).removeprefix("Value error, ")
    return Flaw(pointer + str(context.get("pointer", "")), text)


_A_TIME: Final = "must be a time in quotes (RFC 3339), such as 2026-03-02T08:00:00Z"
_TEXTS: Final = {
    "string_pattern_mismatch": "holds characters that are not allowed here",
    "string_type": "must be text in quotes",
    "string_too_short": "must not be empty",
    "string_too_long": "is longer than {max_length} characters",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "bool_type": "must be true or false",
    "timezone_aware": "must be a time with its offset from UTC, such as 2026-03-02T08:00:00Z",
    "datetime_from_date_parsing": _A_TIME,
    "datetime_parsing": _A_TIME,
    "datetime_type": _A_TIME,
    "model_type": "must be an object",
    "dict_type": "must be an object",
    "missing": "is missing",
    "extra_forbidden": "is not a known key",
    "literal_error": "must be {expected}",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "too_short": "must hold at least {min_length}",
}


def _not_json(text: str) -> Unreadable:
    if "recursion limit" in text:
        return _too_deep()
    place, text = _PLACE.search(text), _PLACE.sub("", text)
    if text.startswith(("expected value", "invalid number")):
        text += " (NaN and Infinity are not JSON)"
    where = f" at line {place[1]}, column {place[2]}" if place else ""
    return Unreadable("not_json", f"The body is not JSON{where}: {text}; send one JSON object.")


def _unlawful(flaw: PydanticCustomError) -> Unreadable:
    if flaw.type == "too_deep":
        return _too_deep()
    return Unreadable("invalid", "The body holds a number that is too large; send null or leave it out.")


def _too_deep() -> Unreadable:
    return Unreadable("too_deep", f"The body is nested more than {MAX_DEPTH} levels deep; use fewer levels.")
