"""The partitions that this process owns. To take one, it first reads what Redis lacks of the topics.

Redis holds what follows from the topics up to its positions. So a start, a hand-over, a Redis that restarted
without its last second, an old copy put back and an emptied Redis are all handled alike: take the partition
and read on from the position. Ended notices are read from mandaat.notices before the decisions, so that
nobody is told again.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from aiokafka import TopicPartition

from schemas.topics import CASES
from services.chassis.kafka.dead_letters import ConsumedRecord
from services.chassis.process.errors import TryAgain
from services.chassis.process.log import log
from services.notifier.metrics import NotifierMetrics
from services.notifier.outbox.layout import Layout
from services.notifier.outbox.replay import Replay, Start
from services.notifier.outbox.store import ClaimedPartition, OutboxStore, PartitionFenced, StoreLost

TURN_SECONDS: Final = 20.0
"""Taking partitions stops after this and goes on in the next turn, so that liveness sees the loop turn."""
FENCED_SECONDS: Final = 3.0
TRUST_SECONDS: Final = 2.0
"""For so long after an answer of Redis a partition counts as ours. Others need 6 s to get it."""


@dataclass
class OwnedPartition:
    """A partition that is ours under this generation, and the next offset of each topic to handle."""

    p: int
    generation: str
    positions: dict[str, int]
    checked: float = field(default_factory=time.monotonic)
    """When Redis last said that it is ours."""

    def position(self, topic: str) -> int:
        """Records of the topic below this offset are in Redis."""
        return self.positions.get(topic, 0)


@dataclass(frozen=True)
class TopicBatch:
    """Records of one topic in an owned partition. `next_offset` is where the topic goes on after them."""

    owned: OwnedPartition
    topic: str
    records: Sequence[ConsumedRecord]
    next_offset: int

    @property
    def new(self) -> list[ConsumedRecord]:
        """The records that are not in Redis yet."""
        position = self.owned.position(self.topic)
        return [record for record in self.records if record.offset >= position]


TakeIn: TypeAlias = Callable[[TopicBatch], Awaitable[None]]
"""Handles a batch. Raises TryAgain."""


class OwnedPartitions:
    """The partitions that Kafka assigned to us, and of them those that we own in Redis.

    `topics` are read in this order when a partition is taken. Of a topic without a position in Redis only
    records of the given age are read; None reads all.
    """

    def __init__(
        self,
        store: OutboxStore,
        replay: Replay,
        layout: Layout,
        topics: Mapping[str, timedelta | None],
        metrics: NotifierMetrics,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._replay = replay
        self._layout = layout
        self._topics = topics
        self._metrics = metrics
        self._clock = clock
        self._not_before: dict[int, float] = {}
        self.assigned: frozenset[int] = frozenset()
        self.owned: dict[int, OwnedPartition] = {}

    def assign(self, partitions: frozenset[int]) -> None:
        """Kafka assigned these to us, and no others."""
        self.assigned = partitions
        self._not_before.clear()
        for p in set(self.owned) - partitions:
            del self.owned[p]

    def revoke(self, partitions: frozenset[int]) -> None:
        """Kafka took these away."""
        self.assigned -= partitions
        for p in partitions:
            self.owned.pop(p, None)

    def drop(self, owned: OwnedPartition, why: TryAgain) -> None:
        """Redis may differ from what we know of this partition, so it must be taken anew."""
        p = owned.p
        if self.owned.get(p) is not owned:
            return  # that was done already
        if isinstance(why, StoreLost):
            self.owned.clear()
        self.owned.pop(p, None)
        if isinstance(why, PartitionFenced):
            # Kafka may still call it ours. Wait: the new owner needs it more than we do.
            self._not_before[p] = time.monotonic() + FENCED_SECONDS
        log.warning("partition_dropped", partition=p, error=str(why))

    async def check(self, owned: OwnedPartition) -> None:
        """Ask Redis whether it is still ours, unless it said so just now. Raises TryAgain.

        A process that stood still (SIGSTOP, a machine that was moved) finds out here that it was replaced.
        """
        now = time.monotonic()
        if now - owned.checked < TRUST_SECONDS:
            return
        try:
            await self._store.check(owned.p, owned.generation)
        except TryAgain as why:
            self.drop(owned, why)
            raise
        owned.checked = now

    @property
    def missing(self) -> list[int]:
        """Those assigned to us that we do not own yet."""
        return sorted(self.assigned - set(self.owned))

    async def take_missing(self, take_in: TakeIn) -> None:
        """Take them. Raises TryAgain when that is not done yet."""
        now = time.monotonic()
        free = [p for p in self.missing if now >= self._not_before.get(p, 0.0)]
        if free:
            await self._take(free, take_in)

    async def own(self, p: int, take_in: TakeIn) -> OwnedPartition:
        """The partition, taken if need be. Raises TryAgain."""
        if p not in self.owned:
            await self.take_missing(take_in)
        if p not in self.owned:
            raise TryAgain(f"partition {p} has another owner")
        return self.owned[p]

    async def read_cases(self, owned: OwnedPartition, take_in: TakeIn) -> None:
        """Read mandaat.cases to its present end. Raises TryAgain."""
        stretch = {TopicPartition(CASES, owned.p): Start(owned.position(CASES))}
        async with aclosing(self._replay.read(stretch)) as found:
            async for _, records, next_offset in found:
                await take_in(TopicBatch(owned, CASES, records, next_offset))

    async def _take(self, partitions: Sequence[int], take_in: TakeIn) -> None:
        await self._layout.check()  # before anything enters an outbox that could not be emptied
        now, deadline = self._clock(), time.monotonic() + TURN_SECONDS
        taken = {p: await self._take_one(p) for p in partitions}
        new = {p: OwnedPartition(p, one.generation, dict(one.positions)) for p, one in taken.items()}
        for topic, age in self._topics.items():
            since = now - age if age is not None else None
            stretches = {
                TopicPartition(topic, p): Start(one.positions.get(topic), since) for p, one in taken.items()
            }
            async with aclosing(self._replay.read(stretches)) as found:
                async for tp, records, next_offset in found:
                    await take_in(TopicBatch(new[tp.partition], topic, records, next_offset))
                    if time.monotonic() > deadline:
                        raise TryAgain(f"{topic} is still being read")
        self.owned |= new
        self._metrics.taken.inc(len(new))
        emptied = sum(not one.positions for one in taken.values())
        log.info("partitions_taken", partitions=sorted(new), emptied=emptied)

    async def _take_one(self, p: int) -> ClaimedPartition:
        topics = list(self._topics)
        try:
            return await self._store.take(p, topics)
        except StoreLost:
            await self._store.load()
            return await self._store.take(p, topics)
