"""Reads what the notifier consumes: cases, the events that people are told of, and how notices ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

from pydantic import BaseModel, ConfigDict

from schemas import types
from schemas.case import Case
from schemas.cloud_event import CloudEvent
from schemas.errors import Unreadable
from schemas.ids import record_key
from schemas.notice import Notice
from schemas.reading import read
from schemas.withdrawal import Withdrawal
from services.notifier.planning.event_kinds import EVENT_KINDS, Event, RequestReference, request_of

CaseInput: TypeAlias = Case | Withdrawal
"""What mandaat.cases holds."""

_NOTICES: Final = frozenset({types.NOTICE_DELIVERED, types.NOTICE_FAILED})


class _Typed(BaseModel):
    """As much of an event as says what it is."""

    model_config = ConfigDict(extra="ignore", strict=True)
    type: str


@dataclass(frozen=True)
class NotifiableEvent:
    """An event that people may be told of, and its bytes."""

    event: Event
    raw: bytes
    tenant: str
    settled_us: int
    """When the ledger settled it, in microseconds since 1970."""

    @property
    def request(self) -> RequestReference:
        """The request that it is about."""
        return request_of(self.event)

    @property
    def case_key(self) -> str:
        """The key of its case."""
        return record_key(self.tenant, self.request.case_id)


def read_case(value: bytes | None) -> CaseInput | None:
    """A case that was submitted, or a withdrawal; None for another event. Raises Unreadable."""
    match read(_Typed, value).type:
        case types.CASE_SUBMITTED:
            return read(CloudEvent[Case], value).data
        case types.CASE_WITHDRAWN:
            return read(CloudEvent[Withdrawal], value).data
        case _:
            return None


def read_event(value: bytes | None) -> NotifiableEvent | None:
    """An event of a kind that is known here; None for another. Raises Unreadable."""
    kind = EVENT_KINDS.get(read(_Typed, value).type)
    if kind is None:
        return None
    event: Event = read(kind.model, value)
    if event.tenant is None or event.sequence is None:
        raise Unreadable("missing_field", "/tenant, /sequence: every event about a case has both.")
    return NotifiableEvent(event, value or b"", event.tenant, int(event.sequence))


def read_notice(value: bytes | None) -> CloudEvent[Notice] | None:
    """How a notice ended; None for an event of another type. Raises Unreadable."""
    if read(_Typed, value).type not in _NOTICES:
        return None
    return read(CloudEvent[Notice], value)
