"""Reads a case for a caller. A case that was accepted is found, even if the notifier has not read it yet."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, Protocol, TypeAlias

from aiokafka import TopicPartition

from schemas.topics import CASES
from services.chassis.kafka.producer import partition_for
from services.chassis.kafka.reader import Stretch
from services.chassis.process.errors import TryAgain
from services.notifier.failures import FailedRecord

WAIT_SECONDS: Final = 5.0
LOOK_AGAIN_SECONDS: Final = 0.02

View: TypeAlias = Callable[[Mapping[bytes, bytes], Sequence[FailedRecord]], dict[str, Any] | None]
"""Makes a body from the fields of a case file and its failed records; None where it has nothing to show."""


class CaseFiles(Protocol):
    """The case files, and how far each topic has been read into them."""

    async def case(self, key: str) -> dict[bytes, bytes]:
        """All of one case file, empty where unknown. Raises TryAgain."""
        ...

    async def position(self, p: int, topic: str) -> int | None:
        """The next offset of a topic to read; None where nothing is known of it. Raises TryAgain."""
        ...


class CaseReader:
    """Reads case files, and waits for those that are on their way.

    `partitions` says how many partitions mandaat.cases has, and `bounds` what one of them holds now.
    """

    def __init__(
        self,
        files: CaseFiles,
        failures: Callable[[str], Sequence[FailedRecord]],
        partitions: Callable[[str], Awaitable[int]],
        bounds: Callable[[TopicPartition], Awaitable[Stretch]],
    ) -> None:
        self._files = files
        self._failures = failures
        self._partitions = partitions
        self._bounds = bounds

    async def read(self, key: str, view: View) -> dict[str, Any] | None:
        """The view of a case; None where mandaat.cases holds nothing of it either.

        Raises TryAgain where that cannot be told in time.
        """
        found = await self._look(key, view)
        if found is not None:
            return found
        await self._until_read(key)
        return await self._look(key, view)

    async def _look(self, key: str, view: View) -> dict[str, Any] | None:
        return view(await self._files.case(key), self._failures(key))

    async def _until_read(self, key: str) -> None:
        """Return when the case file has everything that mandaat.cases holds at this call."""
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                p = partition_for(key.encode(), await self._partitions(CASES))
                begin, end = await self._bounds(TopicPartition(CASES, p))
                while await self._is_behind(p, begin, end):  # noqa: ASYNC110 - nobody tells when Redis moves on
                    await asyncio.sleep(LOOK_AGAIN_SECONDS)
        except TimeoutError as error:
            raise TryAgain(f"{CASES} could not be read to its end in time") from error

    async def _is_behind(self, p: int, begin: int, end: int) -> bool:
        return max(await self._files.position(p, CASES) or 0, begin) < end
