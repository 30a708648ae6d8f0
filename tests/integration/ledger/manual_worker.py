"""A worker that does one step at a time, when the test says so."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence

from redis.asyncio import Redis

from services.rules.journal.journal import Journal
from services.rules.journal.publisher import JournalEntry, JournalRecord, Landed, Outcome
from services.rules.ledger.client import Ledger
from services.rules.ledger.protocol import (
    Confirm,
    Effect,
    Found,
    Item,
    New,
    Part,
    Settled,
    SettledBefore,
    Wanted,
)
from services.rules.ledger.rebuild import Begun, Rebuild
from services.rules.ledger.take_over import Fence, take_over
from tests.integration.ledger.simulated_cluster import CaseFacts, Input, effects_of, left_to_confirm, render


async def warm_ledger(redis: Redis, partitions: int) -> Ledger:
    """A ledger in an empty Redis, opened without a journal."""
    ledger = Ledger(redis)
    rebuild = Rebuild(redis, "opener", prefix=ledger.prefix)
    assert isinstance(await rebuild.begin(None), Begun)
    await rebuild.lay(partitions)
    await rebuild.activate(secrets.token_hex(8), [0] * partitions)
    assert await ledger.adopt()
    return ledger


def a_request(case: str = "c1", *, p: int = 0, digest: str = "digest-1") -> Input:
    """A request; a case whose name ends in `e` is escalated, which makes two events and a state."""
    return Input(p, case, None, digest)


def a_verdict(case: str = "c1e", *, p: int = 0, number: str = "v1") -> Input:
    """A verdict on the escalated request of the case."""
    return Input(p, case, number, "verdict1")


async def read(ledger: Ledger, part: Part, *, states: Sequence[str] = (), ids: Sequence[str] = ()) -> Found:
    """What the ledger holds in one partition."""
    return (await ledger.read([part], [Wanted(part.p, tuple(states), tuple(ids))])).found[part.p]


def items(inputs: Sequence[Input]) -> list[Item]:
    """The inputs as items of a call."""
    return [Item(one.p, one.id, one.digest, one.charge_options, one.probes) for one in inputs]


def effects(records: Sequence[JournalRecord]) -> tuple[Effect, ...]:
    """The effects of the events of one input."""
    return left_to_confirm(effects_of([json.loads(record.value) for record in records]).effects)


class ManualWorker:
    """The steps of a worker, on the partitions that it holds."""

    def __init__(self, ledger: Ledger, journal: Journal, fence: Fence) -> None:
        self.ledger = ledger
        self.journal = journal
        self.fence = fence
        self.held: dict[int, int] = {}
        self.confirms: dict[int, Confirm] = {}

    async def take(self, *partitions: int) -> ManualWorker:
        for p in partitions:
            held = await take_over(
                p, ledger=self.ledger, journal=self.journal, effects_of=effects_of, fence=self.fence
            )
            self.held[p] = held.gen
        return self

    def parts(self) -> list[Part]:
        return [Part(p, gen, self.confirms.get(p)) for p, gen in self.held.items()]

    async def settle(self, *inputs: Input) -> Settled:
        """Settle, and publish nothing."""
        settled = await self.ledger.call(self.parts(), items(inputs))
        self.confirms = {}
        return settled

    def entries(
        self, inputs: Sequence[Input], settled: Settled, states: dict[str, str] | None = None
    ) -> list[JournalEntry]:
        """The journal entries of the new inputs."""
        return [
            JournalEntry(
                one.p,
                answer.seq // 1000,
                render(one, answer.seq, CaseFacts((states or {}).get(one.case)), answer.chosen_option),
            )
            for one, answer in zip(inputs, settled.answers, strict=True)
            if isinstance(answer, New)
        ]

    async def publish(self, settled: Settled, entries: Sequence[JournalEntry]) -> dict[int, Outcome]:
        """Publish; the next call confirms what landed."""
        outcomes = await self.journal.publish(entries)
        for p, outcome in outcomes.items():
            if isinstance(outcome, Landed):
                done = tuple(effect for one in entries if one.p == p for effect in effects(one.records))
                self.confirms[p] = Confirm(settled.first_sequence, outcome.next_offset, done)
        return outcomes

    async def decide(self, *inputs: Input, states: dict[str, str] | None = None) -> dict[str, int]:
        """Settle and publish; answers the sequence of each input."""
        settled = await self.settle(*inputs)
        outcomes = await self.publish(settled, self.entries(inputs, settled, states))
        assert all(isinstance(outcome, Landed) for outcome in outcomes.values()), outcomes
        return {one.id: seq_of(answer) for one, answer in zip(inputs, settled.answers, strict=True)}

    async def confirm(self) -> None:
        """Send the confirms in an empty call."""
        await self.settle()


def seq_of(answer: object) -> int:
    """The sequence of an input that was settled, now or before."""
    assert isinstance(answer, New | SettledBefore), answer
    return answer.seq
