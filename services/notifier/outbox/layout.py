"""Checks that mandaat.notices has enough partitions.

A notice event goes to the partition with the same number as that of its case, and not where its key would put
it: one process owns that number of all topics, and Redis keeps their positions by number.
"""

from __future__ import annotations

from typing import Protocol

from schemas.topics import DECISIONS, NOTICES
from services.chassis.process.errors import TryAgain


class Topics(Protocol):
    """Knows the partitions of topics."""

    async def partitions(self, topic: str, timeout_seconds: float = ...) -> int:
        """How many partitions a topic has. Raises TryAgain."""
        ...


class Layout:
    """Asks until there are enough partitions, and then no more: a topic never loses any."""

    def __init__(self, topics: Topics) -> None:
        self._topics = topics
        self._good = False

    async def check(self) -> None:
        """Raises TryAgain where Kafka is away, or mandaat.notices has too few partitions."""
        if self._good:
            return
        decisions = await self._topics.partitions(DECISIONS, timeout_seconds=2.0)
        notices = await self._topics.partitions(NOTICES, timeout_seconds=2.0)
        if notices < decisions:
            raise TryAgain(
                f"{NOTICES} has {notices} partitions and {DECISIONS} has {decisions}; give it as many"
            )
        self._good = True
