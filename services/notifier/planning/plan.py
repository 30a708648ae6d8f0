"""From an event to the notices that it makes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from schemas.notice import ChannelName
from services.notifier.planning.event_kinds import EVENT_KINDS, Event
from services.notifier.planning.notice import PendingNotice, Recipient, notice_id
from services.notifier.planning.reading import NotifiableEvent
from services.notifier.planning.recipients import CHANNELS


def recipients_of(
    event: Event, approvers: Sequence[str], channels: Collection[ChannelName]
) -> tuple[Recipient, ...]:
    """Everybody who is told of this event, each person once a channel.

    `approvers` are those who are still asked about its request; `channels` serve its tenant.
    """
    return tuple(dict.fromkeys(_recipients(event, approvers, channels)))


def _recipients(
    event: Event, approvers: Sequence[str], channels: Collection[ChannelName]
) -> Iterator[Recipient]:
    for party in EVENT_KINDS[event.type].parties(event.data, approvers):
        for channel in CHANNELS[party.audience]:
            if channel in channels:
                yield Recipient(
                    audience=party.audience, person=party.person, channel=channel, counter=party.counter
                )


def notices_of(
    notifiable: NotifiableEvent, approvers: Sequence[str], channels: Collection[ChannelName]
) -> tuple[PendingNotice, ...]:
    """One notice for each recipient."""
    event, request = notifiable.event, notifiable.request
    return tuple(
        PendingNotice(
            notice_id=notice_id(notifiable.tenant, event.id, recipient),
            tenant=notifiable.tenant,
            case_id=request.case_id,
            request_id=request.request_id,
            request_digest=request.digest,
            about=event.id,
            about_type=event.type,
            about_time=event.time,
            settled_us=notifiable.settled_us,
            recipient=recipient,
            traceparent=event.traceparent,
        )
        for recipient in recipients_of(event, approvers, channels)
    )
