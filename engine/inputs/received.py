"""The fields of every input, and the attributes that each kind of input must add."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple, TypeAlias

from schemas.cloud_event import CloudEvent
from schemas.errors import Unreadable
from schemas.ids import record_key
from schemas.topics import CASES, TOPICS
from schemas.types import types_in

_TYPES_IN: Final = {topic.name: types_in(topic.name) for topic in TOPICS}


class FromRecord(NamedTuple):
    """The input came in a record of this topic and partition."""

    topic: str
    partition: int


InputOrigin: TypeAlias = FromRecord
"""The source of an input. A timer would be one more member."""

OFFLINE: Final = FromRecord(CASES, 0)
"""The origin of inputs without a record: in policy tests and on the command line."""


class Needs(NamedTuple):
    """The reads that an input needs before it can be judged.

    `states`: ids of approvals in the ledger. `newest`: index ids of requests; the events of the newest
    decision on each are read from the journal.
    """

    states: tuple[str, ...] = ()
    newest: tuple[str, ...] = ()


NOTHING_NEEDED: Final = Needs()


@dataclass(frozen=True)
class Received:
    """The fields of every input. Each kind adds the attributes below; mypy reports a kind that lacks one.

    | name | meaning |
    |---|---|
    | `tenant`, `case_key`, `request_key` | the tenant, the case and the request that the input is about |
    | `index_id`, `digest` | the id under which the ledger settles it once; another digest is a conflict |
    | `needs` | the reads that it needs before it can be judged |
    | `judged_person` | the id of the person whose authority is judged; None if no person is judged |
    | `alone` | whether it must not share a round with another input of its case |
    | `conflict` | the detail of the dead letter if the id is known with other content |
    """

    origin: InputOrigin
    event_id: str
    time: datetime
    traceparent: str | None

    @property
    def partition(self) -> int:
        """The partition of its case, the same in every topic."""
        return self.origin.partition


def check_event(
    event: CloudEvent[Any],
    event_type: str,
    origin: FromRecord,
    key: bytes | None,
    case_key: tuple[str | None, str],
) -> str:
    """Check the envelope against its record and its data, and return the tenant. Raises Unreadable."""
    tenant, case_id = case_key
    if event.type != event_type:
        raise unknown_type(origin.topic)
    if tenant is None or event.tenant is None:
        raise Unreadable("missing_field", "/tenant: is missing; every event names its tenant.")
    if event.tenant != tenant or event.subject not in (None, case_id):
        raise Unreadable(
            "key_mismatch", "The event's tenant or subject disagrees with the tenant or case_id in its data."
        )
    if key != record_key(tenant, case_id).encode():
        raise Unreadable(
            "key_mismatch",
            "The record's key is not <tenant>/<case_id> of its body; publish it with that key.",
        )
    return tenant


def unknown_type(topic: str) -> Unreadable:
    """The error for an event type that rules does not accept in this topic."""
    accepted = " or ".join(sorted(_TYPES_IN[topic]))
    return Unreadable("unknown_type", f"/type: this type is not accepted in {topic}; send {accepted}.")
