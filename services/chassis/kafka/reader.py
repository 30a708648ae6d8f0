"""Reads partitions without a group: stretches to their end, or whole topics for as long as wanted.

What aiokafka 0.14 does by default and is switched off here: docs/kafka-clients.md, Consuming.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Awaitable, Iterable, Mapping, Sequence
from typing import Final, Literal, NamedTuple, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError

from services.chassis.kafka import header_names, private_names
from services.chassis.kafka.dead_letters import ConsumedRecord
from services.chassis.process.errors import TryAgain

Answer = TypeVar("Answer")

ASK_SECONDS: Final = 10.0
STALL_SECONDS: Final = 10.0
"""Reading to an end gives up when nothing new comes for so long."""
CLOSE_SECONDS: Final = 1.0
POLL_SECONDS: Final = 0.2


class Stretch(NamedTuple):
    """The records of a partition from `begin` up to, not including, `end`."""

    begin: int
    end: int


class Fetched(NamedTuple):
    """Records of one partition, in order; none where compaction or a transaction left offsets empty."""

    tp: TopicPartition
    records: Sequence[ConsumedRecord]
    next_offset: int
    """All below it has been read."""


class TopicMissing(TryAgain):
    """Kafka has no such topic, or not yet."""


class Reader:
    """One consumer without a group. It commits nothing, and creates no topic.

    Methods raise TryAgain when Kafka is away or slow. Assigning other partitions to a Reader takes aiokafka
    up to a second; starting another Reader takes a fifth of that.

    `when_gone`: where to read on when an offset is no longer in the log; with `none` that is TryAgain.
    """

    def __init__(
        self,
        bootstrap: str,
        *,
        client_id: str,
        max_partition_fetch_bytes: int = 1024 * 1024,
        fetch_wait_seconds: float = 0.1,
        when_gone: Literal["earliest", "none"] = "earliest",
    ) -> None:
        header_names.install()
        self._bootstrap = bootstrap
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap,
            client_id=client_id,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset=when_gone,
            max_partition_fetch_bytes=max_partition_fetch_bytes,
            fetch_max_wait_ms=round(fetch_wait_seconds * 1000),
            request_timeout_ms=round(ASK_SECONDS * 1000),
            retry_backoff_ms=200,
        )

    async def start(self) -> None:
        """Connects. A Reader that could not is stopped, and of no more use."""
        try:
            await self._ask(self._consumer.start())
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Closes the connections."""
        with contextlib.suppress(KafkaError, OSError, TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._consumer.stop()

    async def __aenter__(self) -> Reader:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    # Where topics begin and end

    async def partitions(self, topic: str) -> list[TopicPartition]:
        """The partitions of a topic. Raises TopicMissing."""
        numbers = await self._ask(private_names.partitions_of(self._consumer, topic))
        if not numbers:
            raise TopicMissing(f"kafka has no topic {topic}")
        return [TopicPartition(topic, number) for number in sorted(numbers)]

    async def bounds(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, Stretch]:
        """All that each partition holds now."""
        wanted = list(partitions)
        begins = await self._ask(self._consumer.beginning_offsets(wanted))
        ends = await self.ends(wanted)
        return {tp: Stretch(begins[tp], ends[tp]) for tp in wanted}

    async def ends(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """The offset that follows the last record of each partition now."""
        ends: dict[TopicPartition, int] = await self._ask(self._consumer.end_offsets(list(partitions)))
        return ends

    async def since(self, times_ms: Mapping[TopicPartition, int]) -> dict[TopicPartition, int | None]:
        """The first record of each partition with this timestamp or a later one; None without one."""
        found = await self._ask(self._consumer.offsets_for_times(dict(times_ms)))
        return {tp: None if (at := found.get(tp)) is None else int(at.offset) for tp in times_ms}

    # Reading

    async def read(
        self, stretches: Mapping[TopicPartition, Stretch], max_records: int = 500
    ) -> AsyncGenerator[Fetched, None]:
        """The records of the stretches, at most `max_records` at a time."""
        left = {tp: stretch.end for tp, stretch in stretches.items() if stretch.begin < stretch.end}
        if not left:
            return
        self._place({tp: stretches[tp].begin for tp in left})
        positions, silence = dict[TopicPartition, int](), 0.0
        while left:
            asked = time.monotonic()
            polled = await self.poll(max_records=max_records)
            before, positions = positions, self.positions()
            # Only time spent waiting counts, not the time that the caller takes for what it was given.
            silence = 0.0 if polled or positions != before else silence + time.monotonic() - asked
            if silence > STALL_SECONDS:
                names = ", ".join(f"{tp.topic}-{tp.partition}" for tp in left)
                raise TryAgain(f"{names} gave nothing for {STALL_SECONDS:.0f} s")
            for tp, end in list(left.items()):
                records = [record for record in polled.get(tp, ()) if record.offset < end]
                reached = min(positions.get(tp, -1), end)
                if reached == end:
                    del left[tp]
                    if left:
                        self._consumer.pause(tp)
                if records or reached == end:
                    yield Fetched(tp, records, reached)

    async def follow(self, *topics: str, begin: Mapping[TopicPartition, int] | None = None) -> None:
        """From now on `poll` reads whole topics, also partitions that come later. Raises TopicMissing.

        Each partition is read from where `begin` says, else from its beginning.
        """
        wanted = {tp for topic in topics for tp in await self.partitions(topic)}
        self._consumer.subscribe(topics)
        await self._ask(self._until_assigned(wanted))
        for tp, offset in (begin or {}).items():
            if tp in self.assigned():
                self._consumer.seek(tp, offset)

    async def poll(self, max_records: int = 500) -> dict[TopicPartition, list[ConsumedRecord]]:
        """The next records, or none within POLL_SECONDS."""
        if any(task.done() for task in private_names.background_tasks(self._consumer)):
            raise TryAgain("fetching ended")
        polled: dict[TopicPartition, list[ConsumedRecord]] = await self._ask(
            self._consumer.getmany(timeout_ms=round(POLL_SECONDS * 1000), max_records=max_records)
        )
        return polled

    def positions(self) -> dict[TopicPartition, int]:
        """The next offset of each partition. It also passes what compaction and transactions left empty."""
        states = {tp: private_names.partition_state(self._consumer, tp) for tp in self.assigned()}
        return {
            tp: state.position
            for tp, state in states.items()
            if state is not None and state.position is not None
        }

    def assigned(self) -> set[TopicPartition]:
        """The partitions that are being read."""
        return set(self._consumer.assignment())

    def rest(self) -> None:
        """Stops fetching ahead, until something else is read."""
        self._consumer.unsubscribe()

    async def _until_assigned(self, partitions: set[TopicPartition]) -> None:
        while not partitions <= self.assigned():  # noqa: ASYNC110 - without a group aiokafka calls no listener
            await asyncio.sleep(0.01)

    def _place(self, positions: Mapping[TopicPartition, int]) -> None:
        if self.assigned() != positions.keys():
            self._consumer.assign(list(positions))
        self._consumer.resume(*positions)
        at = self.positions()
        for tp, offset in positions.items():
            if at.get(tp) != offset:  # seeking would forget what was fetched ahead
                self._consumer.seek(tp, offset)

    async def _ask(self, question: Awaitable[Answer]) -> Answer:
        try:
            async with asyncio.timeout(ASK_SECONDS):
                return await question
        except (KafkaError, IllegalStateError, OSError, TimeoutError) as error:
            why = type(error).__name__
            raise TryAgain(f"kafka at {self._bootstrap} does not answer ({why})") from error
