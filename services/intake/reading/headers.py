"""The headers of a record in mandaat.inbound: which matter, and what they say of a CloudEvent.

CloudEvents Kafka protocol binding 1.0.2: `content-type` chooses the mode; in binary mode an attribute stands
in a header `ce_<name>`, in UTF-8 and as it is. The Python SDK is not used to read: its 2.2 makes up a missing
`id` and `time`, lets NaN pass, and fails with whatever error the input provokes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from schemas.errors import Unreadable

CONTENT_TYPE: Final = "content-type"
PREFIX: Final = "ce_"
STRUCTURED: Final = "application/cloudevents"
STRUCTURED_JSON: Final = "application/cloudevents+json"


def that_matter(headers: Iterable[tuple[str, bytes | None]]) -> dict[str, str]:
    """`content-type` and all `ce_` headers by name in lower case; of a name that comes twice, the last.

    Raises Unreadable: bad_header. Any other header may hold anything.
    """
    found: dict[str, str] = {}
    for name, value in headers:
        lowered = name.lower()
        if lowered != CONTENT_TYPE and not lowered.startswith(PREFIX):
            continue
        if value is None:
            raise Unreadable(
                "bad_header", f"The header {_named(name)} has no value; give it one or leave it out."
            )
        try:
            found[lowered] = value.decode()
        except UnicodeDecodeError as flaw:
            raise Unreadable(
                "bad_header",
                f"The header {_named(name)} is not UTF-8: byte {flaw.start} is 0x{value[flaw.start]:02x}.",
            ) from flaw
    return found


def media_type(headers: Mapping[str, str]) -> str:
    """The content type without its parameters, in lower case; empty where there is none."""
    return headers.get(CONTENT_TYPE, "").partition(";")[0].strip().lower()


def attributes(headers: Mapping[str, str]) -> dict[str, str]:
    """The attributes of a CloudEvent in binary mode; empty where there are no `ce_` headers."""
    return {name.removeprefix(PREFIX): text for name, text in headers.items() if name.startswith(PREFIX)}


def _named(name: str) -> str:
    return repr(name[:80])
