"""From an event to the notices that it makes."""

from __future__ import annotations

from collections.abc import Sequence

from services.notifier.planning.notice import PendingNotice, notice_id
from services.notifier.planning.reading import DecisionEvent
from services.notifier.planning.recipients import about, case_id_of, who_is_told


def notices_of(
    seen: DecisionEvent, approvers: Sequence[str], *, has_webhook: bool
) -> tuple[PendingNotice, ...]:
    """One notice for each that is told."""
    event = seen.event
    request_id, digest = about(event)
    return tuple(
        PendingNotice(
            notice_id=notice_id(event.id, told),
            tenant=seen.tenant,
            case_id=case_id_of(event),
            request_id=request_id,
            request_digest=digest,
            about=event.id,
            about_type=event.type,
            about_time=event.time,
            settled_us=seen.settled_us,
            told=told,
            traceparent=event.traceparent,
        )
        for told in who_is_told(event, approvers, has_webhook=has_webhook)
    )
