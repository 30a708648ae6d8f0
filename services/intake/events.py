"""Messages that doors have read, and the events that intake publishes for them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, TypeAlias, assert_never

from schemas import types
from schemas.case import Case
from schemas.cloud_event import CloudEvent
from schemas.reply import Verdict
from schemas.topics import CASES, REPLIES
from schemas.withdrawal import Withdrawal
from services.intake.reading.replies import Reply

SOURCE: Final = "/mandaat/intake"
_LOG_APPEND_TIME: Final = 1

Content: TypeAlias = Case | Withdrawal | Reply
"""The content of a message."""


@dataclass(frozen=True)
class Message:
    """Content that a door has read, with the data of its event."""

    content: Content
    event_id: str
    time: datetime
    """The time of the event: the clock of the case's budgets (docs/policy.md, Budgets)."""
    received_at: datetime
    """The start of the measured time until it is accepted."""
    traceparent: str | None = None

    @property
    def about(self) -> dict[str, str]:
        """Its tenant, case and request, for the log."""
        return self.content.key._asdict()


class Publication(NamedTuple):
    """The topic of a message, the type of its event, and the event's data."""

    topic: str
    event_type: str
    data: Case | Withdrawal | Verdict


def publication_of(content: Content) -> Publication:
    """The topic, type and data of the event for some content."""
    match content:
        case Case():
            return Publication(CASES, types.CASE_SUBMITTED, content)
        case Withdrawal():
            return Publication(CASES, types.CASE_WITHDRAWN, content)
        case Reply():
            return Publication(REPLIES, content.kind.event_type, content.verdict)
        case _:
            assert_never(content)


def event_of(message: Message) -> CloudEvent[Any]:
    """The event that is published for a message."""
    _, event_type, data = publication_of(message.content)
    return types.event_model(event_type)(
        id=message.event_id,
        source=SOURCE,
        type=event_type,
        subject=message.content.case_id,
        time=message.time,
        tenant=message.content.tenant,
        traceparent=message.traceparent,
        data=data,
    )


def accepted_at(timestamp_ms: int, timestamp_type: int, now: datetime) -> datetime:
    """The time of acceptance of a record of mandaat.inbound: the broker's time if it set one, else now.

    The broker's time is the same at each redelivery, so the event is the same byte for byte. A time that the
    producer set is not believed, because this time is the clock of the budgets.
    """
    if timestamp_type != _LOG_APPEND_TIME:
        return now
    return datetime.fromtimestamp(timestamp_ms / 1000, UTC)
