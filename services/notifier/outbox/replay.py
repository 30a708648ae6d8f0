"""Reads stretches of partitions to their end, without a group."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError

from services.chassis.kafka import lenient_headers
from services.chassis.kafka.dead_letters import ConsumedRecord
from services.chassis.process.errors import TryAgain

ASK_SECONDS: Final = 10.0
BATCH: Final = 500


@dataclass(frozen=True)
class Start:
    """Where a stretch begins: at an offset; else at the first record since a time; else at the first."""

    offset: int | None = None
    since: datetime | None = None


class Replay:
    """Asks with one consumer that is kept, and reads with a new one each time.

    A consumer of aiokafka that is assigned other partitions takes a second before it fetches from them; a new
    one a fifth of that.
    """

    def __init__(self, bootstrap: str, client_id: str) -> None:
        self._bootstrap = bootstrap
        self._client_id = client_id
        self._asking: AIOKafkaConsumer | None = None

    async def read(
        self, stretches: Mapping[TopicPartition, Start]
    ) -> AsyncGenerator[tuple[TopicPartition, Sequence[ConsumedRecord], int], None]:
        """Records of a partition and the offset that follows them, to its end as of now. Raises TryAgain."""
        try:
            async with asyncio.timeout(ASK_SECONDS):
                bounds = await self._bounds(stretches)
        except (KafkaError, IllegalStateError, OSError, TimeoutError) as error:
            await self.close()
            raise TryAgain(f"kafka did not say where topics end: {type(error).__name__}") from error
        left = {tp: (at, end) for tp, (at, end) in bounds.items() if at < end}
        if not left:
            return
        consumer = self._consumer()
        try:
            async for tp, records, at in _read(consumer, left):
                yield tp, records, at
        except (KafkaError, IllegalStateError, OSError, TimeoutError) as error:
            raise TryAgain(f"a topic cannot be read to its end: {type(error).__name__}") from error
        finally:
            await _stop(consumer)

    async def close(self) -> None:
        """Close the connection."""
        asking, self._asking = self._asking, None
        if asking is not None:
            await _stop(asking)

    async def _bounds(
        self, stretches: Mapping[TopicPartition, Start]
    ) -> dict[TopicPartition, tuple[int, int]]:
        if self._asking is None:
            self._asking = self._consumer()
            await self._asking.start()
            await self._asking.topics()
        first = await self._asking.beginning_offsets(list(stretches))
        end = await self._asking.end_offsets(list(stretches))
        times = {
            tp: round(start.since.timestamp() * 1000)
            for tp, start in stretches.items()
            if start.offset is None and start.since is not None
        }
        found = await self._asking.offsets_for_times(times) if times else {}
        bounds = {}
        for tp, start in stretches.items():
            at = start.offset or 0
            if tp in times:
                at = found[tp].offset if found.get(tp) is not None else end[tp]
            bounds[tp] = max(int(at), int(first[tp])), int(end[tp])
        return bounds

    def _consumer(self) -> AIOKafkaConsumer:
        lenient_headers.install()
        return AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            client_id=self._client_id,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            retry_backoff_ms=200,
        )


async def _read(
    consumer: AIOKafkaConsumer, left: dict[TopicPartition, tuple[int, int]]
) -> AsyncIterator[tuple[TopicPartition, Sequence[ConsumedRecord], int]]:
    async with asyncio.timeout(ASK_SECONDS):
        await consumer.start()
    consumer.assign(list(left))
    for tp, (at, _) in left.items():
        consumer.seek(tp, at)
    while left:
        async with asyncio.timeout(ASK_SECONDS):
            found = await consumer.getmany(*left, timeout_ms=1000, max_records=BATCH)
        for tp, records in found.items():
            end = left[tp][1]
            # A position also passes what is in no record: the ends of transactions.
            at = max(int(await consumer.position(tp)), records[-1].offset + 1)
            yield tp, [record for record in records if record.offset < end], min(at, end)
            if at >= end:
                del left[tp]
                consumer.pause(tp)


async def _stop(consumer: AIOKafkaConsumer) -> None:
    with contextlib.suppress(KafkaError, OSError, TimeoutError):
        async with asyncio.timeout(2.0):
            await consumer.stop()
