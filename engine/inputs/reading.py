"""Read one record of mandaat.cases or mandaat.replies as an input."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias, get_args

from msgspec import DecodeError, Struct
from msgspec.json import Decoder

from engine.fast_paths.submission_decoder import decode_submission
from engine.inputs.received import FromRecord, unknown_type
from engine.inputs.reply import Reply
from engine.inputs.submission import Submission
from engine.inputs.withdrawal import WithdrawalInput
from schemas import topics, types
from schemas.model import ENVELOPE_DEPTH, MAX_DEPTH
from schemas.reading import parse_json

Input: TypeAlias = Submission | WithdrawalInput | Reply

KINDS: Final[Mapping[str, Mapping[str, type[Input]]]] = {
    topic: {kind.event_type: kind for kind in get_args(Input) if kind.event_type in types.types_in(topic)}
    for topic in (topics.CASES, topics.REPLIES)
}
"""Topic -> event type -> the class that reads it. A record without a type goes to the topic's first class."""


class _Typed(Struct):
    type: str


_decode_type: Final = Decoder(_Typed).decode


def read_input(topic: str, partition: int, key: bytes | None, value: bytes | None) -> Input:
    """Read one record. Raises Unreadable."""
    origin = FromRecord(topic, partition)
    if topic == topics.CASES and value is not None:
        plain = decode_submission(key, value)
        if plain is not None:
            return Submission(origin, plain.event_id, plain.time, plain.traceparent, plain.case)
    kinds = KINDS[topic]
    event_type = _type_of(value)
    if event_type is None:
        return next(iter(kinds.values())).read(origin, key, value)
    if event_type not in kinds:
        parse_json(value, MAX_DEPTH + ENVELOPE_DEPTH)  # if the body is not JSON, report that instead
        raise unknown_type(topic)
    return kinds[event_type].read(origin, key, value)


def _type_of(value: bytes | None) -> str | None:
    """The type of the event; None if it has no type or is not JSON."""
    try:
        return None if value is None else _decode_type(value).type
    except (DecodeError, UnicodeDecodeError):
        return None
