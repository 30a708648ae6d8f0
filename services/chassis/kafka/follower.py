"""Follows a topic without a group: every process sees every record, soon after it is written."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, NamedTuple, TypeAlias

from aiokafka import TopicPartition

from services.chassis.kafka.dead_letters import ConsumedRecord
from services.chassis.kafka.reader import Reader
from services.chassis.process.back_off import BackOff, repeat_until_done
from services.chassis.process.log import log

BACK_OFF: Final = BackOff(first=0.2)
TOO_OLD_SECONDS: Final = 60.0

Begin: TypeAlias = Callable[[Reader, list[TopicPartition]], Awaitable[Mapping[TopicPartition, int]]]
"""Where to begin in each partition that is there at the start. Others are read from their beginning."""


async def at_the_end(reader: Reader, partitions: list[TopicPartition]) -> Mapping[TopicPartition, int]:
    """Begin with the records that are written from now on."""
    return await reader.ends(partitions)


class Fetching(NamedTuple):
    """How records are fetched: the most bytes of one partition, and how long the broker waits for some."""

    most_bytes: int = 1024 * 1024
    wait_seconds: float = 0.1


class Follower:
    """Hands each record of a topic to `take`, in the order of its partition.

    After an interruption it goes on at the record where it was, so none is missed; some may come twice.
    `name` is the beginning of its events in the log, as in `decisions_read_again`.
    """

    def __init__(
        self,
        topic: str,
        *,
        bootstrap: str,
        client_id: str,
        name: str,
        begin: Begin,
        take: Callable[[ConsumedRecord], object],
        on_bug: Callable[[BaseException], None],
        fetching: Fetching = Fetching(),  # noqa: B008 - a frozen value
    ) -> None:
        self._topic = topic
        self._bootstrap = bootstrap
        self._client_id = client_id
        self._name = name
        self._begin = begin
        self._take = take
        self._on_bug = on_bug
        self._fetching = fetching
        self._next: dict[TopicPartition, int] = {}
        self._following = False
        self._turned = time.monotonic()
        self._task: asyncio.Task[bool] | None = None

    def start(self) -> None:
        """Begin to follow. While Kafka is away, it waits."""
        self._task = asyncio.create_task(
            repeat_until_done(
                self._follow, BACK_OFF, on_try_again=self._log_reads_again, on_bug=self._stop_loudly
            ),
            name=f"follow {self._topic}",
        )

    async def stop(self) -> None:
        """Stop following."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def __aenter__(self) -> Follower:
        self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def ready(self) -> str | None:
        """The text for /readyz if something is wrong, else None."""
        return None if self._following else f"{self._topic} is not followed"

    def alive(self) -> str | None:
        """The text for /livez if something is wrong, else None. An absent broker is nothing wrong."""
        age = time.monotonic() - self._turned
        stuck = self._following and age > TOO_OLD_SECONDS
        return f"{self._topic} has not been read for {age:.0f} s" if stuck else None

    async def _follow(self) -> None:
        """Read on for as long as the reader works. Raises TryAgain when another is needed."""
        async with Reader(
            self._bootstrap,
            client_id=self._client_id,
            max_partition_fetch_bytes=self._fetching.most_bytes,
            fetch_wait_seconds=self._fetching.wait_seconds,
        ) as reader:
            if not self._next:
                self._next = dict(await self._begin(reader, await reader.partitions(self._topic)))
            await reader.follow(self._topic, begin=self._next)
            self._following = True
            try:
                while True:
                    self._turned = time.monotonic()
                    for records in (await reader.poll()).values():
                        for record in records:
                            self._take(record)
                    self._next |= reader.positions()
            finally:
                self._following = False

    def _log_reads_again(self, error: BaseException, _: int) -> None:
        log.warning(f"{self._name}_read_again", topic=self._topic, error=str(error))

    def _stop_loudly(self, bug: BaseException) -> None:
        log.error("bug", topic=self._topic, exc_info=bug)
        self._on_bug(bug)
