"""The shadow: the journal replayed under a prefix of its own, to exactly the positions of the ledger."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import Final

from redis.asyncio import Redis

from services.chassis.process.errors import TryAgain
from services.rules.journal.journal import Journal
from services.rules.ledger.protocol import Applied, EffectsOf
from services.rules.ledger.rebuild import Begun, Lost, Rebuild
from services.rules.ledger.take_over import applied_between
from services.rules.ledger.verify.keys import LedgerKeys

SHADOW: Final = "{L0-verify}"
"""No scan of the ledger finds a key with this prefix."""
RECORDS_A_CALL: Final = 250
"""Redis does nothing else during a call: about 5 ms."""
_OCCUPIED: Final = "another verify of this ledger is running; wait until it is done"

Progress = Callable[[str, int, int | None], None]
"""Is told what was done (`records` or `keys`), how many, and of how many if that is known."""


class Shadow:
    """A second ledger beside the live one. Methods raise TryAgain."""

    def __init__(self, redis: Redis, journal: Journal, effects_of: EffectsOf, progress: Progress) -> None:
        self._rebuild = Rebuild(redis, secrets.token_hex(8), prefix=SHADOW)
        self._journal = journal
        self._effects_of = effects_of
        self._progress = progress
        self._has_lock = False
        self._positions: list[int] = []
        self.keys = LedgerKeys(redis, SHADOW)

    @property
    def records(self) -> int:
        """The number of records that were replayed."""
        return sum(self._positions)

    async def begin(self) -> None:
        """Take the lock, and remove what an earlier verify may have left."""
        if not isinstance(await self._rebuild.begin(None), Begun):
            raise TryAgain(_OCCUPIED)
        self._has_lock = True
        await self.keys.remove(keep="lock")

    async def lay(self, partitions: int) -> None:
        """Set the number of partitions, each at 0."""
        await self._rebuild.lay(partitions)
        self._positions = [0] * partitions

    async def remove(self) -> None:
        """Remove the shadow. If Redis is away, the next verify removes it."""
        if self._has_lock:
            await self.keys.remove()

    async def advance(self, until: Sequence[int]) -> None:
        """Replay the journal up to these positions."""
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
                self._progress("records", self.records, total)

    async def _apply(self, p: int, records: Sequence[Applied], next_offset: int) -> None:
        try:
            await self._rebuild.apply(p, self._positions[p], records, next_offset)
        except Lost:  # the lock expires after 15 s, and reading the journal may take longer
            if await self._rebuild.begin(None) != Begun(tuple(self._positions)):
                raise TryAgain(_OCCUPIED) from None
            await self._rebuild.apply(p, self._positions[p], records, next_offset)
        self._positions[p] = next_offset
