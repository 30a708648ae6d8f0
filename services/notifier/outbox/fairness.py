"""Keeps one tenant whose server hangs from holding up the others of its channel.

The channel's `share_of_tenant` limits two things: the notices that are sent at the same time (FairQueue), and
the notices in hand. A notice past the second limit goes back into the outbox for a moment.
"""

from __future__ import annotations

from typing import Final

from services.notifier.channels.channel import Channel
from services.notifier.channels.outcome import Outcome, Passing
from services.notifier.outbox.fair_queue import FairQueue
from services.notifier.outbox.in_hand import ClaimedNotice, NoticesInHand

MOST_IN_HAND: Final = 256
"""Of each channel."""
CROWDED_SECONDS: Final = 1.0
FAILING_SECONDS: Final = 10.0


class ChannelQueue:
    """The claimed notices of one channel that wait to be sent, and the limits of its tenants."""

    def __init__(self, channel: Channel, in_hand: NoticesInHand) -> None:
        self.channel: Final = channel
        self._in_hand = in_hand
        self._queue: FairQueue[ClaimedNotice] = FairQueue(
            lambda: channel.share_of_tenant(channel.concurrency)
        )
        self._failing: set[str] = set()

    def room(self) -> int:
        """How many more notices may be claimed."""
        return MOST_IN_HAND - self._in_hand.count(self.channel.name)

    def pause_seconds(self, tenant: str) -> float | None:
        """How long to put back one more notice of this tenant; None where the tenant has room.

        The pause is short where the tenant's notices get through, and longer where the last one did not.
        """
        if self._in_hand.count(self.channel.name, tenant) < self.channel.share_of_tenant(MOST_IN_HAND):
            return None
        return FAILING_SECONDS if tenant in self._failing else CROWDED_SECONDS

    def put(self, claimed: ClaimedNotice) -> None:
        """One more waits."""
        self._queue.put(claimed.notice.tenant, claimed)

    async def get(self) -> ClaimedNotice:
        """The next whose tenant has room. `done` gives the room back."""
        return await self._queue.get()

    def done(self, tenant: str) -> None:
        """A notice of this tenant is no longer being sent."""
        self._queue.done(tenant)

    def learn(self, tenant: str, outcome: Outcome) -> None:
        """Remember whether the tenant's last notice failed in passing."""
        (self._failing.add if isinstance(outcome, Passing) else self._failing.discard)(tenant)
