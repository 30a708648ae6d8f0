"""The headers of a record in mandaat.inbound that say how to read it as a CloudEvent.

CloudEvents Kafka protocol binding 1.0.2: `content-type` chooses the mode. In binary mode each attribute is a
header `ce_<name>` in UTF-8. The Python SDK is not used to read: version 2.2 invents a missing `id` and
`time`, accepts NaN, and raises many kinds of errors on bad input.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from schemas.errors import Unreadable

CONTENT_TYPE: Final = "content-type"
PREFIX: Final = "ce_"
STRUCTURED: Final = "application/cloudevents"
STRUCTURED_JSON: Final = "application/cloudevents+json"


def cloud_event_headers(headers: Iterable[tuple[str, bytes | None]]) -> dict[str, str]:
    """`content-type` and all `ce_` headers, by name in lower case.

    The last one of a repeated `ce_` name counts.
    Raises Unreadable: bad_header. Other headers may hold anything.
    """
    found: dict[str, str] = {}
    for name, value in headers:
        lowered = name.lower()
        if lowered != CONTENT_TYPE and not lowered.startswith(PREFIX):
            continue
        if value is None:
            raise Unreadable(
                "bad_header", f"The header {_shown(name)} has no value; give it one or leave it out."
            )
        try:
            text = value.decode()
        except UnicodeDecodeError as flaw:
            raise Unreadable(
                "bad_header",
                f"The header {_shown(name)} is not UTF-8: byte {flaw.start} is 0x{value[flaw.start]:02x}.",
            ) from flaw
        if lowered == CONTENT_TYPE and found.get(lowered, text) != text:
            raise Unreadable(
                "bad_header",
                f"There are two content-type headers, {_shown(found[lowered])} and {_shown(text)}; send one.",
            )
        found[lowered] = text
    return found


def media_type(headers: Mapping[str, str]) -> str:
    """The content type without its parameters, in lower case; empty if there is none."""
    return headers.get(CONTENT_TYPE, "").partition(";")[0].strip().lower()


def binary_attributes(headers: Mapping[str, str]) -> dict[str, str]:
    """The attributes of a CloudEvent in binary mode; empty if there are no `ce_` headers."""
    return {name.removeprefix(PREFIX): text for name, text in headers.items() if name.startswith(PREFIX)}


def _shown(name: str) -> str:
    return repr(name[:80])
