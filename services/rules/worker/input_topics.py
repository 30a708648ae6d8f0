"""The topics that rules reads, and the offsets of what is decided."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.topics import CASES, REPLIES
from services.chassis.kafka.dead_letters import ConsumedRecord
from services.chassis.kafka.subscriber import Subscription
from services.chassis.process.errors import TryAgain
from services.chassis.process.log import log

TOPICS: Final = (CASES, REPLIES)
"""They have the same number of partitions, and one worker has partition p of all of them."""


class InputTopics:
    """Partition p of every input topic: paused, resumed and read again together."""

    def __init__(self) -> None:
        self.subscription: Subscription
        """Set once it is there: the subscription and the worker need each other."""

    @property
    def consumer(self) -> AIOKafkaConsumer:
        """The consumer of the subscription. Raises TryAgain while there is none."""
        return self.subscription.consumer

    def pause(self, partitions: Iterable[int]) -> None:
        """No more records of these until `resume`."""
        with suppress(TryAgain):  # there is no consumer; partitions of the next one are taken anew
            self.subscription.pause(*_everywhere(partitions))

    def resume(self, partitions: Iterable[int]) -> None:
        """Records of these again."""
        with suppress(TryAgain):
            self.subscription.resume(*_everywhere(partitions))

    def read_again(self, offsets: Mapping[TopicPartition, int], partitions: Collection[int]) -> None:
        """Go back to these offsets, in these partitions only."""
        for tp, offset in offsets.items():
            if tp.partition in partitions:
                self.subscription.seek(tp, offset)


class Offsets:
    """The offsets of what is decided, and their commits."""

    def __init__(self, topics: InputTopics, commit_seconds: float) -> None:
        self._topics = topics
        self._commit_seconds = commit_seconds
        self._committed_at = 0.0
        self._uncommitted: dict[TopicPartition, int] = {}

    def add(self, decided: Iterable[ConsumedRecord]) -> None:
        """These records are decided, each partition's in order."""
        self._uncommitted |= {TopicPartition(one.topic, one.partition): one.offset + 1 for one in decided}

    def forget(self, partitions: Collection[int]) -> None:
        """These partitions belong to other workers now."""
        self._uncommitted = {
            tp: offset for tp, offset in self._uncommitted.items() if tp.partition not in partitions
        }

    def forget_all(self) -> None:
        """The partitions are assigned anew."""
        self._uncommitted = {}

    async def commit_when_due(self) -> None:
        """Commit, unless the last commit was a moment ago."""
        if time.monotonic() - self._committed_at >= self._commit_seconds:
            await self.commit()

    async def commit(self) -> None:
        """Commit what is decided. An offset that cannot be committed now goes with the next commit."""
        self._committed_at = time.monotonic()
        if not self._uncommitted:
            return
        try:
            await self._topics.subscription.commit(self._uncommitted)
        except TryAgain as away:
            log.warning("commit_waits", error=str(away))
        else:
            self._uncommitted = {}


def first_offsets(records: Iterable[ConsumedRecord]) -> dict[TopicPartition, int]:
    """The offset of the first record of each partition."""
    first: dict[TopicPartition, int] = {}
    for record in records:
        first.setdefault(TopicPartition(record.topic, record.partition), record.offset)
    return first


def _everywhere(partitions: Iterable[int]) -> list[TopicPartition]:
    return [TopicPartition(topic, p) for p in partitions for topic in TOPICS]
