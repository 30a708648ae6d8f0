"""A notice that waits to be told, as the outbox keeps it, and the events that say how it ended."""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal

from pydantic import AwareDatetime

from schemas import types
from schemas.cloud_event import CloudEvent
from schemas.ids import CaseId, EventId, PlainId, RequestId, Tenant, derived_id
from schemas.model import Frozen
from schemas.notice import Audience, Channel, Notice

SOURCE: Final = "/mandaat/notifier"


class Recipient(Frozen):
    """Somebody who is told of an event, over a channel. `person` is null for the webhook."""

    audience: Audience
    person: PlainId | None
    channel: Channel


class PendingNotice(Frozen):
    """One notice in the outbox. It names what is told; the texts are read when it is sent."""

    notice_id: EventId
    tenant: Tenant
    case_id: CaseId
    request_id: RequestId
    request_digest: str
    about: EventId
    about_type: str
    about_time: AwareDatetime
    settled_us: int
    """When the ledger settled what is told, in microseconds since 1970."""
    told: Recipient
    traceparent: str | None = None
    """Of the event, for the one that says how telling it ended."""
    attempts: int = 0


def notice_id(about: str, told: Recipient) -> str:
    """The id of (event, person, channel): the same notice, the same id, however often it is made.

    A customer and an agent may have the same id; an approver and an asking agent are both staff.
    """
    kind = told.audience if told.audience in ("customer", "webhook") else "staff"
    return derived_id("notice", about, kind, told.person or "", told.channel)


def ended(
    pending: PendingNotice,
    outcome: Literal["delivered", "failed"],
    now: datetime,
    *,
    message_id: str,
    language: Literal["nl", "en"] | None = None,
    reason: str | None = None,
) -> CloudEvent[Notice]:
    """The event for mandaat.notices. Its id follows from the notice and the type."""
    type_ = types.NOTICE_DELIVERED if outcome == "delivered" else types.NOTICE_FAILED
    notice = Notice(
        notice_id=pending.notice_id,
        case_id=pending.case_id,
        about=pending.about,
        about_type=pending.about_type,
        audience=pending.told.audience,
        person=pending.told.person,
        channel=pending.told.channel,
        language=language,
        message_id=message_id,
        attempts=pending.attempts,
        reason=reason,
    )
    return CloudEvent[Notice](
        id=derived_id(type_, pending.notice_id),
        source=SOURCE,
        type=type_,
        subject=pending.case_id,
        time=now,
        datacontenttype="application/json",
        tenant=pending.tenant,
        traceparent=pending.traceparent,
        data=notice,
    )
