"""From an event to the notices that it makes."""

from __future__ import annotations

from collections.abc import Sequence

from services.notifier.core.desk import about, case_id_of
from services.notifier.core.pending import Pending, notice_id
from services.notifier.core.reading import Seen
from services.notifier.core.who import who_is_told


def notices_of(seen: Seen, approvers: Sequence[str], *, has_webhook: bool) -> tuple[Pending, ...]:
    """One notice for each that is told."""
    event = seen.event
    request_id, digest = about(event)
    return tuple(
        Pending(
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
