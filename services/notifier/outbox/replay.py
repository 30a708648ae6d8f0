"""Reads partitions from a start to their present end, without a consumer group."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from datetime import datetime

from aiokafka import TopicPartition

from services.chassis.kafka.reader import Fetched, Reader, Stretch
from services.chassis.process.errors import TryAgain


@dataclass(frozen=True)
class Start:
    """The first record to read: at an offset, else the first since a time, else the first of all."""

    offset: int | None = None
    since: datetime | None = None


class Replay:
    """Keeps one Reader that asks where partitions end, and reads with a new one each time."""

    def __init__(self, bootstrap: str, client_id: str) -> None:
        self._bootstrap = bootstrap
        self._client_id = client_id
        self._asking: Reader | None = None
        self._opening = asyncio.Lock()

    async def read(self, starts: Mapping[TopicPartition, Start]) -> AsyncGenerator[Fetched, None]:
        """The records of each partition, from its start to its present end. Raises TryAgain."""
        try:
            stretches = await self._stretches(starts)
        except TryAgain:
            await self.close()
            raise
        if all(begin >= end for begin, end in stretches.values()):
            return
        async with Reader(self._bootstrap, client_id=self._client_id) as reader:
            async for fetched in reader.read(stretches):
                yield fetched

    async def bounds(self, tp: TopicPartition) -> Stretch:
        """All that a partition holds now. Raises TryAgain."""
        try:
            return (await (await self._asker()).bounds([tp]))[tp]
        except TryAgain:
            await self.close()
            raise

    async def close(self) -> None:
        """Close the connection."""
        asking, self._asking = self._asking, None
        if asking is not None:
            await asking.stop()

    async def _stretches(self, starts: Mapping[TopicPartition, Start]) -> dict[TopicPartition, Stretch]:
        asker = await self._asker()
        times = {
            tp: round(start.since.timestamp() * 1000)
            for tp, start in starts.items()
            if start.offset is None and start.since is not None
        }
        since = await asker.since(times) if times else {}
        stretches = {}
        for tp, (begin, end) in (await asker.bounds(starts)).items():
            at = since[tp] if tp in times else starts[tp].offset
            if at is None:
                at = end if tp in times else begin
            stretches[tp] = Stretch(max(at, begin), end)
        return stretches

    async def _asker(self) -> Reader:
        async with self._opening:
            if self._asking is None:
                asking = Reader(self._bootstrap, client_id=self._client_id)
                await asking.start()
                self._asking = asking
            return self._asking
