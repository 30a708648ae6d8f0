"""Which partitions this process owns, and taking them: what Redis lacks of the topics is read first.

Redis = f(topics up to its positions). So a start, a hand-over, a restart of Redis with its last second gone,
an old copy put back and an emptied Redis are all the same: take the partition, and read on from where Redis
is. What was told meanwhile is learned from mandaat.notices before anything is put into the outbox.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from aiokafka import TopicPartition

from schemas.topics import CASES, DECISIONS, NOTICES
from services.chassis.kafka.dead_letters import ConsumedRecord
from services.chassis.process.errors import TryAgain
from services.chassis.process.log import log
from services.notifier.metrics import NotifierMetrics
from services.notifier.outbox.layout import Layout
from services.notifier.outbox.replay import Replay, Start
from services.notifier.outbox.retry import DONE_SET
from services.notifier.outbox.store import Fenced, Lost, OutboxStore, TakenPositions

TURN_SECONDS: Final = 20.0
"""Taking partitions is broken off after this, and goes on in the next turn, so that the loop stays young."""
FENCED_SECONDS: Final = 3.0
TRUST_SECONDS: Final = 2.0
"""For so long a partition is taken to be ours unasked: less than it takes others to get it (6 s)."""


@dataclass
class OwnedPartition:
    """A partition that is ours: under which generation, and the next offset of each topic to handle."""

    p: int
    generation: str
    cases: int = 0
    decisions: int = 0
    checked: float = field(default_factory=time.monotonic)
    """When Redis last said that it is ours."""

    def position(self, topic: str) -> int:
        """Records of mandaat.cases and mandaat.decisions below this are in Redis."""
        return self.cases if topic == CASES else self.decisions


TakeIn = Callable[[OwnedPartition, Sequence[ConsumedRecord], int], Awaitable[None]]
"""Handles records of one topic and partition; the number is the offset that follows them."""


class OwnedPartitions:
    """Those that Kafka gave us, and of them those that are held in Redis."""

    def __init__(
        self,
        store: OutboxStore,
        replay: Replay,
        layout: Layout,
        desk: timedelta,
        metrics: NotifierMetrics,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._replay = replay
        self._layout = layout
        self._desk = desk
        self._metrics = metrics
        self._clock = clock
        self._not_before: dict[int, float] = {}
        self.wanted: frozenset[int] = frozenset()
        self.held: dict[int, OwnedPartition] = {}

    def assign(self, partitions: frozenset[int]) -> None:
        """These, and no others, are ours."""
        self.wanted = partitions
        self._not_before.clear()
        for p in set(self.held) - partitions:
            del self.held[p]

    def revoke(self, partitions: frozenset[int]) -> None:
        """These are no longer ours."""
        self.wanted -= partitions
        for p in partitions:
            self.held.pop(p, None)

    def drop(self, held: OwnedPartition, why: TryAgain) -> None:
        """What Redis holds of it may differ from what we think: it must be taken anew."""
        p = held.p
        if self.held.get(p) is not held:
            return  # that was done already
        if isinstance(why, Lost):
            self.held.clear()
        self.held.pop(p, None)
        if isinstance(why, Fenced):
            # If it is still ours by Kafka's word, that is old: the new owner needs it more than we do.
            self._not_before[p] = time.monotonic() + FENCED_SECONDS
        log.warning("partition_dropped", partition=p, error=str(why))

    async def check(self, held: OwnedPartition) -> None:
        """Ask Redis whether it is still ours, where it did not say so just now.

        A process that stood still (SIGSTOP, a machine that was moved) finds out here. Raises TryAgain.
        """
        now = time.monotonic()
        if now - held.checked < TRUST_SECONDS:
            return
        try:
            await self._store.check(held.p, held.generation)
        except TryAgain as why:
            self.drop(held, why)
            raise
        held.checked = now

    @property
    def missing(self) -> list[int]:
        """Ours, and not held."""
        return sorted(self.wanted - set(self.held))

    async def take_missing(self, take_in: TakeIn) -> None:
        """Take what is ours and not held. Raises TryAgain when that is not done yet."""
        now = time.monotonic()
        free = [p for p in self.missing if now >= self._not_before.get(p, 0.0)]
        if free:
            await self._take(free, take_in)

    async def hold(self, p: int, take_in: TakeIn) -> OwnedPartition:
        """The partition, taken if need be. Raises TryAgain."""
        if p not in self.held:
            await self.take_missing(take_in)
        if p not in self.held:
            raise TryAgain(f"partition {p} has another owner")
        return self.held[p]

    async def read_cases(self, held: OwnedPartition, take_in: TakeIn) -> None:
        """Read mandaat.cases to its end now. Raises TryAgain."""
        stretch = {TopicPartition(CASES, held.p): Start(held.cases)}
        async with aclosing(self._replay.read(stretch)) as found:
            async for _, records, next_offset in found:
                await take_in(held, records, next_offset)

    async def _take(self, partitions: Sequence[int], take_in: TakeIn) -> None:
        await self._layout.check()  # before anything is put into an outbox that could not be emptied
        now, deadline = self._clock(), time.monotonic() + TURN_SECONDS
        taken = {p: await self._take_one(p) for p in partitions}
        new = {p: _held(p, one) for p, one in taken.items()}
        for topic, starts in (
            (CASES, {p: Start(one.cases) for p, one in taken.items()}),
            (NOTICES, {p: Start(one.notices, now - DONE_SET) for p, one in taken.items()}),
            (DECISIONS, {p: Start(one.decisions, now - self._desk) for p, one in taken.items()}),
        ):
            stretches = {TopicPartition(topic, p): start for p, start in starts.items()}
            async with aclosing(self._replay.read(stretches)) as found:
                async for tp, records, next_offset in found:
                    await take_in(new[tp.partition], records, next_offset)
                    if time.monotonic() > deadline:
                        raise TryAgain(f"{topic} is still being read")
        self.held |= new
        self._metrics.taken.inc(len(new))
        emptied = sum(one.decisions is None for one in taken.values())
        log.info("partitions_taken", partitions=sorted(new), emptied=emptied)

    async def _take_one(self, p: int) -> TakenPositions:
        try:
            return await self._store.take(p)
        except Lost:
            await self._store.load()
            return await self._store.take(p)


def _held(p: int, taken: TakenPositions) -> OwnedPartition:
    return OwnedPartition(p, taken.generation, taken.cases or 0, taken.decisions or 0)
