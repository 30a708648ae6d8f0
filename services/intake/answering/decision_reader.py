"""Reads mandaat.decisions from its end, without a group: every process of intake sees every decision."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

from aiokafka import TopicPartition

from schemas.topics import DECISIONS
from services.chassis.kafka.reader import Reader
from services.chassis.process.back_off import BackOff, repeat_until_done
from services.chassis.process.log import log

BACK_OFF: Final = BackOff(first=0.2)
TOO_OLD_SECONDS: Final = 60.0
FETCH_BYTES: Final = 4 * 1024 * 1024


class DecisionReader:
    """Follows mandaat.decisions. `take` gets the key and the value of every record, soon after it is written.

    After an interruption it goes on at the record where it was, so no decision is missed.
    """

    def __init__(
        self,
        *,
        bootstrap: str,
        take: Callable[[bytes | None, bytes | None], None],
        on_bug: Callable[[BaseException], None],
    ) -> None:
        self._bootstrap = bootstrap
        self._take = take
        self._on_bug = on_bug
        self._next: dict[TopicPartition, int] = {}
        self._following = False
        self._turned = time.monotonic()
        self._task: asyncio.Task[bool] | None = None

    async def __aenter__(self) -> DecisionReader:
        self._task = asyncio.create_task(
            repeat_until_done(
                self._follow, BACK_OFF, on_try_again=self._log_reads_again, on_bug=self._stop_loudly
            ),
            name=f"follow {DECISIONS}",
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def ready(self) -> str | None:
        """The text for /readyz if something is wrong, else None."""
        return None if self._following else f"{DECISIONS} is not followed"

    def alive(self) -> str | None:
        """The text for /livez if something is wrong, else None. An absent broker is nothing wrong."""
        age = time.monotonic() - self._turned
        stuck = self._following and age > TOO_OLD_SECONDS
        return f"{DECISIONS} has not been read for {age:.0f} s" if stuck else None

    async def _follow(self) -> None:
        """Read on for as long as the reader works. Raises TryAgain when another is needed."""
        async with Reader(
            self._bootstrap,
            client_id="mandaat-intake-decisions",
            max_partition_fetch_bytes=FETCH_BYTES,
            fetch_wait_seconds=0.5,
        ) as reader:
            ends = await reader.ends(await reader.partitions(DECISIONS))
            await reader.follow(DECISIONS, begin=ends | self._next)
            self._next = ends | self._next
            self._following = True
            try:
                while True:
                    self._turned = time.monotonic()
                    for records in (await reader.poll()).values():
                        for record in records:
                            self._take(record.key, record.value)
                    self._next |= reader.positions()
            finally:
                self._following = False

    def _log_reads_again(self, error: BaseException, _: int) -> None:
        log.warning("decisions_read_again", error=str(error))

    def _stop_loudly(self, bug: BaseException) -> None:
        log.error("bug", topic=DECISIONS, exc_info=bug)
        self._on_bug(bug)
