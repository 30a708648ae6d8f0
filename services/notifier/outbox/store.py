"""The notifier's Redis: one script, and what its answers mean. Nothing in here knows what a decision is."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
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
LANES: Final = ("mail", "webhook")

Argument: TypeAlias = "str | bytes | int | Sequence[Argument]"


class Lost(TryAgain):
    """Redis was restarted, emptied or put back: take every partition anew."""


class Fenced(TryAgain):
    """Another process has taken this partition since."""


@dataclass(frozen=True)
class TakenPositions:
    """What Redis holds of a partition: the next offset of each topic that is not in it; None = nothing."""

    generation: str
    cases: int | None
    decisions: int | None
    notices: int | None


class OutboxEntry(NamedTuple):
    """A notice for the outbox. `since_ms`: when what it tells was settled, since 1970."""

    id: str
    lane: str
    entry: bytes
    since_ms: int


class EndedNotice(NamedTuple):
    """A notice that ended, of the case with this key; `line` says how, for the desk."""

    id: str
    lane: str
    key: str
    line: bytes


class Later(NamedTuple):
    """A notice that is due again in so many milliseconds."""

    id: str
    lane: str
    entry: bytes
    pause_ms: int


@dataclass(frozen=True)
class CaseFileWrite:
    """Fields to set and to remove in the hash of one case."""

    key: str
    fields: tuple[tuple[str, bytes], ...] = ()
    removed: tuple[str, ...] = ()


class OutboxStore:
    """Calls the script. Each call raises Lost, Fenced or TryAgain; after TryAgain it may have happened."""

    def __init__(self, redis: Redis, *, keep_seconds: int, told_seconds: int) -> None:
        self._redis = redis
        self._keep_seconds = keep_seconds
        self._told_seconds = told_seconds
        self._sha: str | None = None

    async def load(self) -> None:
        """Give Redis the script, under a name of this process and this life of Redis. Raises TryAgain."""
        script = script_with(secrets.token_hex(8), "services.notifier.outbox", "outbox.lua")
        await self._do("SCRIPT LOAD", script)
        self._sha = sha1(script.encode(), usedforsecurity=False).hexdigest()

    async def take(self, p: int) -> TakenPositions:
        """Own partition p from here on."""
        generation, *positions = await self._call("take", p, "0", list(LANES))
        cases, decisions, notices = (int(at) if at else None for at in positions)
        return TakenPositions(generation.decode(), cases, decisions, notices)

    async def check(self, p: int, generation: str) -> None:
        """Raises Fenced or Lost when the partition is no longer ours."""
        await self._call("check", p, generation)

    async def record(
        self,
        p: int,
        generation: str,
        positions: tuple[int, int],
        desk: Sequence[CaseFileWrite],
        notices: Sequence[OutboxEntry],
    ) -> int:
        """Write to the desk, and put notices that are not known into the outbox; how many were new.

        `positions` of cases and decisions, -1 = as it was. All of it happens or nothing.
        """
        writes = [
            [write.key, list(write.removed), *(part for pair in write.fields for part in pair)]
            for write in desk
        ]
        (new,) = await self._call(
            "record",
            p,
            generation,
            list(positions),
            self._keep_seconds,
            self._told_seconds,
            writes,
            [list(notice) for notice in notices],
        )
        return int(new)

    async def due(self, p: int, generation: str, lane: str, most: int) -> list[bytes]:
        """Entries of the outbox whose time has come; they are `sending` from here on."""
        (entries,) = await self._call("due", p, generation, lane, most)
        return list(entries)

    async def settle(
        self,
        p: int,
        generation: str,
        position: int,
        ended: Sequence[EndedNotice] = (),
        later: Sequence[Later] = (),
    ) -> None:
        """These ended, and those are tried again. `position` is of mandaat.notices, -1 = as it was."""
        await self._call(
            "settle",
            p,
            generation,
            position,
            self._told_seconds,
            [list(one) for one in ended],
            [list(one) for one in later],
        )

    async def of_cases(self, wanted: Sequence[tuple[str, Sequence[str]]]) -> list[list[bytes | None]]:
        """Fields of cases' hashes, each None where absent."""
        if not wanted:
            return []
        async with self._redis.pipeline(transaction=False) as pipe:
            for key, fields in wanted:
                pipe.hmget(CASE + key, list(fields))
            with answering("redis"):
                answers: list[list[bytes | None]] = await pipe.execute()
        return answers

    async def case(self, key: str) -> dict[bytes, bytes]:
        """All of one case, empty where unknown. Raises TryAgain."""
        answer: dict[bytes, bytes] = await self._do("HGETALL", CASE + key)
        return answer

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
            raise Lost("the script was never loaded")
        packed = msgpack.packb([operation, p, generation, *arguments], use_bin_type=False)
        try:
            answer: list[Any] = await self._do("EVALSHA", self._sha, 0, packed)
        except NoScriptError as error:
            self._sha = None
            raise Lost("redis was restarted") from error
        state = answer[0]
        if state == b"lost":
            raise Lost(f"redis lost partition {p}")
        if state == b"fenced":
            raise Fenced(f"partition {p} has another owner")
        return answer[1:]

    async def _do(self, *command: Any) -> Any:
        with answering("redis"):
            return await self._redis.execute_command(*command)  # type: ignore[no-untyped-call] # redis-py
