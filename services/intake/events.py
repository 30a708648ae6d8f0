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
        """The ids that it names, for the log."""
        return publication_of(self.content).about


class Publication(NamedTuple):
    """The event of some content: its topic, type, data and subject, and the ids for the log.

    Tenant and subject are the key of its record. `about` holds the tenant too.
    """

    topic: str
    event_type: str
    data: Case | Withdrawal | Verdict
    subject: str
    about: dict[str, str]


def publication_of(content: Content) -> Publication:
    """How content is published. A new kind of content is one more case here."""
    match content:
        case Case():
            return Publication(CASES, types.CASE_SUBMITTED, content, content.case_id, content.key._asdict())
        case Withdrawal():
            return Publication(CASES, types.CASE_WITHDRAWN, content, content.case_id, content.key._asdict())
        case Reply():
            return Publication(
                REPLIES, content.kind.event_type, content.verdict, content.case_id, content.key._asdict()
            )
        case _:
            assert_never(content)


def event_of(message: Message) -> CloudEvent[Any]:
    """The event that is published for a message."""
    published = publication_of(message.content)
    return types.event_model(published.event_type)(
        id=message.event_id,
        source=SOURCE,
        type=published.event_type,
        subject=published.subject,
        time=message.time,
        tenant=message.content.tenant,
        traceparent=message.traceparent,
        data=published.data,
    )


def accepted_at(timestamp_ms: int, timestamp_type: int, now: datetime) -> datetime:
    """The time of acceptance of a record of mandaat.inbound: the broker's time if it set one, else now.

    The broker's time is the same at each redelivery, so the event is the same byte for byte. A time that the
    producer set is not believed, because this time is the clock of the budgets.
    """
    if timestamp_type != _LOG_APPEND_TIME:
        return now
    return datetime.fromtimestamp(timestamp_ms / 1000, UTC)
