"""The notifier's Redis: one script and the meaning of its answers. Nothing here knows what a decision is."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha1
from typing import Any, Final, NamedTuple, TypeAlias

import msgpack
from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from services.chassis.process.errors import TryAgain
from services.chassis.redis import answering, script_with

CALL_TIMEOUT_SECONDS: Final = 5.0
CASE: Final = "notifier:case:"
META: Final = "notifier:meta"

Argument: TypeAlias = "str | bytes | int | Sequence[Argument]"


class StoreLost(TryAgain):
    """Redis was restarted, emptied or restored from an old copy: take every partition anew."""


class PartitionFenced(TryAgain):
    """Another process has taken this partition."""


@dataclass(frozen=True)
class ClaimedPartition:
    """A partition as Redis has it: its new generation, and for each topic the next offset to read.

    A topic of which Redis holds nothing has no position.
    """

    generation: str
    positions: Mapping[str, int]


class OutboxEntry(NamedTuple):
    """A notice for the outbox. `since_ms` is when its event was settled, in milliseconds since 1970."""

    id: str
    channel: str
    entry: bytes
    since_ms: int


class EndedNotice(NamedTuple):
    """A notice that ended. `line` says how, for the case file with this key."""

    id: str
    channel: str
    case_key: str
    line: bytes


class PostponedNotice(NamedTuple):
    """A notice that is due again after a pause."""

    id: str
    channel: str
    entry: bytes
    pause_ms: int


@dataclass(frozen=True)
class CaseFileWrite:
    """Fields to set and fields to remove in one case file."""

    key: str
    fields: tuple[tuple[str, bytes], ...] = ()
    removed: tuple[str, ...] = ()


class OutboxStore:
    """Calls the script. Raises StoreLost, PartitionFenced or TryAgain; after TryAgain it may have happened.

    `channels` are the names of all channels, of which the script keeps notices apart.
    """

    def __init__(
        self, redis: Redis, channels: Sequence[str], *, keep_seconds: int, remember_seconds: int
    ) -> None:
        self._redis = redis
        self._channels = list(channels)
        self._keep_seconds = keep_seconds
        self._remember_seconds = remember_seconds
        self._sha: str | None = None

    async def load(self) -> None:
        """Load the script with a nonce for this process and this life of Redis. Raises TryAgain."""
        script = script_with(secrets.token_hex(8), "services.notifier.outbox", "outbox.lua")
        await self._do("SCRIPT LOAD", script)
        self._sha = sha1(script.encode(), usedforsecurity=False).hexdigest()

    async def take(self, p: int, topics: Sequence[str]) -> ClaimedPartition:
        """Become the owner of partition p; answers how far each of these topics has been read."""
        names = [_short(topic) for topic in topics]
        generation, *positions = await self._call("take", p, "0", self._channels, names)
        known = {topic: int(at) for topic, at in zip(topics, positions, strict=True) if at}
        return ClaimedPartition(generation.decode(), known)

    async def check(self, p: int, generation: str) -> None:
        """Raises PartitionFenced or StoreLost when the partition is no longer ours."""
        await self._call("check", p, generation)

    async def record(
        self,
        p: int,
        generation: str,
        positions: Mapping[str, int],
        writes: Sequence[CaseFileWrite] = (),
        notices: Sequence[OutboxEntry] = (),
    ) -> int:
        """Write to case files, put notices that are new into the outbox, and move positions on.

        Answers how many notices were new. All of it happens or nothing.
        """
        (new,) = await self._call(
            "record",
            p,
            generation,
            _pairs(positions),
            self._keep_seconds,
            self._remember_seconds,
            [
                [write.key, list(write.removed), *(part for pair in write.fields for part in pair)]
                for write in writes
            ],
            [list(notice) for notice in notices],
        )
        return int(new)

    async def due(self, p: int, generation: str, channel: str, most: int) -> list[bytes]:
        """Entries of the outbox whose time has come; they are `sending` from here on."""
        (entries,) = await self._call("due", p, generation, channel, most)
        return list(entries)

    async def settle(
        self,
        p: int,
        generation: str,
        positions: Mapping[str, int],
        ended: Sequence[EndedNotice] = (),
        postponed: Sequence[PostponedNotice] = (),
    ) -> None:
        """Remove notices that ended, put back those that are tried again, and move positions on."""
        await self._call(
            "settle",
            p,
            generation,
            _pairs(positions),
            self._remember_seconds,
            [list(one) for one in ended],
            [list(one) for one in postponed],
        )

    async def read_fields(self, wanted: Sequence[tuple[str, Sequence[str]]]) -> list[list[bytes | None]]:
        """Fields of case files, each None where absent."""
        if not wanted:
            return []
        async with self._redis.pipeline(transaction=False) as pipe:
            for key, fields in wanted:
                pipe.hmget(CASE + key, list(fields))
            with answering("redis"):
                answers: list[list[bytes | None]] = await pipe.execute()
        return answers

    async def case(self, key: str) -> dict[bytes, bytes]:
        """All of one case file, empty where unknown. Raises TryAgain."""
        answer: dict[bytes, bytes] = await self._do("HGETALL", CASE + key)
        return answer

    async def position(self, p: int, topic: str) -> int | None:
        """The next offset of a topic to read, whoever owns p; None where none is known. Raises TryAgain."""
        answer = await self._do("HGET", META, f"{_short(topic)}:{p}")
        return None if answer is None else int(answer)

    async def waiting(self, p: int) -> tuple[int, int | None]:
        """How many notices the outbox of p holds, and since when the oldest waits (ms since 1970)."""
        number = await self._do("ZCARD", f"notifier:since:{p}")
        oldest = await self._do("ZRANGE", f"notifier:since:{p}", 0, 0, "WITHSCORES")
        return int(number), int(float(oldest[1])) if oldest else None

    async def ping(self) -> None:
        """Raises TryAgain when nobody answers."""
        await self._do("PING")

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    async def _call(self, operation: str, p: int, generation: str, *arguments: Argument) -> list[Any]:
        if self._sha is None:
            raise StoreLost("the script was never loaded")
        packed = msgpack.packb([operation, p, generation, *arguments], use_bin_type=False)
        try:
            answer: list[Any] = await self._do("EVALSHA", self._sha, 0, packed)
        except NoScriptError as error:
            self._sha = None
            raise StoreLost("redis was restarted") from error
        state = answer[0]
        if state == b"lost":
            raise StoreLost(f"redis lost partition {p}")
        if state == b"fenced":
            raise PartitionFenced(f"partition {p} has another owner")
        return answer[1:]

    async def _do(self, *command: Any) -> Any:
        with answering("redis"):
            return await self._redis.execute_command(*command)  # type: ignore[no-untyped-call] # redis-py


def _pairs(positions: Mapping[str, int]) -> list[str | int]:
    return [part for topic, offset in positions.items() for part in (_short(topic), offset)]


def _short(topic: str) -> str:
    """The name of a topic's position in Redis."""
    return topic.removeprefix("mandaat.")
