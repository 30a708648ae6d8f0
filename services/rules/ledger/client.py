"""The ledger as a worker sees it: each method is one call of the script (docs/ledger.md, The script)."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any, Literal

from redis.asyncio import Redis

from services.chassis.redis import answering
from services.rules.ledger.protocol import (
    Applied,
    Argument,
    Found,
    Item,
    Part,
    ReadAnswers,
    Settled,
    TakenPartition,
    Wanted,
    place,
    read_answers,
    read_entry,
    read_refusals,
    write_items,
    write_parts,
    write_records,
)
from services.rules.ledger.script import LEDGER_NAME, PREFIX, VERSION, Cold, NewerLedger, run, sha, version_of

Resolved = Literal["ok", "fenced", "moved"]


class Ledger:
    """One worker's view of one epoch. Every method may raise Cold or TryAgain.

    After TryAgain nobody knows whether the call was done. It is never sent again; the partitions of the call
    go through take-over. `redis` must not retry by itself (:func:`services.chassis.redis.connect`).
    """

    def __init__(self, redis: Redis, *, prefix: str = PREFIX) -> None:
        self.redis = redis
        self.prefix = prefix
        self.nonce: str | None = None
        self.token = secrets.token_hex(8)
        """This worker's name for the lock of a rebuild, the same when it begins again after a failure."""
        self._floor = 0

    async def adopt(self, nonce: str | None = None) -> bool:
        """Work under this epoch, or under the one that Redis names. False: Redis names none, so it is cold.

        An epoch of an older version of the script is cold too; the first call says so. Raises NewerLedger.
        """
        if nonce is None:
            nonce = await self._outside_script("HGET", f"{self.prefix}:meta", "epoch")
        if nonce is not None and (version := version_of(nonce)) > VERSION:
            raise NewerLedger(version)
        if nonce != self.nonce:
            self._floor = 0
        self.nonce = nonce
        return nonce is not None

    async def time_us(self) -> int:
        """The time in microseconds since 1970, by Redis' clock, which is the only one that counts."""
        with answering(LEDGER_NAME):
            seconds, microseconds = await self.redis.time()
        return int(seconds) * 1_000_000 + int(microseconds)

    async def positions(self, partitions: Sequence[int]) -> dict[int, int]:
        """The next offset of the journal that the ledger does not have, for each partition that it knows."""
        if not partitions:
            return {}
        client: Any = self.redis  # redis-py types its commands for both kinds of client at once
        with answering(LEDGER_NAME):
            found = await client.hmget(f"{self.prefix}:meta", [f"pos:{p}" for p in partitions])
        return {p: int(pos) for p, pos in zip(partitions, found, strict=True) if pos is not None}

    async def call(self, parts: Sequence[Part], items: Sequence[Item] = ()) -> Settled:
        """Confirm the rounds before, then settle each item once, in this order. It is one atomic step."""
        parts, items = list(parts), list(items)
        arguments: list[Argument] = [len(parts), len(items)]
        write_parts(parts, arguments)
        write_items(parts, items, arguments)
        time_us, first_sequence, newest, refusals, raw = await self._run("call", arguments)
        self._floor = max(self._floor, int(newest))
        return Settled(
            int(time_us),
            int(first_sequence),
            read_answers(raw, int(first_sequence)),
            read_refusals(parts, refusals),
        )

    async def read(self, parts: Sequence[Part], wanted: Sequence[Wanted]) -> ReadAnswers:
        """Confirm the rounds before, then read. So all that is read is in the journal.

        Only the owner of a partition changes what is read of it, and the generation says who that is.
        """
        parts = list(parts)
        places = {part.p: number for number, part in enumerate(parts, 1)}
        arguments: list[Argument] = [len(parts), len(wanted)]
        write_parts(parts, arguments)
        for p, states, ids in wanted:
            arguments += (places[p], len(states), len(ids), *states)
            for index_id in ids:
                arguments += place(index_id)
        time_us, newest, refusals, values = await self._run("read", arguments)
        self._floor = max(self._floor, int(newest))
        refused = read_refusals(parts, refusals)
        found, value = {}, iter(values)
        for p, states, ids in wanted:
            if p not in refused:
                found[p] = Found(
                    {one: state for one in states if (state := next(value)) is not None},
                    {one: read_entry(entry) for one in ids if (entry := next(value)) is not None},
                )
        return ReadAnswers(int(time_us), found, refused)

    async def take(self, p: int) -> TakenPartition:
        """Take partition p: every earlier owner is fenced from now on."""
        gen, pos, pending = await self._run("take", [p])
        return TakenPartition(gen, pos, bool(pending))

    async def resolve(
        self, p: int, gen: int, from_offset: int, records: Sequence[Applied], next_offset: int
    ) -> Resolved:
        """Roll back what is pending and apply what the journal has between two offsets, in one call."""
        arguments: list[Argument] = [p, gen, from_offset, next_offset]
        write_records(list(records), arguments)
        answer: bytes = await self._run("resolve", arguments)
        return answer.decode("ascii")  # type: ignore[return-value] # the script answers these three words

    async def _run(self, operation: str, arguments: list[Argument]) -> Any:
        if self.nonce is None:
            raise Cold("no epoch is known")
        call: list[Argument] = [operation, self._floor, *arguments]
        answer = await run(self.redis, self.prefix, "EVALSHA", sha(self.nonce), call)
        if answer == b"cold":
            raise Cold(f"Redis does not hold epoch {self.nonce}")
        return answer

    async def _outside_script(self, *command: str) -> str | None:
        client: Any = self.redis  # redis-py types its commands for both kinds of client at once
        with answering(LEDGER_NAME):
            answer: bytes | None = await client.execute_command(*command)
        return None if answer is None else answer.decode("ascii")
