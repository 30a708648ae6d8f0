"""A notice that waits in the outbox, and the events that say how it ended."""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal

from pydantic import AwareDatetime, ConfigDict, Field

from schemas import types
from schemas.cloud_event import CloudEvent
from schemas.ids import CaseId, EventId, PlainId, RequestId, Tenant, derived_id
from schemas.model import Frozen, is_absent
from schemas.notice import Audience, ChannelName, Notice

SOURCE: Final = "/mandaat/notifier"


class Recipient(Frozen):
    """Somebody who is told of an event over a channel. `person` is null for the webhook."""

    audience: Audience
    person: PlainId | None
    channel: ChannelName
    counter: str | None = Field(default=None, exclude_if=is_absent)
    """The budget of a warning, with its window and scope."""


class PendingNotice(Frozen):
    """One notice in the outbox. It names its event; the event and the case are read when it is sent."""

    model_config = ConfigDict(populate_by_name=True)

    notice_id: EventId
    tenant: Tenant
    case_id: CaseId
    request_id: RequestId
    request_digest: str
    about: EventId
    about_type: str
    about_time: AwareDatetime
    settled_us: int
    """When the ledger settled the event, in microseconds since 1970."""
    recipient: Recipient = Field(alias="told")
    """Its name in Redis is older, and stays, so that notices that wait survive an upgrade."""
    traceparent: str | None = None
    """Of the event. The event that says how the notice ended carries it on."""
    attempts: int = 0


def notice_id(tenant: str, about: str, recipient: Recipient) -> str:
    """The id of (event, person, channel). The same notice always gets the same id.

    A customer and a colleague with the same id are two people; an approver and an agent are one.
    """
    if recipient.counter is not None:
        return _warning_id(tenant, recipient.counter, recipient)
    kind = recipient.audience if recipient.audience in ("customer", "webhook") else "staff"
    return derived_id("notice", about, kind, recipient.person or "", recipient.channel)


def _warning_id(tenant: str, counter: str, recipient: Recipient) -> str:
    """The id does not depend on the event: a person is told of a budget once a window."""
    return derived_id("notice", "budget", tenant, counter, recipient.person or "", recipient.channel)


def ended(
    notice: PendingNotice,
    outcome: Literal["delivered", "failed"],
    now: datetime,
    *,
    message_id: str,
    language: Literal["nl", "en"] | None = None,
    reason: str | None = None,
) -> CloudEvent[Notice]:
    """The event for mandaat.notices. Its id is derived from the notice and the type."""
    type_ = types.NOTICE_DELIVERED if outcome == "delivered" else types.NOTICE_FAILED
    data = Notice(
        notice_id=notice.notice_id,
        case_id=notice.case_id,
        about=notice.about,
        about_type=notice.about_type,
        audience=notice.recipient.audience,
        person=notice.recipient.person,
        channel=notice.recipient.channel,
        language=language,
        message_id=message_id,
        attempts=notice.attempts,
        reason=reason,
    )
    return CloudEvent[Notice](
        id=derived_id(type_, notice.notice_id),
        source=SOURCE,
        type=type_,
        subject=notice.case_id,
        time=now,
        datacontenttype="application/json",
        tenant=notice.tenant,
        traceparent=notice.traceparent,
        data=data,
    )
