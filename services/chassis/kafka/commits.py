"""Committing the offsets of a group: what is handled and not committed yet is tried until it is."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from aiokafka import TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError

from services.chassis.kafka.consumer import Consumer
from services.chassis.process.log import log
from services.chassis.process.metrics import Metrics


class Commits:
    """The next offsets of partitions whose records are handled, until Kafka has them."""

    def __init__(self, group: str, metrics: Metrics) -> None:
        self._group = group
        self._metrics = metrics
        self._due: dict[TopicPartition, int] = {}

    def add(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Handled up to these."""
        self._due |= offsets

    def forget(self) -> None:
        """The consumer is gone: the next one begins at what was committed."""
        self._due.clear()

    async def commit(self, consumer: Consumer | None, seconds: float) -> bool:
        """Commits what is due; False when it stays due, because Kafka did not answer in time."""
        assigned = consumer.assigned() if consumer is not None else set()
        self._due = {tp: offset for tp, offset in self._due.items() if tp in assigned}
        if not self._due or consumer is None:
            return True
        try:
            async with asyncio.timeout(seconds):
                await consumer.inner.commit(self._due)
        except (CommitFailedError, IllegalStateError) as error:
            # Other members have the partitions now. They begin at the last commit, and repeat the batch.
            self._metrics.commit_failures.inc()
            log.warning("commit_refused", group=self._group, error=type(error).__name__)
        except (KafkaError, TimeoutError) as error:
            self._metrics.commit_failures.inc()
            log.warning("commit_failed", group=self._group, error=type(error).__name__)
            return False
        self._due = {}
        return True
