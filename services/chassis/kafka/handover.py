"""Partitions come and go: `on_assigned` before any of their records, `on_revoked` before others have them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from aiokafka import TopicPartition

from services.chassis.process.log import log

PartitionsCallback = Callable[[set[TopicPartition]], Awaitable[None]]
Call = Callable[[str, Awaitable[None]], Awaitable[bool]]
"""Awaits a callback by its name, handles its error, and says whether it is done."""


class Handover:
    """Calls `on_assigned` and `on_revoked`, each while it holds the turn."""

    def __init__(
        self,
        group: str,
        turn: asyncio.Lock,
        call: Call,
        on_assigned: PartitionsCallback | None,
        on_revoked: PartitionsCallback | None,
    ) -> None:
        self._group = group
        self._turn = turn
        self._call = call
        self._on_assigned = on_assigned
        self._on_revoked = on_revoked
        self._to_revoke: set[TopicPartition] = set()
        self.untaken: set[TopicPartition] = set()
        """Assigned, and `on_assigned` is not done with them yet."""
        self.generation = 0
        """Rises with every change of the assignment."""

    def assign(self, partitions: set[TopicPartition]) -> None:
        """These are ours from now on. `settle` calls `on_assigned`, so that heartbeats go on meanwhile."""
        self.generation += 1
        self.untaken = partitions

    async def revoke(self, partitions: set[TopicPartition], seconds: float) -> None:
        """These are going to others, who wait until this returns."""
        self.generation += 1
        self.untaken.clear()
        if partitions:
            await self._give_up(partitions, seconds)

    async def settle(self, seconds: float) -> bool:
        """Makes up for what is still to be revoked or taken; False when records have to wait for it."""
        if self._to_revoke:
            await self._give_up(set(self._to_revoke), seconds)
        return not self.untaken or await self._take()

    async def leave(self, partitions: set[TopicPartition], seconds: float) -> None:
        """Gives up all that this member has."""
        await self._give_up(partitions | self._to_revoke, seconds)

    def forget(self) -> None:
        """The consumer is gone, and its partitions with it."""
        self.untaken.clear()
        self._to_revoke.clear()

    async def _give_up(self, partitions: set[TopicPartition], seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._turn.acquire()
        except TimeoutError:
            log.error("batch_outlives_its_partitions", group=self._group)
            self._to_revoke |= partitions
            return
        try:
            self._to_revoke -= partitions
            if self._on_revoked is not None:
                await self._call("on_revoked", self._on_revoked(partitions))
        finally:
            self._turn.release()

    async def _take(self) -> bool:
        async with self._turn:
            partitions, generation = set(self.untaken), self.generation
            taken = self._on_assigned is None or await self._call(
                "on_assigned", self._on_assigned(partitions)
            )
            if not taken or generation != self.generation:
                return False
            self.untaken.clear()
            return True
