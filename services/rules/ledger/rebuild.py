"""The script's operations for a ledger that is cold, under a lock (LEDGER.md, Cold start)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from redis.asyncio import Redis

from services.chassis.process.errors import TryAgain
from services.chassis.redis import answering
from services.rules.ledger.protocol import Applied, Argument, write_records
from services.rules.ledger.script import LEDGER, run, text


class Warm(NamedTuple):
    """Somebody else has finished meanwhile: this is the epoch."""

    nonce: str


class Locked(NamedTuple):
    """Somebody else is at it."""


class Begun(NamedTuple):
    """We hold the lock and nobody decides; `positions` is pos of each partition, empty where Redis is."""

    positions: tuple[int, ...]


class Lost(Exception):  # noqa: N818 - a word of the protocol, which leads back to step 1
    """The lock went to somebody else, or what we saw was changed: begin again."""


class Rebuild:
    """One attempt at a time, under `token`. Methods raise TryAgain when Redis is away, Lost after `begin`.

    The lock lives 15 s from the last call.
    """

    def __init__(self, redis: Redis, token: str, *, prefix: str) -> None:
        self._redis = redis
        self._token = token
        self._prefix = prefix

    async def begin(self, dead: str | None) -> Begun | Warm | Locked:
        """Stop all workers and roll back what is pending, unless the epoch is another than the dead one."""
        word, *rest = await self._run("begin", [dead or ""])
        if word == b"warm":
            return Warm(rest[0].decode("ascii"))
        if word == b"locked":
            return Locked()
        partitions, *positions = rest
        if len(positions) != partitions:
            raise TryAgain(f"the ledger knows {partitions} partitions but {len(positions)} positions")
        return Begun(tuple(positions))

    async def wipe(self) -> None:
        """Remove every key of a ledger that does not know its partitions, but the lock."""
        batch: list[Argument] = []
        with answering(LEDGER):
            async for key in self._redis.scan_iter(match=f"{self._prefix}:*", count=1000):
                batch.append(key)
                if len(batch) == 1000:
                    await self._step("wipe", batch)
                    batch = []
        await self._step("wipe", batch)

    async def lay(self, partitions: int) -> None:
        """Begin with this number of partitions, for ever, each at offset 0."""
        await self._step("lay", [partitions])

    async def renew(self) -> None:
        """Keep the lock while nothing else is to be done."""
        await self._step("renew", [])

    async def apply(self, p: int, from_offset: int, records: Sequence[Applied], next_offset: int) -> None:
        """Apply what the journal has from `from_offset` up to `next_offset`; both are between sequences."""
        arguments: list[Argument] = [p, from_offset, next_offset]
        write_records(list(records), arguments)
        await self._step("apply", arguments)

    async def activate(self, nonce: str, positions: Sequence[int]) -> None:
        """Open the epoch: from here workers may settle, if every partition stands where we left it."""
        with answering(LEDGER):
            await self._redis.script_load(text(nonce))
        await self._step("activate", [nonce, len(positions), *positions])

    async def _step(self, operation: str, arguments: list[Argument]) -> None:
        answer = await self._run(operation, arguments)
        if answer != b"ok":
            raise Lost(f"{operation}: {answer.decode('ascii')}")

    async def _run(self, operation: str, arguments: list[Argument]) -> Any:
        whole = [operation, self._token, *arguments]
        return await run(self._redis, self._prefix, "EVAL", text(""), whole)
