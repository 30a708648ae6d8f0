"""The aiokafka consumer of a Subscription: polling, positions, lag, and whether it is alive."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Mapping
from typing import Any, Final, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import ConsumerStoppedError, IllegalStateError, KafkaError

from services.chassis.kafka import private_names
from services.chassis.kafka.dead_letters import ConsumedRecord
from services.chassis.kafka.private_names import PartitionState
from services.chassis.process.errors import TryAgain
from services.chassis.process.log import log

Batches = dict[TopicPartition, list[ConsumedRecord]]

LONGEST_POLL_SECONDS: Final = 1.0
"""During a rebalance getmany waits for ever."""
PAUSE_AFTER_ERROR_SECONDS: Final = 0.5


FORGET_TROUBLE_SECONDS: Final = 3.0


class Trouble(NamedTuple):
    """Why a partition cannot be read, and when that was last tried."""

    why: str
    at: float


class Consumer:
    """One aiokafka consumer of a group. Once it `died` it stays dead, and another is needed."""

    def __init__(self, inner: AIOKafkaConsumer) -> None:
        self.inner = inner
        self.last_answer = time.monotonic()
        self.unreadable: dict[TopicPartition, Trouble] = {}
        self._one_by_one_until = 0.0

    def assigned(self) -> set[TopicPartition]:
        """The partitions of the last assignment, also during a rebalance."""
        return set(self.inner.assignment())

    @property
    def rebalancing(self) -> bool:
        """Whether the group is rebalancing."""
        return private_names.is_rebalancing(self.inner)

    @property
    def died(self) -> bool:
        """Whether aiokafka has stopped fetching or coordinating, which `getmany` does not always raise."""
        return any(task.done() for task in private_names.background_tasks(self.inner))

    def lag(self, tp: TopicPartition) -> int | None:
        """Records between the position and the end as of the last fetch; None when not known."""
        state = self._state(tp)
        if state is None or state.position is None or state.end is None:
            return None
        return max(0, state.end - state.position)

    def position(self, tp: TopicPartition) -> int | None:
        """The offset that the next poll reads; None when not known."""
        state = self._state(tp) if tp in self.assigned() else None
        return state.position if state is not None else None

    def note_last_answer(self) -> None:
        """Notes when Kafka last answered a fetch."""
        for tp in self.assigned():
            state = self._state(tp)
            if state is not None and state.answered_ms is not None:
                age = max(0.0, time.time() - state.answered_ms / 1000)
                self.last_answer = max(self.last_answer, time.monotonic() - age)

    async def poll(self, seconds: float, max_records: int) -> Batches:
        """The next records; after an error, which is logged, none, and none is lost.

        When one partition fails (a batch is corrupt, a codec is not installed), aiokafka drops the records of
        the partitions that it had read in the same call, but moves their positions. So positions are put
        back, and for some seconds partitions are polled one at a time: those that can be read go on.
        """
        if self.unreadable or time.monotonic() < self._one_by_one_until:
            return await self._poll_one_by_one(seconds, max_records)
        before = self._positions()
        try:
            async with asyncio.timeout(LONGEST_POLL_SECONDS):  # a cancelled getmany loses no record
                return await self._getmany(seconds, max_records)
        except TimeoutError:
            return {}
        except ConsumerStoppedError:
            await asyncio.sleep(PAUSE_AFTER_ERROR_SECONDS)  # the loop is about to be cancelled
            return {}
        except KafkaError as error:
            log.warning("poll_failed", error=f"{type(error).__name__}: {error}")
            self._put_back(before)
            self._one_by_one_until = time.monotonic() + FORGET_TROUBLE_SECONDS
            await asyncio.sleep(PAUSE_AFTER_ERROR_SECONDS)
            return {}

    async def _poll_one_by_one(self, seconds: float, max_records: int) -> Batches:
        """Polls each partition alone; one that failed record by record, up to the one that cannot be read."""
        found: Batches = {}
        now = time.monotonic()
        self.unreadable = {
            tp: trouble
            for tp, trouble in self.unreadable.items()
            if tp in self.assigned() and now - trouble.at < FORGET_TROUBLE_SECONDS
        }
        for tp in sorted(self.assigned()):
            trouble = self.unreadable.get(tp)
            if trouble is not None and now - trouble.at < PAUSE_AFTER_ERROR_SECONDS:
                continue
            try:
                async with asyncio.timeout(LONGEST_POLL_SECONDS):
                    found |= await self._getmany(seconds, 1 if trouble else max_records, tp)
            except (TimeoutError, ConsumerStoppedError):
                break
            except KafkaError as error:
                self._note(tp, error)
            max_records -= len(found.get(tp, ()))
            if max_records <= 0:
                break
        return found

    def _note(self, tp: TopicPartition, error: KafkaError) -> None:
        if tp not in self.unreadable:
            log.error("partition_cannot_be_read", topic=tp.topic, partition=tp.partition, exc_info=error)
        self.unreadable[tp] = Trouble(type(error).__name__, time.monotonic())

    async def _getmany(self, seconds: float, max_records: int, *partitions: TopicPartition) -> Batches:
        batches: Batches = await self.inner.getmany(
            *partitions, timeout_ms=round(seconds * 1000), max_records=max_records
        )
        return batches

    def seek(self, offsets: Mapping[TopicPartition, int]) -> None:
        """The next poll reads from there. Partitions that are no longer assigned are left out."""
        for tp, offset in offsets.items():
            if tp in self.assigned():
                self.inner.seek(tp, offset)

    async def ask(self, question: Awaitable[Any], seconds: float) -> Any:
        """Awaits an answer of aiokafka. Raises TryAgain after an error, or without one in time."""
        try:
            async with asyncio.timeout(seconds):
                return await question
        except (KafkaError, IllegalStateError, TimeoutError) as error:
            raise TryAgain(f"kafka did not answer: {type(error).__name__}") from error

    def _state(self, tp: TopicPartition) -> PartitionState | None:
        return private_names.partition_state(self.inner, tp)

    def _positions(self) -> dict[TopicPartition, int]:
        positions = {tp: self.position(tp) for tp in self.assigned()}
        return {tp: position for tp, position in positions.items() if position is not None}

    def _put_back(self, positions: Mapping[TopicPartition, int]) -> None:
        now = self._positions()
        self.seek({tp: offset for tp, offset in positions.items() if now.get(tp) != offset})
