"""The script's operations on a cold ledger, under a lock (docs/ledger.md, Cold start)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from redis.asyncio import Redis

from services.chassis.process.errors import TryAgain
from services.chassis.redis import answering
from services.rules.ledger.protocol import Applied, Argument, write_records
from services.rules.ledger.script import LEDGER_NAME, run, text


class Warm(NamedTuple):
    """Another worker finished meanwhile; this is its epoch."""

    nonce: str


class Locked(NamedTuple):
    """Another worker is rebuilding the ledger."""


class Begun(NamedTuple):
    """This worker has the lock, and no worker can decide. `positions` is empty if Redis is empty."""

    positions: tuple[int, ...]


class Lost(Exception):  # noqa: N818 - an answer of the script; the rebuild begins again
    """Another worker has the lock, or changed a position: begin again."""


class Rebuild:
    """A rebuild under `token`. Methods raise TryAgain when Redis is away; those after `begin` raise Lost too.

    The lock expires 15 s after the last call.
    """

    def __init__(self, redis: Redis, token: str, *, prefix: str) -> None:
        self._redis = redis
        self._token = token
        self._prefix = prefix

    async def begin(self, dead: str | None) -> Begun | Warm | Locked:
        """Stop all workers and roll back what is pending. Does nothing if the epoch is not the dead one."""
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
        """Remove every key but the lock, of a ledger without partitions."""
        batch: list[Argument] = []
        with answering(LEDGER_NAME):
            async for key in self._redis.scan_iter(match=f"{self._prefix}:*", count=1000):
                batch.append(key)
                if len(batch) == 1000:
                    await self._step("wipe", batch)
                    batch = []
        await self._step("wipe", batch)

    async def lay(self, partitions: int) -> None:
        """Set the number of partitions, which is fixed for ever, and each position to 0."""
        await self._step("lay", [partitions])

    async def renew(self) -> None:
        """Keep the lock."""
        await self._step("renew", [])

    async def apply(self, p: int, from_offset: int, records: Sequence[Applied], next_offset: int) -> None:
        """Apply what the journal has from `from_offset` up to `next_offset`. Neither cuts a sequence."""
        arguments: list[Argument] = [p, from_offset, next_offset]
        write_records(list(records), arguments)
        await self._step("apply", arguments)

    async def activate(self, nonce: str, positions: Sequence[int]) -> None:
        """Open the epoch, if every position is the expected one. From here on workers may settle."""
        with answering(LEDGER_NAME):
            await self._redis.script_load(text(nonce))
        await self._step("activate", [nonce, len(positions), *positions])

    async def _step(self, operation: str, arguments: list[Argument]) -> None:
        answer = await self._run(operation, arguments)
        if answer != b"ok":
            raise Lost(f"{operation}: {answer.decode('ascii')}")

    async def _run(self, operation: str, arguments: list[Argument]) -> Any:
        call = [operation, self._token, *arguments]
        return await run(self._redis, self._prefix, "EVAL", text(""), call)
