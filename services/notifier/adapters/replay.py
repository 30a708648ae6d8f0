"""Reads a stretch of one partition to its end, without a group."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError

from services.chassis import lenient_headers
from services.chassis.dead_letters import Record
from services.chassis.errors import TryAgain

ASK_SECONDS: Final = 10.0
BATCH: Final = 500


class Replay:
    """One consumer for all stretches, one after the other. Raises TryAgain while Kafka is away."""

    def __init__(self, bootstrap: str, client_id: str) -> None:
        self._bootstrap = bootstrap
        self._client_id = client_id
        self._consumer: AIOKafkaConsumer | None = None

    async def read(
        self, topic: str, p: int, start: int | None, since: datetime | None = None
    ) -> AsyncIterator[tuple[Sequence[Record], int]]:
        """Records with the next offset, from `start` to what is the end now.

        Without a start: from the first record of that time or later, or from the beginning.
        """
        tp = TopicPartition(topic, p)
        try:
            async with asyncio.timeout(ASK_SECONDS):
                consumer = await self._opened()
                at, end = await self._bounds(consumer, tp, start, since)
            if at >= end:
                return
            while at < end:
                if consumer.assignment() != {tp}:  # at first, and when whom we gave records to read another
                    consumer.assign([tp])
                    consumer.seek(tp, at)
                async with asyncio.timeout(ASK_SECONDS):
                    found = await consumer.getmany(tp, timeout_ms=1000, max_records=BATCH)
                    at = max(at, await consumer.position(tp))
                records = [record for record in found.get(tp, ()) if record.offset < end]
                yield records, min(at, end)
        except (KafkaError, IllegalStateError, OSError, TimeoutError) as error:
            await self.close()
            raise TryAgain(f"{topic}-{p} cannot be read: {type(error).__name__}") from error

    async def close(self) -> None:
        """Close the connection."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            try:
                async with asyncio.timeout(2.0):
                    await consumer.stop()
            except (KafkaError, OSError, TimeoutError):
                pass

    async def _opened(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            lenient_headers.install()
            consumer = AIOKafkaConsumer(
                bootstrap_servers=self._bootstrap,
                client_id=self._client_id,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                retry_backoff_ms=200,
            )
            self._consumer = consumer
            await consumer.start()
            await consumer.topics()
        return self._consumer

    @staticmethod
    async def _bounds(
        consumer: AIOKafkaConsumer, tp: TopicPartition, start: int | None, since: datetime | None
    ) -> tuple[int, int]:
        end = int((await consumer.end_offsets([tp]))[tp])
        first = int((await consumer.beginning_offsets([tp]))[tp])
        if start is None and since is not None:
            found = (await consumer.offsets_for_times({tp: round(since.timestamp() * 1000)}))[tp]
            start = int(found.offset) if found is not None else end
        return max(first, start or 0), end
