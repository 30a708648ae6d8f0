"""Taking a partition, also from a worker that died with something pending (docs/ledger.md, Take-over)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import NamedTuple

from services.chassis.process.errors import TryAgain
from services.chassis.process.failpoints import Point, reach
from services.rules.journal.grouping import Group, Grouping
from services.rules.journal.journal import Journal
from services.rules.ledger.client import Ledger
from services.rules.ledger.protocol import Applied, EffectsOf


@dataclass(frozen=True)
class Fence:
    """T, the age at which the broker refuses a record, and S, by which clocks may differ; in seconds."""

    fence_seconds: float
    clock_seconds: float
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def wait(self, since: float) -> None:
        """Wait until T + S after `since` (monotonic). What was settled then has landed now, or never will."""
        while (left := self.left_seconds(since)) > 0:
            await self.sleep(left)

    def left_seconds(self, since: float) -> float:
        """The seconds until T + S after `since`; negative once they are over."""
        return since + self.fence_seconds + self.clock_seconds - self.monotonic()


class FailedPublish(NamedTuple):
    """This worker's own publish, which failed: the generation that settled it, and when (monotonic)."""

    gen: int
    settled_at: float


class HeldPartition(NamedTuple):
    """A partition that is taken, with nothing pending. `waited`: something was pending, and is resolved."""

    p: int
    gen: int
    waited: bool


async def take_over(
    p: int,
    *,
    ledger: Ledger,
    journal: Journal,
    effects_of: EffectsOf,
    fence: Fence,
    failed_publish: FailedPublish | None = None,
) -> HeldPartition:
    """Take partition p and bring the ledger to what the journal says.

    T + S count from the taking; after a failed publish of our own, from the answer that settled it. Raises
    Cold; and TryAgain, also when another worker takes the partition meanwhile.
    """
    gen, pos, pending = await ledger.take(p)
    if not pending:
        return HeldPartition(p, gen, waited=False)
    # If another worker took the partition in between, what is pending may be its own (docs/decisions/0005).
    own = failed_publish is not None and failed_publish.gen + 1 == gen
    await fence.wait(failed_publish.settled_at if failed_publish is not None and own else fence.monotonic())
    next_offset = await journal.mark(p, await ledger.time_us())
    records = [
        one
        async for chunk in applied_between(journal, p, pos, next_offset, effects_of)
        for one in chunk.records
    ]
    reach(Point.BEFORE_RESOLVE)
    answer = await ledger.resolve(p, gen, pos, records, next_offset)
    if answer != "ok":
        raise TryAgain(f"partition {p} was {answer} while it was taken over")
    return HeldPartition(p, gen, waited=True)


class Chunk(NamedTuple):
    """Some sequences of a partition, none of them cut; `next_offset` follows the last."""

    records: tuple[Applied, ...]
    next_offset: int


async def applied_between(
    journal: Journal, p: int, from_offset: int, until: int, effects_of: EffectsOf, size: int = 1000
) -> AsyncIterator[Chunk]:
    """Read partition p of the journal between two offsets, in chunks of up to `size` sequences."""
    grouping = Grouping()
    groups: list[Group] = []
    async for stored in journal.read(p, from_offset, until):
        groups += grouping.add(stored)
        while len(groups) >= size:
            yield _chunk(groups[:size], effects_of)
            groups = groups[size:]
    groups += grouping.end()
    yield Chunk(_chunk(groups, effects_of).records if groups else (), until)


def _chunk(groups: list[Group], effects_of: EffectsOf) -> Chunk:
    records = []
    for group in groups:
        applied = effects_of(group.events)
        if applied.seq != group.seq:
            raise ValueError(f"effects of sequence {group.seq} name {applied.seq}")
        records.append(applied)
    return Chunk(tuple(records), groups[-1].next_offset)
