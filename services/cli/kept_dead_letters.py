"""A dead letter as operations see it: the record, its place, and the reason."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from schemas.topics import DECISIONS, POLICIES
from services.chassis.kafka.dead_letters import PREFIX, ConsumedRecord
from services.chassis.kafka.producer import Outgoing

_HEADERS: Final = ("ce_tenant",)
"""The extension `tenant` of a CloudEvent in binary mode."""
_CUT: Final = f"{PREFIX}cut-from-bytes"


class KeptDeadLetter(NamedTuple):
    """One dead letter. `id` is its place in mandaat.dead-letters: `<partition>:<offset>`."""

    id: str
    written_at: datetime
    reason: str
    detail: str
    service: str
    topic: str
    partition: int | None
    offset: int | None
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    """The headers of the original record."""
    cut_from: int | None
    """The size of the value, if not all of it was kept."""

    @property
    def cannot_be_redriven(self) -> str | None:
        """The reason why it cannot be published again, or None."""
        if not self.topic or self.partition is None:
            return "it does not say where it came from"
        if self.topic == DECISIONS:
            return (
                f"only rules writes {DECISIONS}; submit the case again, and its decision is published again"
            )
        if self.cut_from is not None:
            return f"only part of its {self.cut_from} bytes was kept"
        if self.value is None and self.reason != "null_value":
            return "it was skipped, and its bytes were not kept"
        return None

    @property
    def tenants(self) -> frozenset[str]:
        """The tenants that its key, its value or its headers name; more than one if these disagree."""
        key, slash, _ = (self.key or b"").decode(errors="replace").partition("/")
        found: list[object] = [key if slash or self.topic == POLICIES else None]
        found += [(value or b"").decode(errors="replace") for name, value in self.headers if name in _HEADERS]
        with suppress(ValueError, RecursionError):
            body = json.loads(self.value or b"")
            data = body.get("data") if isinstance(body, dict) else None
            found += [one.get("tenant") for one in (body, data) if isinstance(one, dict)]
        return frozenset(one for one in found if isinstance(one, str) and one)

    @property
    def content(self) -> tuple[object, ...]:
        """The content to publish: equal for dead letters of one record that failed more than once."""
        return (self.topic, self.partition, self.key, self.value, self.headers)

    def outgoing(self) -> Outgoing:
        """The original record, for its original place."""
        return Outgoing(self.topic, self.partition, self.key, self.value, self.headers)

    def summary(self) -> dict[str, Any]:
        """One line of `list`."""
        return {
            "id": self.id,
            "time": self.written_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "reason": self.reason,
            "detail": self.detail,
            "service": self.service,
            "topic": self.topic,
            "partition": self.partition,
            "offset": self.offset,
            "key": _readable(self.key),
            "bytes": None if self.value is None else len(self.value),
        }

    def whole(self) -> dict[str, Any]:
        """All of it; bytes that are not UTF-8 as `{"base64": ...}`."""
        headers = [[name, _readable(value)] for name, value in self.headers]
        more = {} if self.cut_from is None else {"cut_from_bytes": self.cut_from}
        return {**self.summary(), **more, "headers": headers, "value": _readable(self.value)}


def read_dead_letter(record: ConsumedRecord) -> KeptDeadLetter:
    """The dead letter in a record of mandaat.dead-letters, even if another program wrote it."""
    ours = {name: value for name, value in record.headers if name.startswith(PREFIX)}

    def said(name: str) -> str:
        return (ours.get(PREFIX + name) or b"").decode(errors="replace")

    return KeptDeadLetter(
        id=f"{record.partition}:{record.offset}",
        written_at=datetime.fromtimestamp(record.timestamp / 1000, UTC),
        reason=said("reason"),
        detail=said("detail"),
        service=said("service"),
        topic=said("topic"),
        partition=_number(said("partition")),
        offset=_number(said("offset")),
        key=record.key,
        value=record.value,
        headers=tuple((name, value) for name, value in record.headers if not name.startswith(PREFIX)),
        cut_from=_number((ours.get(_CUT) or b"").decode(errors="replace")),
    )


def newest_of_each(letters: Sequence[KeptDeadLetter]) -> tuple[list[KeptDeadLetter], dict[str, str]]:
    """The newest dead letter of each content, and for each older one the id of the newest.

    A record that is redriven and fails again leaves a second dead letter. Without this rule, redriving all
    would double them each time.
    """
    newest: dict[tuple[object, ...], KeptDeadLetter] = {}
    for letter in letters:
        other = newest.get(letter.content)
        if other is None or (letter.written_at, letter.offset or 0) >= (other.written_at, other.offset or 0):
            newest[letter.content] = letter
    kept = [letter for letter in letters if newest[letter.content] is letter]
    return kept, {
        letter.id: newest[letter.content].id for letter in letters if newest[letter.content] is not letter
    }


def _readable(value: bytes | None) -> str | dict[str, str] | None:
    if value is None:
        return None
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value).decode()}


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() else None
