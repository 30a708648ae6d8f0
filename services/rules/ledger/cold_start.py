"""Rebuilding a cold ledger from the journal: one worker does it, others wait (docs/ledger.md, Cold start)."""

from __future__ import annotations

from typing import Final, assert_never

from services.chassis.process.errors import TryAgain
from services.chassis.process.failpoints import Point, reach
from services.rules.journal.journal import Journal
from services.rules.ledger.client import Ledger
from services.rules.ledger.protocol import EffectsOf
from services.rules.ledger.rebuild import Begun, Locked, Lost, Rebuild, Warm
from services.rules.ledger.script import new_nonce
from services.rules.ledger.take_over import Fence, applied_between

POLL_SECONDS: Final = 0.25
RENEW_SECONDS: Final = 3.0


class PositionsDisagree(TryAgain):
    """Redis and the journal do not belong together; an operator must act. `problems` has a line for each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


async def cold_start(*, ledger: Ledger, journal: Journal, effects_of: EffectsOf, fence: Fence) -> None:
    """Return when the ledger is warm, whoever rebuilt it, and `ledger` works under the new epoch.

    After it, every partition must be taken again. Raises TryAgain: Redis or Kafka is away; and
    PositionsDisagree: no worker can decide until an operator acted.
    """
    rebuild = Rebuild(ledger.redis, ledger.token, prefix=ledger.prefix)
    while True:
        match await rebuild.begin(ledger.nonce):
            case Warm(nonce):
                await ledger.adopt(nonce)
                return
            case Locked():
                await fence.sleep(POLL_SECONDS)
            case Begun(positions):
                try:
                    await ledger.adopt(await _rebuilt(rebuild, positions, ledger, journal, effects_of, fence))
                except Lost:
                    continue
                return
            case answer:
                assert_never(answer)


async def _rebuilt(
    rebuild: Rebuild,
    positions: tuple[int, ...],
    ledger: Ledger,
    journal: Journal,
    effects_of: EffectsOf,
    fence: Fence,
) -> str:
    """Check the positions, replay the journal, open a new epoch; answers its nonce."""
    begun_at = fence.monotonic()
    partitions = await journal.partitions()
    bounds = await journal.bounds(range(partitions))
    _check(positions, partitions, bounds)
    if not positions:
        await rebuild.wipe()
        await rebuild.lay(partitions)
        positions = (0,) * partitions
    pos = list(positions)
    for p in range(partitions):
        pos[p] = await _replay(rebuild, journal, p, pos[p], bounds[p][1], effects_of)
    while (left := fence.left_seconds(begun_at)) > 0:
        await fence.sleep(min(left, RENEW_SECONDS))
        await rebuild.renew()
    for p in range(partitions):
        marked = await journal.mark(p, await ledger.time_us())
        pos[p] = await _replay(rebuild, journal, p, pos[p], marked, effects_of)
    reach(Point.BEFORE_ACTIVATE)
    nonce = new_nonce()
    await rebuild.activate(nonce, pos)
    return nonce


def _check(positions: tuple[int, ...], partitions: int, bounds: dict[int, tuple[int, int]]) -> None:
    problems = []
    if positions and len(positions) != partitions:
        problems.append(f"the ledger has {len(positions)} partitions, the journal {partitions}")
    for p, (first, end) in bounds.items():
        pos = positions[p] if p < len(positions) else 0
        if not first <= pos <= end:
            problems.append(f"partition {p}: the ledger goes on at {pos}, the journal holds {first} to {end}")
    if problems:
        raise PositionsDisagree(problems)


async def _replay(
    rebuild: Rebuild, journal: Journal, p: int, pos: int, until: int, effects_of: EffectsOf
) -> int:
    if pos >= until:
        return pos
    async for chunk in applied_between(journal, p, pos, until, effects_of):
        await rebuild.apply(p, pos, chunk.records, chunk.next_offset)
        pos = chunk.next_offset
    return pos
