"""What every channel is: one way to reach people, with its own addresses, rendering, sending and fairness.

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
    """What the case file holds for a notice: the event, the case as submitted, and the decider's remark.

    `case` is None where the channel does not need it. `remark` is None until the event that carries it came.
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
        """How many of so many places one tenant may take, so that one that hangs leaves room for others."""
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
