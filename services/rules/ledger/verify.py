"""Whether the ledger is what the journal says, also while workers decide (LEDGER.md, Cold start).

The journal is replayed into a shadow, under a prefix that no scan of the ledger meets. Then keys of the
ledger are read, some at a time, at one moment with the position of each partition and what is pending; the
shadow goes on to exactly these positions, what is pending is taken off, and both must be equal.
"""

from __future__ import annotations

import secrets
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, Final, NamedTuple, TypeAlias

import msgpack
from redis.asyncio import Redis

from services.chassis.process.errors import TryAgain
from services.chassis.redis import answering
from services.rules.journal.journal import Journal
from services.rules.ledger.protocol import Argument, EffectsOf, read_entry
from services.rules.ledger.rebuild import Begun, Lost, Rebuild
from services.rules.ledger.script import LEDGER, PREFIX
from services.rules.ledger.take_over import applied_between

SHADOW: Final = "{L0-verify}"
MOST_TOLD: Final = 100
"""Differences are counted, and so many told."""
RECORDS_A_CALL: Final = 250
"""Redis does nothing else meanwhile: about 5 ms."""
FIELDS_A_READ: Final = 1000
"""The same, also of one large hash."""
KINDS: Final = {"i": "requests", "b": "counters", "s": "states"}
"""What is compared, by the beginning of its key."""
_OURS: Final = frozenset({"meta", "lock", "pend"})
"""What the journal says nothing of, or what is looked at by itself."""

Values: TypeAlias = dict[str, dict[bytes, bytes]]
"""Fields of hashes, by the key's name without the prefix."""
Chunk: TypeAlias = dict[str, tuple[bytes, ...]]
"""What is read at one moment: of each key these fields, or all where there are none."""


class Difference(NamedTuple):
    """Where the ledger and the journal disagree; None where one has nothing there."""

    key: str
    field: str
    ledger: str | None
    journal: str | None


@dataclass
class Report:
    """How much was compared, and what differs; `told` are the first of the differences."""

    records: int = 0
    compared: Counter[str] = field(default_factory=Counter)
    told: list[Difference] = field(default_factory=list)
    _known: set[tuple[str, str]] = field(default_factory=set)

    def differ(self, one: Difference) -> None:
        """One more, unless that was found before."""
        if (one.key, one.field) in self._known:
            return
        self._known.add((one.key, one.field))
        if len(self.told) < MOST_TOLD:
            self.told.append(one)

    @property
    def differences(self) -> int:
        """How many there are."""
        return len(self._known)


class _Moment(NamedTuple):
    meta: dict[bytes, bytes]
    pending: list[bytes | None]
    values: Values

    @property
    def positions(self) -> tuple[int, ...]:
        """Raises TryAgain where the ledger is being emptied or laid out."""
        count = int(self.meta.get(b"partitions", 0))
        positions = [self.meta.get(b"pos:%d" % p) for p in range(count)]
        if not positions or None in positions:
            raise TryAgain("the ledger is empty: start rules, and verify when it is ready")
        return tuple(int(one or 0) for one in positions)


async def verify(
    *,
    redis: Redis,
    journal: Journal,
    effects_of: EffectsOf,
    tell: Callable[[str, int, int | None], None],
    prefix: str = PREFIX,
) -> Report:
    """Compare all. `tell` hears what is done: `records` or `keys`, how many, of how many where that is known.

    Raises TryAgain: Redis or Kafka is away, the ledger is empty, or it was put back meanwhile. That says
    nothing of whether they are equal.
    """
    one = _Verify(redis, journal, effects_of, tell, prefix)
    try:
        return await one.run()
    finally:
        await one.remove_shadow()


