"""The channel `webhook`: the event as it is, signed, posted to the address of its tenant."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Final, Protocol

from schemas.notice import ChannelName
from services.notifier.channels.channel import DeliveryAttempt, Material, fair_share
from services.notifier.channels.outcome import Outcome
from services.notifier.planning.notice import PendingNotice


class WebhookTransport(Protocol):
    """Posts to the tenants' webhooks."""

    async def send(self, tenant: str, webhook_id: str, body: bytes, now: datetime) -> Outcome:
        """Post one event."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


class WebhookChannel:
    """Posts events to the tenants that have a webhook."""

    name: Final[ChannelName] = "webhook"
    needs_case: Final = False

    def __init__(
        self, transport: WebhookTransport, tenants: Callable[[], Collection[str]], concurrency: int
    ) -> None:
        """`tenants` gives the tenants that have a webhook now."""
        self._transport = transport
        self._tenants = tenants
        self.concurrency: Final = concurrency

    def serves(self, tenant: str) -> bool:
        """Whether the tenant has a webhook."""
        return tenant in self._tenants()

    def share_of_tenant(self, places: int) -> int:
        """Each tenant has a server of its own, and one that hangs must not hold up the others."""
        return fair_share(places, len(self._tenants()))

    def message_id(self, notice: PendingNotice) -> str:
        """The webhook-id."""
        return notice.notice_id

    def ready(self) -> str | None:
        """It needs nothing to be there first."""
        return None

    async def send(self, notice: PendingNotice, material: Material, now: datetime) -> DeliveryAttempt:
        """Post the event."""
        body = material.event.raw
        return DeliveryAttempt(await self._transport.send(notice.tenant, notice.notice_id, body, now))

    async def close(self) -> None:
        """Close the connections to the webhooks."""
        await self._transport.close()
