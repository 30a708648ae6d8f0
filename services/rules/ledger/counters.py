"""Reading the ledger's counters beside the rounds. It settles nothing, and no worker waits for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from redis.asyncio import Redis

from services.chassis.process.errors import TryAgain
from services.chassis.redis import answering
from services.rules.ledger.script import LEDGER_NAME, PREFIX

SLICE_FIELDS: Final = 2_000
"""The most fields in one request: while they are packed and parsed, for milliseconds, nothing is decided."""
COMMAND_FIELDS: Final = 10
"""The cost of a command by itself, in fields."""


class CounterReading(NamedTuple):
    """A counter and one window of it, to be read; with `days` (N of `Nd`) the days around day `field`.

    With `days` the answer has every day that shares a run of N days with that day, and the later days up to
    one on which any amount has room again. It may have other days too.
    """

    key: str
    field: str
    days: int = 0


class CounterReader:
    """Reads counters, with charges that are settled and not yet published.

    It reads them in slices, so that the loop can decide in between. So some counters may have charges that
    others do not have yet. All are of one epoch.
    """

    def __init__(self, redis: Redis, *, prefix: str = PREFIX) -> None:
        self._redis = redis
        self._prefix = prefix

    async def read(self, wanted: Sequence[CounterReading]) -> list[dict[str, int]]:
        """The content of each counter, by field. Raises TryAgain: Redis is away, or is being rebuilt."""
        names = [f"{self._prefix}:b:{one.key}" for one in wanted]
        slices = _Slices(self._redis, f"{self._prefix}:meta")
        first = await slices.ask(
            [
                _Ask("HLEN", name, 1) if one.days else _Ask("HMGET", name, 1, (one.field,))
                for name, one in zip(names, wanted, strict=True)
            ]
        )
        found = [{} if one.days else said for one, said in zip(wanted, first, strict=True)]
        sizes = {place: first[place]["HLEN"] for place, one in enumerate(wanted) if one.days}
        small = [place for place, size in sizes.items() if 0 < size <= _near(wanted[place].days)]
        all_days = await slices.ask([_Ask("HGETALL", names[place], sizes[place]) for place in small])
        for place, said in zip(small, all_days, strict=True):
            found[place] = said
        large = [place for place, size in sizes.items() if size > _near(wanted[place].days)]
        await _read_near({place: (names[place], wanted[place]) for place in large}, slices, found)
        return found


async def _read_near(
    large: dict[int, tuple[str, CounterReading]], slices: _Slices, found: list[dict[str, int]]
) -> None:
    """Read the near days of counters with many days, until enough later days are empty for a free run."""
    fields = {
        place: _days(int(one.field) - one.days + 1, _near(one.days)) for place, (_, one) in large.items()
    }
    while fields:
        said = await slices.ask(
            [_Ask("HMGET", large[place][0], len(days), days) for place, days in fields.items()]
        )
        for (place, days), amounts in zip(list(fields.items()), said, strict=True):
            found[place] |= amounts
            more = 2 * large[place][1].days - 1
            if amounts.keys() & set(days[-more:]):
                fields[place] = _days(int(days[-1]) + 1, more)
            else:
                del fields[place]


def _near(days: int) -> int:
    """The number of days that share a run with one day, and of as many later days as make a free run."""
    return (2 * days - 1) + (2 * days - 1)


def _days(first: int, count: int) -> tuple[str, ...]:
    return tuple(map(str, range(first, first + count)))


class _Ask(NamedTuple):
    """A command on a counter, and about how many fields its answer has."""

    command: str
    name: str
    fields: int
    arguments: tuple[str, ...] = ()


class _Slices:
    """Sends commands in slices that are short enough for the loop. Each slice checks the epoch."""

    def __init__(self, redis: Redis, meta: str) -> None:
        self._redis = redis
        self._meta = meta
        self._epoch: bytes | None = None

    async def ask(self, commands: Sequence[_Ask]) -> list[dict[str, int]]:
        """The fields of each answer, in order. The answer to HLEN has the one field `HLEN`."""
        answers: list[dict[str, int]] = []
        for some in _sliced(commands):
            pipeline: Any = self._redis.pipeline(transaction=True)
            pipeline.hget(self._meta, "epoch")
            for one in some:
                pipeline.execute_command(one.command, one.name, *one.arguments)
            with answering(LEDGER_NAME):
                epoch, *said = await pipeline.execute()
            if epoch is None or self._epoch not in (None, epoch):
                raise TryAgain("the ledger is being rebuilt")
            self._epoch = epoch
            answers += [_amounts(one, values) for one, values in zip(some, said, strict=True)]
        return answers


def _sliced(commands: Sequence[_Ask]) -> Iterator[list[_Ask]]:
    some: list[_Ask] = []
    fields = 0
    for one in commands:
        if some and fields + one.fields + COMMAND_FIELDS > SLICE_FIELDS:
            yield some
            some, fields = [], 0
        some.append(one)
        fields += one.fields + COMMAND_FIELDS
    if some:
        yield some


def _amounts(asked: _Ask, said: Any) -> dict[str, int]:
    if asked.command == "HLEN":
        return {"HLEN": said}
    if asked.command == "HGETALL":
        return {field.decode("ascii"): int(amount) for field, amount in said.items()}
    pairs = zip(asked.arguments, said, strict=True)
    return {field: int(amount) for field, amount in pairs if amount is not None}