class _Verify:
    def __init__(
        self,
        redis: Redis,
        journal: Journal,
        effects_of: EffectsOf,
        tell: Callable[[str, int, int | None], None],
        prefix: str,
    ) -> None:
        self._client: Any = redis  # redis-py types its commands for both kinds of client at once
        self._journal = journal
        self._effects_of = effects_of
        self._tell = tell
        self._prefix = prefix
        self._shadow = Rebuild(redis, secrets.token_hex(8), prefix=SHADOW)
        self._ours = False
        self._positions: list[int] = []
        self._report = Report()
        self._keys = 0
        self._whole: set[int] = set()
        """Hashes of the names of keys that were compared with all their fields: there may be millions."""

    async def run(self) -> Report:
        await self._begin()
        start = await self._moment({})
        if await self._is_possible(start.positions):
            await self._shadow.lay(len(start.positions))
            self._positions = [0] * len(start.positions)
            await self._advance(start.positions)
            await self._compare_sequence(start.meta)
            await self._compare_all()
        return self._report

    async def _begin(self) -> None:
        if not isinstance(await self._shadow.begin(None), Begun):
            raise TryAgain("somebody else verifies this ledger; wait until they are done")
        self._ours = True
        await self._remove(keep=f"{SHADOW}:lock")

    async def remove_shadow(self) -> None:
        """Nothing of ours stays; where Redis is away, the next verify removes it."""
        if self._ours:
            await self._remove(keep=None)

    async def _remove(self, keep: str | None) -> None:
        with answering(LEDGER):
            async for keys in self._scan(SHADOW):
                gone = [key for key in keys if key.decode() != keep]
                if gone:
                    await self._client.unlink(*gone)

    async def _is_possible(self, positions: Sequence[int]) -> bool:
        """Whether the journal can be replayed up to there; else that is the difference."""
        partitions = await self._journal.partitions()
        if partitions != len(positions):
            self._report.differ(Difference("meta", "partitions", str(len(positions)), str(partitions)))
            return False
        for p, (first, end) in (await self._journal.bounds(range(partitions))).items():
            if first > 0:
                raise TryAgain(
                    f"partition {p} of the journal begins at {first}: it cannot be replayed from 0"
                )
            if positions[p] > end:
                self._report.differ(Difference("meta", f"pos:{p}", str(positions[p]), f"ends at {end}"))
        return not self._report.differences

    # The shadow

    async def _advance(self, until: Sequence[int]) -> None:
        total = sum(until)
        for p, position in enumerate(until):
            if position < self._positions[p]:
                raise TryAgain("the ledger was put back to an older state meanwhile; verify it again")
            if position == self._positions[p]:
                continue
            chunks = applied_between(
                self._journal, p, self._positions[p], position, self._effects_of, RECORDS_A_CALL
            )
            async for chunk in chunks:
                await self._apply(p, chunk.records, chunk.next_offset)
                self._tell("records", sum(self._positions), total)
        self._report.records = sum(self._positions)

    async def _apply(self, p: int, records: Sequence[Any], next_offset: int) -> None:
        try:
            await self._shadow.apply(p, self._positions[p], records, next_offset)
        except Lost:  # the lock lives 15 s, and reading the journal may take longer
            begun = await self._shadow.begin(None)
            if begun != Begun(tuple(self._positions)):
                raise TryAgain("somebody else verifies this ledger; wait until they are done") from None
            await self._shadow.apply(p, self._positions[p], records, next_offset)
        self._positions[p] = next_offset

    # Comparing

    async def _compare_sequence(self, meta: Mapping[bytes, bytes]) -> None:
        """Of a lower one than the journal has, workers would give numbers that stand there already."""
        with answering(LEDGER):
            newest = await self._client.hget(f"{SHADOW}:meta", "seq")
        if int(meta.get(b"seq", 0)) < int(newest or 0):
            ours = meta.get(b"seq")
            self._report.differ(
                Difference("meta", "seq", None if ours is None else ours.decode(), f"at least {int(newest)}")
            )

    async def _compare_all(self) -> None:
        async for chunk in self._chunks(self._prefix):
            await self._compare(chunk)
            self._whole.update(hash(name) for name, fields in chunk.items() if not fields)
        async for chunk in self._chunks(SHADOW):
            lacking = {name: fields for name, fields in chunk.items() if hash(name) not in self._whole}
            if named := await self._named(lacking):
                await self._compare(named, again=True)

    async def _named(self, chunk: Chunk) -> Chunk:
        """The same by the fields that the shadow has: what is large in the ledger is not read whole."""
        small = [name for name, fields in chunk.items() if not fields]
        with answering(LEDGER):
            found = await self._each("HKEYS", [f"{SHADOW}:{name}" for name in small])
        named = {**chunk, **{name: tuple(fields) for name, fields in zip(small, found, strict=True)}}
        return {name: fields for name, fields in named.items() if fields}

    async def _compare(self, chunk: Chunk, *, again: bool = False) -> None:
        moment = await self._moment(chunk)
        await self._advance(moment.positions)
        expected = await self._shadow_values(chunk)
        taken_off = _without_pending(moment.values, moment.pending)
        for name in chunk:
            self._compare_one(name, taken_off[name], expected[name])
            if not again:
                kind = KINDS[name.partition(":")[0]]
                self._report.compared[kind] += len(taken_off[name].keys() | expected[name].keys())
        self._keys += len(chunk)
        self._tell("keys", self._keys, None)

    def _compare_one(self, name: str, live: Mapping[bytes, bytes], said: Mapping[bytes, bytes]) -> None:
        if live == said:
            return
        kind = name.partition(":")[0]
        for one in sorted(live.keys() | said.keys()):
            if live.get(one) != said.get(one):
                ours, theirs = _readable(kind, live.get(one)), _readable(kind, said.get(one))
                self._report.differ(Difference(name, one.decode(errors="replace"), ours, theirs))

    async def _moment(self, chunk: Chunk) -> _Moment:
        arguments: list[Argument] = []
        for name, fields in chunk.items():
            arguments += (f"{self._prefix}:{name}", len(fields), *fields)
        packed = msgpack.packb(arguments, use_bin_type=False)
        with answering(LEDGER):
            meta, pending, values = await self._client.execute_command(
                "EVAL_RO", _snapshot(), 1, f"{self._prefix}:meta", packed
            )
        hashes = {
            name: _hash(fields, found) for (name, fields), found in zip(chunk.items(), values, strict=True)
        }
        return _Moment(_hash((), meta), pending, hashes)

    async def _shadow_values(self, chunk: Chunk) -> Values:
        with answering(LEDGER):
            pipe = self._client.pipeline(transaction=False)
            for name, fields in chunk.items():
                pipe.execute_command(*_read(f"{SHADOW}:{name}", fields))
            found = await pipe.execute()
        return {
            name: dict(one) if isinstance(one, dict) else _hash(fields, one)
            for (name, fields), one in zip(chunk.items(), found, strict=True)
        }

    async def _chunks(self, prefix: str) -> AsyncIterator[Chunk]:
        """All that stands under a prefix, some of it at a time; a large hash by its fields."""
        async for keys in self._scan(prefix):
            names = [key.decode().removeprefix(f"{prefix}:") for key in keys]
            lengths = await self._lengths(prefix, names)
            for some in _cut({name: length for name, length in lengths.items() if length <= FIELDS_A_READ}):
                yield some
            for name, length in lengths.items():
                if length > FIELDS_A_READ:
                    async for fields in self._fields(f"{prefix}:{name}"):
                        yield {name: fields}

    async def _lengths(self, prefix: str, names: Iterable[str]) -> dict[str, int]:
        """How many fields each hash has that is compared; what nobody knows is a difference."""
        lengths = {}
        mine = [name for name in names if name.partition(":")[0] not in _OURS]
        with answering(LEDGER):
            found = await self._each("HLEN", [f"{prefix}:{name}" for name in mine])
        for name, length in zip(mine, found, strict=True):
            if isinstance(length, int) and name.partition(":")[0] in KINDS:
                lengths[name] = length
            else:
                self._report.differ(Difference(name, "", "a key that is not of the ledger", None))
        return lengths

    async def _fields(self, key: str) -> AsyncIterator[tuple[bytes, ...]]:
        cursor: Any = None
        while cursor != 0:
            with answering(LEDGER):
                cursor, found = await self._client.hscan(key, cursor or 0, count=FIELDS_A_READ)
            if found:
                yield tuple(found)

    async def _scan(self, prefix: str) -> AsyncIterator[list[bytes]]:
        cursor: Any = None
        while cursor != 0:
            with answering(LEDGER):
                cursor, keys = await self._client.scan(cursor or 0, match=f"{prefix}:*", count=1000)
            if keys:
                yield keys

    async def _each(self, command: str, keys: Sequence[str]) -> list[Any]:
        """The answer for each key, or the error."""
        pipe = self._client.pipeline(transaction=False)
        for key in keys:
            pipe.execute_command(command, key)
        return list(await pipe.execute(raise_on_error=False)) if keys else []


