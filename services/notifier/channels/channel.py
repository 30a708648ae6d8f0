"""The protocol of a channel: one way to reach people, with its addresses, rendering, sending and fairness.

A new channel is a folder beside `mail` and `webhook`, a name in `schemas.notice.ChannelName`, a line in
`services.notifier.app.open_channels`, and a row in `services.notifier.planning.recipients.CHANNELS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from schemas.case import Case
from schemas.language import Language
from schemas.notice import ChannelName
from services.notifier.channels.outcome import Outcome
from services.notifier.planning.notice import PendingNotice
from services.notifier.planning.reading import NotifiableEvent


@dataclass(frozen=True)
class Material:
    """The parts of a case file that a notice needs: the event and the case as submitted.

    `case` is None where the channel does not need it. `remark` is the one of the closed approval, for
    decisions that are older than their own `note`.
    """

    event: NotifiableEvent
    case: Case | None = None
    remark: str | None = None


class DeliveryAttempt(NamedTuple):
    """How one try ended, and the language of the message where it has one."""

    outcome: Outcome
    language: Language | None = None


class Channel(Protocol):
    """One way to reach people. The outbox knows a channel by this protocol only."""

    @property
    def name(self) -> ChannelName:
        """Its name in events, in metrics and in the outbox."""
        ...

    @property
    def concurrency(self) -> int:
        """How many notices it sends at the same time."""
        ...

    @property
    def needs_case(self) -> bool:
        """Whether it needs the case as submitted. A notice whose case is no longer kept fails then."""
        ...

    def serves(self, tenant: str) -> bool:
        """Whether people of this tenant are told over it."""
        ...

    def share_of_tenant(self, places: int) -> int:
        """The share of one tenant in so many places, so that a tenant that hangs leaves room for others."""
        ...

    def message_id(self, notice: PendingNotice) -> str:
        """The id under which the other side gets this notice. Every try has the same."""
        ...

    async def send(self, notice: PendingNotice, material: Material, now: datetime) -> DeliveryAttempt:
        """Try once. Raises TryAgain where something that it must look up is away."""
        ...

    def ready(self) -> str | None:
        """Why it cannot send yet, or None."""
        ...

    async def close(self) -> None:
        """Close its connections."""
        ...


def fair_share(places: int, tenants: int) -> int:
    """The share of one of so many tenants: all, half, a third, and a quarter from four tenants on."""
    return max(1, places // min(4, max(1, tenants)))
