"""A worker of the small world: the loop of LEDGER.md (Worker) around the real adapters."""

from __future__ import annotations

import json
from typing import cast

from redis.asyncio import Redis

from services.chassis.errors import TryAgain
from services.rules.adapters.cold_start import cold_start
from services.rules.adapters.journal import Journal
from services.rules.adapters.ledger import Ledger
from services.rules.adapters.protocol import Confirm, Effect, Item, Known, New, Part, Settled, Wanted
from services.rules.adapters.publisher import Entry, Landed, Outcome, Record
from services.rules.adapters.script import Cold
from services.rules.adapters.take_over import Fence, Unlanded, take_over
from tests.integration.ledger.world import (
    S_STEPS,
    T_STEPS,
    Input,
    World,
    WorldJournal,
    WorldRedis,
    effects_of,
    render,
)

Fresh = dict[int, list[tuple[Record, ...]]]


class Worker:
    """Holds partitions by generation; forgets them all after anything that went wrong."""

    def __init__(self, world: World, number: int) -> None:
        self.world = world
        self.number = number
        self.redis = WorldRedis(world, number)
        self.ledger = Ledger(cast("Redis", self.redis), prefix=world.prefix)
        self.world_journal = WorldJournal(world, number)
        self.journal = cast("Journal", self.world_journal)
        self.fence = Fence(T_STEPS, S_STEPS, monotonic=lambda: world.now, sleep=self._sleep)
        self.held: dict[int, int] = {}
        self.since: dict[int, tuple[int, int]] = {}
        self.confirms: dict[int, Confirm] = {}
        self.unlanded: dict[int, Unlanded] = {}

    async def run(self) -> None:
        """Until it is killed."""
        while True:
            try:
                if self.ledger.nonce is None and not await self.ledger.adopt():
                    await self._rebuild()
                await self._serve()
            except Cold:
                self._forget()
                await self._rebuild()
            except TryAgain:
                self._forget()

    async def _rebuild(self) -> None:
        try:
            await cold_start(
                ledger=self.ledger, journal=self.journal, effects_of=effects_of, fence=self.fence
            )
        except TryAgain:
            await self.world.turn(self.number)

    def _forget(self) -> None:
        self.held, self.confirms, self.unlanded = {}, {}, {}

    async def _sleep(self, steps: float) -> None:
        await self.world.turn(self.number, self.world.now + max(1, round(steps)))

    async def _serve(self) -> None:
        await self.world.turn(self.number)
        mine = {p: owner for p, owner in self.world.owner.items() if owner[0] == self.number}
        for p in list(self.held):
            if mine.get(p) != self.since[p]:
                await self._let_go(p)
        for p in sorted(set(mine) - set(self.held)):
            held = await take_over(
                p,
                ledger=self.ledger,
                journal=self.journal,
                effects_of=effects_of,
                fence=self.fence,
                unlanded=self.unlanded.pop(p, None),
            )
            self.held[p], self.since[p] = held.gen, mine[p]
        if self.held:
            await self._round(*self._inputs())

    async def _let_go(self, p: int) -> None:
        if self.world.chance.random() < 0.5:  # else it was revoked without a word
            await self.ledger.call([self._part(p)])
        self.held.pop(p)
        self.confirms.pop(p, None)

    def _inputs(self) -> tuple[list[Input], dict[int, int]]:
        inputs: list[Input] = []
        ends: dict[int, int] = {}
        for p in self.held:
            cases: dict[str, bool] = {}
            ends[p] = start = self.world.committed[p]
            for one in self.world.log[p][start : start + self.world.chance.randint(0, 6)]:
                if one.case in cases and (one.verdict or cases[one.case]):
                    break
                cases[one.case] = one.verdict is not None
                inputs.append(one)
                ends[p] += 1
        return inputs, ends

    def _part(self, p: int) -> Part:
        return Part(p, self.held[p], self.confirms.get(p))

    async def _round(self, inputs: list[Input], ends: dict[int, int]) -> None:
        states = await self._states(inputs)
        parts = [self._part(p) for p in self.held]
        settled = await self.ledger.call(parts, [Item(one.p, one.id, one.digest) for one in inputs])
        settled_at, self.world_journal.settled_at = self.world.now, self.redis.done_at
        if settled.refused:
            raise TryAgain(f"refused: {settled.refused}")
        self.confirms = {}
        entries, fresh = await self._rendered(inputs, settled, states)
        outcomes = await self.journal.publish(entries)
        self._confirm_later(outcomes, settled, fresh)
        for p, end in ends.items():
            if isinstance(outcomes.get(p), Landed | None) and self.world.owner[p] == self.since[p]:
                self.world.committed[p] = end
        for p, outcome in outcomes.items():
            if not isinstance(outcome, Landed):
                self.unlanded[p] = Unlanded(self.held.pop(p), settled_at)

    async def _states(self, inputs: list[Input]) -> dict[str, str]:
        states: dict[str, str] = {}
        for p in sorted({one.p for one in inputs if one.verdict}):
            cases = tuple(one.case for one in inputs if one.p == p and one.verdict)
            reading = await self.ledger.read([self._part(p)], [Wanted(p, states=cases)])
            if reading.refused:
                raise TryAgain(f"refused: {reading.refused}")
            self.confirms.pop(p, None)
            states |= {case: state.decode() for case, state in reading.found[p].states.items()}
            assert set(cases) <= set(states), f"a verdict on an approval that nobody knows: {cases}"
        return states

    async def _rendered(
        self, inputs: list[Input], settled: Settled, states: dict[str, str]
    ) -> tuple[list[Entry], Fresh]:
        known: dict[tuple[int, int], tuple[Record, ...]] = {}
        fresh: Fresh = {}
        repeats = []
        for one, answer in zip(inputs, settled.answers, strict=True):
            if isinstance(answer, New):
                records = known[one.p, answer.seq] = render(one, answer.seq, states.get(one.case))
                fresh.setdefault(one.p, []).append(records)
            elif isinstance(answer, Known) and answer.digest == one.digest:
                repeats.append((one.p, answer.seq))
            else:
                self.world.conflicts.append(one)
        old = [place for place in repeats if place not in known]
        stored = await self.journal.stored(old) if old else {}
        time_ms = settled.time_us // 1000
        entries = [(seq, Entry(p, seq // 1000, records)) for (p, seq), records in known.items()]
        entries += [(seq, Entry(p, time_ms, (known | stored)[p, seq])) for p, seq in repeats]
        return [entry for _, entry in sorted(entries, key=lambda one: one[0])], fresh

    def _confirm_later(self, outcomes: dict[int, Outcome], settled: Settled, fresh: Fresh) -> None:
        for p, outcome in outcomes.items():
            if isinstance(outcome, Landed):
                effects: list[Effect] = []
                for records in fresh.get(p, []):
                    effects += effects_of([json.loads(record.value) for record in records]).effects
                b0 = settled.b0 if p in fresh else None
                self.confirms[p] = Confirm(b0, outcome.next_offset, tuple(effects))