@cache
def _snapshot() -> str:
    return files("services.rules.ledger").joinpath("snapshot.lua").read_text("utf-8")


def _read(key: str, fields: Sequence[bytes]) -> tuple[Any, ...]:
    return ("HMGET", key, *fields) if fields else ("HGETALL", key)


def _hash(fields: Sequence[bytes], found: Sequence[Any]) -> dict[bytes, bytes]:
    if not fields:
        return dict(zip(found[::2], found[1::2], strict=True))
    return {one: value for one, value in zip(fields, found, strict=True) if value is not None}


def _cut(lengths: Mapping[str, int]) -> Iterator[Chunk]:
    """Keys together, as long as they do not hold too many fields."""
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


def _without_pending(values: Values, pending: Iterable[bytes | None]) -> Values:
    """What stands there without the rounds that nobody has confirmed yet."""
    entries: set[tuple[str, bytes]] = set()
    charged: defaultdict[tuple[str, bytes], int] = defaultdict(int)
    for one in pending:
        for kind, arguments in _undo(one):
            if kind == b"i":
                entries.add((f"i:{arguments[0].decode()}", arguments[1]))
            else:
                charged[f"b:{arguments[0].decode()}", arguments[1]] += arguments[2]
    result: Values = {}
    for name, hash_ in values.items():
        result[name] = {one: value for one, value in hash_.items() if (name, one) not in entries}
    for (name, one), amount in charged.items():
        if name in result and one in result[name]:
            left = int(result[name].pop(one)) - amount
            if left:
                result[name][one] = b"%d" % left
    return result


def _undo(pending: bytes | None) -> Iterable[tuple[bytes, list[Any]]]:
    """What a round wrote: arguments, then the kind, read from the end as the script does."""
    arity = {b"i": 2, b"c": 3}
    undo: list[Any] = [] if pending is None else msgpack.unpackb(pending[7:], raw=True)
    while undo:
        count = arity[undo[-1]]
        yield undo[-1], undo[-1 - count : -1]
        del undo[-1 - count :]


def _readable(kind: str, value: bytes | None) -> str | None:
    if value is None:
        return None
    if kind == "i":
        entry = read_entry(value)
        return f"digest {entry.digest}, sequence {entry.seq}"
    return value.decode(errors="replace")
