"""Notices that wait to be sent, and the events that they are about as the notifier reads them."""

from __future__ import annotations

from typing import Any

from services.notifier.planning.notice import PendingNotice, Recipient, notice_id
from services.notifier.planning.reading import NotifiableEvent, read_event


def a_pending_notice(
    event: Any,
    audience: str = "customer",
    person: str | None = "cu-1",
    counter: str | None = None,
    **changes: Any,
) -> PendingNotice:
    """A notice about an event."""
    channel = "webhook" if audience == "webhook" else "mail"
    told = Recipient.model_validate(
        {"audience": audience, "person": person, "channel": channel, "counter": counter}
    )
    fields: dict[str, Any] = {
        "notice_id": notice_id(event.tenant, event.id, told),
        "tenant": event.tenant,
        "case_id": event.subject,
        "request_id": "r1",
        "request_digest": "digest",
        "about": event.id,
        "about_type": event.type,
        "about_time": event.time,
        "settled_us": int(event.sequence),
        "told": told,
    }
    return PendingNotice.model_validate(fields | changes)


def as_the_notifier_reads(event: Any) -> NotifiableEvent:
    """The event, written and read again."""
    read = read_event(event.to_bytes())
    assert read is not None
    return read
