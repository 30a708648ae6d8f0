"""A worker of the simulation: the loop of docs/ledger.md, The worker, around the real ledger client."""

from __future__ import annotations

import json
from typing import cast

from redis.asyncio import Redis

from schemas.withdrawal import WITHDRAWN
from services.chassis.process.errors import TryAgain
from services.rules.journal.journal import Journal
from services.rules.journal.publisher import JournalEntry, JournalRecord, Landed, Outcome
from services.rules.ledger.client import Ledger
from services.rules.ledger.cold_start import cold_start
from services.rules.ledger.protocol import (
    Confirm,
    Effect,
    Item,
    New,
    Part,
    Settled,
    SettledBefore,
    Wanted,
)
from services.rules.ledger.script import Cold
from services.rules.ledger.take_over import FailedPublish, Fence, take_over
from tests.integration.ledger.simulated_cluster import (
    S_STEPS,
    T_STEPS,
    CaseFacts,
    FaultyRedis,
    Input,
    SimulatedCluster,
    SimulatedJournal,
    charged_by,
    effects_of,
    left_to_confirm,
    render,
    request_id,
)

Fresh = dict[int, list[tuple[JournalRecord, ...]]]


class SimulatedWorker:
    """Holds partitions by generation, and forgets all of them after any failure."""

    def __init__(self, cluster: SimulatedCluster, number: int) -> None:
        self.cluster = cluster
        self.number = number
        self.redis = FaultyRedis(cluster, number)
        self.ledger = Ledger(cast("Redis", self.redis), prefix=cluster.prefix)
        self.simulated_journal = SimulatedJournal(cluster, number)
        self.journal = cast("Journal", self.simulated_journal)
        self.fence = Fence(T_STEPS, S_STEPS, monotonic=lambda: cluster.now, sleep=self._sleep)
        self.held: dict[int, int] = {}
        self.since: dict[int, tuple[int, int]] = {}
        self.confirms: dict[int, Confirm] = {}
        self.failed_publishes: dict[int, FailedPublish] = {}

    async def run(self) -> None:
        """Run until it is killed."""
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
            await self.cluster.turn(self.number)

    def _forget(self) -> None:
        self.held, self.confirms, self.failed_publishes = {}, {}, {}

    async def _sleep(self, steps: float) -> None:
        await self.cluster.turn(self.number, self.cluster.now + max(1, round(steps)))

    async def _serve(self) -> None:
        await self.cluster.turn(self.number)
        mine = {p: owner for p, owner in self.cluster.owner.items() if owner[0] == self.number}
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
                failed_publish=self.failed_publishes.pop(p, None),
            )
            self.held[p], self.since[p] = held.gen, mine[p]
        if self.held:
            await self._round(*self._inputs())

    async def _let_go(self, p: int) -> None:
        if self.cluster.chance.random() < 0.5:  # else nobody said that it was revoked
            await self.ledger.call([self._part(p)])
        self.held.pop(p)
        self.confirms.pop(p, None)

    def _inputs(self) -> tuple[list[Input], dict[int, int]]:
        inputs: list[Input] = []
        ends: dict[int, int] = {}
        for p in self.held:
            cases: dict[str, bool] = {}
            ends[p] = start = self.cluster.committed[p]
            for one in self.cluster.log[p][start : start + self.cluster.chance.randint(0, 6)]:
                if one.case in cases and (one.verdict or cases[one.case]):
                    break
                cases[one.case] = one.verdict is not None
                inputs.append(one)
                ends[p] += 1
        return inputs, ends

    def _part(self, p: int) -> Part:
        return Part(p, self.held[p], self.confirms.get(p))

    async def _round(self, inputs: list[Input], ends: dict[int, int]) -> None:
        facts = await self._case_facts(inputs)
        parts = [self._part(p) for p in self.held]
        settled = await self.ledger.call(
            parts, [Item(one.p, one.id, one.digest, one.charge_options, one.probes) for one in inputs]
        )
        settled_at, self.simulated_journal.settled_at = self.cluster.now, self.redis.done_at
        if settled.refused:
            raise TryAgain(f"refused: {settled.refused}")
        self.confirms = {}
        entries, fresh = await self._rendered(inputs, settled, facts)
        outcomes = await self.journal.publish(entries)
        self._confirm_later(outcomes, settled, fresh)
        for p, end in ends.items():
            if isinstance(outcomes.get(p), Landed | None) and self.cluster.owner[p] == self.since[p]:
                self.cluster.committed[p] = end
        for p, outcome in outcomes.items():
            if not isinstance(outcome, Landed):
                self.failed_publishes[p] = FailedPublish(self.held.pop(p), settled_at)

    async def _case_facts(self, inputs: list[Input]) -> dict[str, CaseFacts]:
        """Read what verdicts and withdrawals are judged on, after the confirm of the round before."""
        about = [one for one in inputs if one.verdict]
        if not about:
            return {}
        mine = sorted({one.p for one in about})
        wanted = [
            Wanted(
                p,
                tuple(one.case for one in about if one.p == p),
                tuple(request_id(one.case) for one in about if one.p == p),
            )
            for p in mine
        ]
        reading = await self.ledger.read([self._part(p) for p in mine], wanted)
        if reading.refused:
            raise TryAgain(f"refused: {reading.refused}")
        for p in mine:
            self.confirms.pop(p, None)
        entries = {one: reading.found[one.p].entries.get(request_id(one.case)) for one in about}
        places = {(one.p, known.seq) for one, known in entries.items() if known and one.withdraws}
        stored = await self.journal.stored(places) if places else {}
        facts = {}
        for one, known in entries.items():
            state = reading.found[one.p].states.get(one.case)
            assert state is not None or one.withdraws, f"a verdict on an approval that nobody knows: {one}"
            charged = charged_by(stored[one.p, known.seq]) if known and one.withdraws else ()
            facts[one.id] = CaseFacts(None if state is None else state.decode(), charged)
        return facts

    async def _rendered(
        self, inputs: list[Input], settled: Settled, facts: dict[str, CaseFacts]
    ) -> tuple[list[JournalEntry], Fresh]:
        known: dict[tuple[int, int], tuple[JournalRecord, ...]] = {}
        fresh: Fresh = {}
        repeats = []
        for one, answer in zip(inputs, settled.answers, strict=True):
            if isinstance(answer, New):
                records = render(one, answer.seq, facts.get(one.id, CaseFacts()), answer.chosen_option)
                known[one.p, answer.seq] = records
                fresh.setdefault(one.p, []).append(records)
            elif isinstance(answer, SettledBefore) and answer.digest in (one.digest, WITHDRAWN):
                repeats.append((one.p, answer.seq))
            else:
                self.cluster.conflicts.append(one)
        old = [place for place in repeats if place not in known]
        stored = await self.journal.stored(old) if old else {}
        time_ms = settled.time_us // 1000
        entries = [(seq, JournalEntry(p, seq // 1000, records)) for (p, seq), records in known.items()]
        entries += [(seq, JournalEntry(p, time_ms, (known | stored)[p, seq])) for p, seq in repeats]
        return [entry for _, entry in sorted(entries, key=lambda one: one[0])], fresh

    def _confirm_later(self, outcomes: dict[int, Outcome], settled: Settled, fresh: Fresh) -> None:
        for p, outcome in outcomes.items():
            if isinstance(outcome, Landed):
                effects: list[Effect] = []
                for records in fresh.get(p, []):
                    effects += effects_of([json.loads(record.value) for record in records]).effects
                done = left_to_confirm(effects)
                first_sequence = settled.first_sequence if p in fresh else None
                self.confirms[p] = Confirm(first_sequence, outcome.next_offset, done)
