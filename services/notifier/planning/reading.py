"""Reads what the notifier consumes: cases, and the events of mandaat.decisions that it knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel, ConfigDict

from schemas import types
from schemas.approval import ApprovalEvent
from schemas.case import Case
from schemas.cloud_event import CloudEvent
from schemas.decision import Decision
from schemas.errors import Unreadable
from schemas.ids import record_key
from schemas.notice import Notice
from schemas.reading import read
from services.notifier.planning.recipients import Event, case_id_of

_NOTICES: Final = frozenset({types.NOTICE_DELIVERED, types.NOTICE_FAILED})


class _Typed(BaseModel):
    """As much of an event as says what it is."""

    model_config = ConfigDict(extra="ignore", strict=True)
    type: str


@dataclass(frozen=True)
class DecisionEvent:
    """An event of mandaat.decisions, and its bytes."""

    event: Event
    raw: bytes
    tenant: str
    settled_us: int

    @property
    def key(self) -> str:
        """Of the case."""
        return record_key(self.tenant, case_id_of(self.event))


def read_case(value: bytes | None) -> Case | None:
    """A case that was submitted; None for an event of a type that is not known here. Raises Unreadable."""
    if read(_Typed, value).type != types.CASE_SUBMITTED:
        return None
    return read(CloudEvent[Case], value).data


def read_decision(value: bytes | None) -> DecisionEvent | None:
    """An event of mandaat.decisions; None for a type that is not known here. Raises Unreadable."""
    type_ = read(_Typed, value).type
    event: Event
    if type_ in types.DECISION_EVENTS:
        event = read(CloudEvent[Decision], value)
    elif type_ in types.APPROVAL_EVENTS:
        event = read(CloudEvent[ApprovalEvent], value)
    else:
        return None
    if event.tenant is None or event.sequence is None:
        raise Unreadable("missing_field", "/tenant, /sequence: every event about a case has both.")
    return DecisionEvent(event, value or b"", event.tenant, int(event.sequence))


def read_notice(value: bytes | None) -> CloudEvent[Notice] | None:
    """How a notice ended; None for a type that is not known here. Raises Unreadable."""
    if read(_Typed, value).type not in _NOTICES:
        return None
    return read(CloudEvent[Notice], value)
