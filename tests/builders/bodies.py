"""JSON bodies: how a builder changes its defaults, and how a body becomes bytes."""

from __future__ import annotations

import json
from typing import Any

LEFT_OUT: Any = object()
"""As the value of a key: leave the key out."""


def changed(body: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """The body with changes: LEFT_OUT takes a key away; `customer.id` is a key of an object in the body."""
    result = dict(body)
    for name, value in changes.items():
        key, _, rest = name.partition(".")
        result[key] = changed(result[key], {rest: value}) if rest else value
    return {key: value for key, value in result.items() if value is not LEFT_OUT}


def as_bytes(body: Any) -> bytes:
    """The body as JSON in UTF-8."""
    return json.dumps(body, ensure_ascii=False).encode()


def nested(levels: int) -> Any:
    """An object that is `levels` levels deep."""
    body: Any = 1
    for _ in range(levels):
        body = {"n": body}
    return body
