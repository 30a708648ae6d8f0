"""Whether how notices ended can be published under the partition numbers of their cases.

They are, and not by their key: what Redis knows of mandaat.notices is kept by partition, and its owner must
be who owns the same number of mandaat.decisions.
"""

from __future__ import annotations

from typing import Protocol

from schemas.topics import DECISIONS, NOTICES
from services.chassis.process.errors import TryAgain


class Topics(Protocol):
    """Knows how topics are laid out."""

    async def partitions(self, topic: str, timeout_seconds: float = ...) -> int:
        """How many partitions a topic has. Raises TryAgain."""
        ...


class Layout:
    """Asks until the answer is good, and then no more: partitions never become fewer."""

    def __init__(self, topics: Topics) -> None:
        self._topics = topics
        self._good = False

    async def check(self) -> None:
        """Raises TryAgain where Kafka is away, or has too few partitions for notices."""
        if self._good:
            return
        decisions = await self._topics.partitions(DECISIONS, timeout_seconds=2.0)
        notices = await self._topics.partitions(NOTICES, timeout_seconds=2.0)
        if notices < decisions:
            raise TryAgain(
                f"{NOTICES} has {notices} partitions and {DECISIONS} has {decisions}; give it as many"
            )
        self._good = True
