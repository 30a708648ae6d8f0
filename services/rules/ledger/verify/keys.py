"""Reading the keys of a ledger, some at a time and at one moment."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Final, NamedTuple, TypeAlias

import msgpack
from redis.asyncio import Redis

from services.chassis.process.errors import TryAgain
from services.chassis.redis import answering
from services.rules.ledger.protocol import Argument
from services.rules.ledger.script import LEDGER_NAME

FIELDS_A_READ: Final = 1000
"""The most fields in one read, also of one large hash: Redis does nothing else for about 5 ms."""
KINDS: Final = {"i": "requests", "b": "counters", "s": "states"}
"""The keys that are compared, by the beginning of their names."""
_NOT_COMPARED: Final = frozenset({"meta", "lock", "pend"})
"""Keys that the journal says nothing of, or that are looked at by themselves."""

Values: TypeAlias = dict[str, dict[bytes, bytes]]
"""Fields of hashes, by the key's name without the prefix."""
Chunk: TypeAlias = dict[str, tuple[bytes, ...]]
"""Keys that are read at one moment, each with the wanted fields, or with none for all of them."""


class Moment(NamedTuple):
    """Some keys of the ledger, its meta and what is pending, read at one moment."""

    meta: dict[bytes, bytes]
    pending: list[bytes | None]
    values: Values

    @property
    def positions(self) -> tuple[int, ...]:
        """The position of each partition. Raises TryAgain while the ledger is empty or being laid out."""
        count = int(self.meta.get(b"partitions", 0))
        positions = [self.meta.get(b"pos:%d" % p) for p in range(count)]
        if not positions or None in positions:
            raise TryAgain("the ledger is empty: start rules, and verify when it is ready")
        return tuple(int(one or 0) for one in positions)


class LedgerKeys:
    """The keys under one prefix. Methods raise TryAgain when Redis is away."""

    def __init__(self, redis: Redis, prefix: str) -> None:
        self._client: Any = redis  # redis-py types its commands for both kinds of client at once
        self._prefix = prefix

    async def moment(self, chunk: Chunk) -> Moment:
        """The values of a chunk, with meta and what is pending, at one moment."""
        arguments: list[Argument] = []
        for name, fields in chunk.items():
            arguments += (f"{self._prefix}:{name}", len(fields), *fields)
        packed = msgpack.packb(arguments, use_bin_type=False)
        with answering(LEDGER_NAME):
            meta, pending, values = await self._client.execute_command(
                "EVAL_RO", _snapshot(), 1, f"{self._prefix}:meta", packed
            )
        hashes = {
            name: _hash(fields, found) for (name, fields), found in zip(chunk.items(), values, strict=True)
        }
        return Moment(_hash((), meta), pending, hashes)

    async def values(self, chunk: Chunk) -> Values:
        """The values of a chunk, of keys that nobody else changes."""
        with answering(LEDGER_NAME):
            pipe = self._client.pipeline(transaction=False)
            for name, fields in chunk.items():
                key = f"{self._prefix}:{name}"
                pipe.execute_command(*(("HMGET", key, *fields) if fields else ("HGETALL", key)))
            found = await pipe.execute()
        return {
            name: dict(one) if isinstance(one, dict) else _hash(fields, one)
            for (name, fields), one in zip(chunk.items(), found, strict=True)
        }

    async def newest_sequence(self) -> int:
        """The newest sequence that was settled or applied."""
        with answering(LEDGER_NAME):
            return int(await self._client.hget(f"{self._prefix}:meta", "seq") or 0)

    async def chunks(self, on_unknown: Callable[[str], None]) -> AsyncIterator[Chunk]:
        """All keys that are compared, some at a time; a large hash by its fields.

        `on_unknown` gets the name of each key that is not of a ledger.
        """
        async for keys in self._scan():
            names = [key.decode().removeprefix(f"{self._prefix}:") for key in keys]
            lengths = await self._lengths(names, on_unknown)
            for some in _cut({name: length for name, length in lengths.items() if length <= FIELDS_A_READ}):
                yield some
            for name, length in lengths.items():
                if length > FIELDS_A_READ:
                    async for fields in self._fields(name):
                        yield {name: fields}

    async def with_fields(self, chunk: Chunk) -> Chunk:
        """The same chunk with the fields of each key by name."""
        complete = [name for name, fields in chunk.items() if not fields]
        found = await self._each("HKEYS", complete)
        named = {**chunk, **{name: tuple(fields) for name, fields in zip(complete, found, strict=True)}}
        return {name: fields for name, fields in named.items() if fields}

    async def remove(self, keep: str | None = None) -> None:
        """Remove every key but one."""
        with answering(LEDGER_NAME):
            async for keys in self._scan():
                gone = [key for key in keys if key.decode() != f"{self._prefix}:{keep}"]
                if gone:
                    await self._client.unlink(*gone)

    async def _lengths(self, names: Iterable[str], on_unknown: Callable[[str], None]) -> dict[str, int]:
        """The number of fields of each hash that is compared."""
        lengths = {}
        compared = [name for name in names if name.partition(":")[0] not in _NOT_COMPARED]
        for name, length in zip(compared, await self._each("HLEN", compared), strict=True):
            if isinstance(length, int) and name.partition(":")[0] in KINDS:
                lengths[name] = length
            else:
                on_unknown(name)
        return lengths

    async def _fields(self, name: str) -> AsyncIterator[tuple[bytes, ...]]:
        cursor: Any = None
        while cursor != 0:
            with answering(LEDGER_NAME):
                cursor, found = await self._client.hscan(
                    f"{self._prefix}:{name}", cursor or 0, count=FIELDS_A_READ
                )
            if found:
                yield tuple(found)

    async def _scan(self) -> AsyncIterator[list[bytes]]:
        cursor: Any = None
        while cursor != 0:
            with answering(LEDGER_NAME):
                cursor, keys = await self._client.scan(cursor or 0, match=f"{self._prefix}:*", count=1000)
            if keys:
                yield keys

    async def _each(self, command: str, names: Sequence[str]) -> list[Any]:
        """The answer for each key, or the error."""
        pipe = self._client.pipeline(transaction=False)
        for name in names:
            pipe.execute_command(command, f"{self._prefix}:{name}")
        with answering(LEDGER_NAME):
            return list(await pipe.execute(raise_on_error=False)) if names else []


@cache
def _snapshot() -> str:
    return files(__package__).joinpath("snapshot.lua").read_text("utf-8")


def _hash(fields: Sequence[bytes], found: Sequence[Any]) -> dict[bytes, bytes]:
    if not fields:
        return dict(zip(found[::2], found[1::2], strict=True))
    return {one: value for one, value in zip(fields, found, strict=True) if value is not None}


def _cut(lengths: Mapping[str, int]) -> Iterator[Chunk]:
    """Keys together, up to FIELDS_A_READ fields."""
    some: Chunk = {}
    filled = 0
    for name, length in lengths.items():
        if some and filled + length > FIELDS_A_READ:
            yield some
            some, filled = {}, 0
        some[name] = ()
        filled += length
    if some:
        yield some
