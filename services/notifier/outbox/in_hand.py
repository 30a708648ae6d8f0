"""The notices that this process has claimed and not yet marked."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from services.notifier.planning.notice import PendingNotice


@dataclass(frozen=True)
class ClaimedNotice:
    """A notice of partition p, with the values of its material's fields in the case file."""

    p: int
    notice: PendingNotice
    material: Sequence[bytes | None]


class NoticesInHand:
    """All that are claimed, by notice id."""

    def __init__(self) -> None:
        self._claimed: dict[str, ClaimedNotice] = {}
        self._released = asyncio.Event()

    def __len__(self) -> int:
        return len(self._claimed)

    def __contains__(self, notice_id: str) -> bool:
        return notice_id in self._claimed

    def add(self, claimed: ClaimedNotice) -> None:
        """It is in hand from here on."""
        self._claimed[claimed.notice.notice_id] = claimed

    def release(self, notice_id: str) -> None:
        """It is no longer in hand."""
        self._claimed.pop(notice_id, None)
        self._released.set()

    def count(self, channel: str, tenant: str | None = None) -> int:
        """How many there are of a channel, and of one tenant where it is given."""
        return sum(
            one.notice.recipient.channel == channel and tenant in (None, one.notice.tenant)
            for one in self._claimed.values()
        )

    async def until_released(self, partitions: frozenset[int]) -> None:
        """Return when none of these partitions is in hand."""
        while any(one.p in partitions for one in self._claimed.values()):
            self._released.clear()
            await self._released.wait()
