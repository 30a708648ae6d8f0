"""The double of the ledger answers random calls as the real script does."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from services.chassis.redis import connect
from services.rules.ledger.client import Ledger
from services.rules.ledger.protocol import (
    Applied,
    Confirm,
    CounterCharge,
    Credit,
    Effect,
    Item,
    Link,
    New,
    Part,
    SetState,
    Settled,
    SettledBefore,
    Wanted,
)
from tests.doubles.rules import FakeLedger
from tests.integration.ledger.manual_worker import warm_ledger

PARTITIONS = 3
STEPS = 120
IDS = ("a", "b", "c", "d")


class Program:
    """Random calls from a seed, and their answers, with sequences named by their order."""

    def __init__(self, ledger: Any, seed: int) -> None:
        self.ledger: Ledger = ledger
        self.random = random.Random(seed)
        self.gens = dict.fromkeys(range(PARTITIONS), 0)
        self.due: dict[int, Confirm] = {}
        self.positions = dict.fromkeys(range(PARTITIONS), 0)
        self.names: dict[int, int] = {}
        self.said: list[Any] = []

    async def run(self) -> list[Any]:
        for p in range(PARTITIONS):
            self.gens[p] = (await self.ledger.take(p)).gen
        for step in range(STEPS):
            one = self.random.choice([self.call, self.call, self.call, self.read, self.take])
            self.said.append((step, one.__name__, await one(step)))
        return self.said

    async def call(self, step: int) -> Any:
        parts = self.parts()
        items = [self.item(part.p) for part in parts for _ in range(self.random.randint(0, 3))]
        settled = await self.ledger.call(parts, items)
        self.note(items, settled, step)
        return self.plain(settled.answers), settled.refused

    def item(self, p: int) -> Item:
        name, digest = self.random.choice(IDS), self.random.choice(["digest-1", "digest-2"])
        charge_options = tuple((self.charge(),) for _ in range(self.random.randint(0, 2)))
        return Item(
            p, f"{p}/{name}", digest, charge_options, (self.charge(),) if self.random.random() < 0.3 else ()
        )

    def charge(self) -> CounterCharge:
        days = self.random.choice([0, 7])
        return CounterCharge(
            f"counter-{days}", str(self.random.randint(1, 9)), self.random.randint(1, 5), 9, days
        )

    async def read(self, _: int) -> Any:
        parts = self.parts()
        wanted = [
            Wanted(part.p, tuple(IDS), tuple(f"{part.p}/{name}" for name in IDS))
            for part in parts
            if self.random.random() < 0.7
        ]
        reading = await self.ledger.read(parts, wanted)
        found = {
            p: (one.states, {name: self.plain([entry]) for name, entry in one.entries.items()})
            for p, one in reading.found.items()
        }
        return found, reading.refused

    async def take(self, step: int) -> Any:
        p = self.random.randrange(PARTITIONS)
        taken = await self.ledger.take(p)
        if self.random.random() < 0.7:
            self.gens[p] = taken.gen
        self.due.pop(p, None)
        answer = None
        if self.random.random() < 0.8:
            at = self.positions[p] + self.random.choice([0, 0, 0, 1])
            answer = await self.ledger.resolve(p, taken.gen, at, self.landed(p, step), taken.pos + 1)
            if answer == "ok":
                self.positions[p] = taken.pos + 1
        return taken, answer

    def parts(self) -> list[Part]:
        chosen = [p for p in range(PARTITIONS) if self.random.random() < 0.7]
        return [
            Part(p, self.gens[p], self.due.get(p) if self.random.random() < 0.8 else None) for p in chosen
        ]

    def note(self, items: list[Item], settled: Settled, step: int) -> None:
        fresh: dict[int, list[str]] = {}
        for item, answer in zip(items, settled.answers, strict=True):
            if isinstance(answer, New):
                self.names[answer.seq] = len(self.names)
                fresh.setdefault(item.p, []).append(item.id)
        for p, ids in fresh.items():
            effects: tuple[Effect, ...] = (SetState(self.random.choice(IDS), b"%d" % step),)
            if self.random.random() < 0.5:
                effects += (Link(f"{p}/{self.random.choice(IDS)}", settled.first_sequence),)
            if self.random.random() < 0.5:
                effects += (self.credit(),)
            self.positions[p] += len(ids)
            self.due[p] = Confirm(settled.first_sequence, self.positions[p], effects)

    def landed(self, p: int, step: int) -> list[Applied]:
        newest = max(self.names, default=0)
        name = f"{p}/{self.random.choice(IDS)}"
        if not newest or self.random.random() < 0.5:
            return []
        effects = (SetState("a", b"landed %d" % step), self.credit())
        return [Applied(newest, name, "digest-9", effects)]

    def credit(self) -> Credit:
        days = self.random.choice([0, 7])
        return Credit(f"counter-{days}", str(self.random.randint(1, 9)), 1)

    def plain(self, answers: Any) -> list[Any]:
        return [
            (type(one).__name__, one._replace(seq=self.names.get(one.seq, 0)))
            if isinstance(one, New | SettledBefore)
            else one
            for one in answers
        ]


@pytest.fixture
async def store(fresh_redis: str) -> AsyncIterator[Redis]:
    client = connect(fresh_redis)
    yield client
    await client.aclose()


@pytest.mark.parametrize("seed", range(12))
async def test_the_double_of_the_ledger_answers_as_the_script_does(store: Redis, seed: int) -> None:
    real = await Program(await warm_ledger(store, PARTITIONS), seed).run()
    double = await Program(FakeLedger(PARTITIONS), seed).run()
    for one, other in zip(real, double, strict=True):
        assert one == other
