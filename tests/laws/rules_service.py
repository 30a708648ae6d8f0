"""The rules service without Kafka: its handlers on a ledger, with a journal and tables in memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, cast

from redis.asyncio import Redis

from services.chassis.process.metrics import Metrics
from services.rules.journal.grouping import Grouping
from services.rules.ledger.client import Ledger
from services.rules.ledger.protocol import Applied, Part, Settled
from services.rules.ledger.rebuild import Begun, Rebuild
from services.rules.metrics import RulesMetrics
from services.rules.worker.effects import effects_of
from services.rules.worker.held_partitions import HeldPartitions
from services.rules.worker.walk import BatchDecider
from tests.builders.records import a_record, key_of
from tests.doubles.rules import FakeJournal, FakeLedger, FakeLetters, FakeTables
from tests.integration.ledger.manual_worker import warm_ledger
from tests.laws import engine
from tests.laws.charges import Json
from tests.laws.strategies import TENANT

PARTITIONS = 3
ELSEWHERE = "{VERIFY}"

Contents = Mapping[str, Mapping[Any, Any]]


class Records(NamedTuple):
    """The records of one partition of the journal, as the ledger applies them."""

    p: int
    records: Sequence[Applied]
    next_offset: int


class Store(Protocol):
    """A ledger and its content."""

    ledger: Any

    async def counters(self) -> Contents: ...

    async def contents(self) -> Contents:
        """The content that a rebuilt ledger must have too."""
        ...

    async def rebuilt(self, journal: Sequence[Records]) -> Contents:
        """The content of an empty ledger after it has applied the journal."""
        ...


class InMemoryStore:
    """The ledger in dictionaries."""

    def __init__(self) -> None:
        self.ledger = FakeLedger(PARTITIONS)

    async def counters(self) -> Contents:
        return engine.held(self.ledger.counters)

    async def contents(self) -> Contents:
        return _in_memory(self.ledger)

    async def rebuilt(self, journal: Sequence[Records]) -> Contents:
        other = FakeLedger(PARTITIONS)
        for p, records, next_offset in journal:
            assert await other.resolve(p, 0, 0, records, next_offset) == "ok"
        return _in_memory(other)


def _in_memory(ledger: FakeLedger) -> Contents:
    states = {f"s:{p}": dict(states) for p, states in ledger.states.items() if states}
    return {"i": dict(ledger.index), **states, **engine.held(ledger.counters)}


class RedisStore:
    """The ledger in Redis, with the real script."""

    def __init__(self, redis: Redis, ledger: Ledger) -> None:
        self.redis, self.ledger = redis, ledger

    @classmethod
    async def empty(cls, redis: Redis) -> RedisStore:
        await redis.flushdb()
        return cls(redis, await warm_ledger(redis, PARTITIONS))

    async def counters(self) -> Contents:
        held = await self._read("{L0}", "b")
        return {
            key.removeprefix("b:"): {field.decode(): int(amount) for field, amount in fields.items()}
            for key, fields in held.items()
        }

    async def contents(self) -> Contents:
        return await self._read("{L0}", "b", "i", "s")

    async def rebuilt(self, journal: Sequence[Records]) -> Contents:
        async for key in self.redis.scan_iter(f"{ELSEWHERE}:*"):
            await self.redis.delete(key)
        rebuild = Rebuild(self.redis, "verify", prefix=ELSEWHERE)
        assert isinstance(await rebuild.begin(None), Begun)
        await rebuild.lay(PARTITIONS)
        for p, records, next_offset in journal:
            await rebuild.apply(p, 0, records, next_offset)
        return await self._read(ELSEWHERE, "b", "i", "s")

    async def _read(self, prefix: str, *kinds: str) -> Contents:
        client: Any = self.redis
        keys = [key for kind in kinds async for key in client.scan_iter(f"{prefix}:{kind}:*", count=1000)]
        return {key.decode().removeprefix(f"{prefix}:"): await client.hgetall(key) for key in keys}


class BatchOutcome(NamedTuple):
    """The result of a batch: its published records, and the reasons of dead letters by place."""

    published: Sequence[bytes]
    letters: Mapping[int, str]

    @property
    def decision(self) -> dict[str, Any]:
        """The data of the decision that was published first."""
        data: dict[str, Any] = json.loads(self.published[0])["data"]
        return data

    def because_of(self, event: Mapping[str, Any]) -> tuple[bytes, ...]:
        """The records that this event caused, each once."""
        return tuple(dict.fromkeys(one for one in self.published if json.loads(one)["cause"] == event["id"]))


class RulesService:
    """One worker that holds all partitions."""

    def __init__(self, store: Store, runner: asyncio.Runner, policy: Json, staff: Sequence[Json]) -> None:
        self.store, self._run = store, runner.run
        self.journal, self.letters = FakeJournal(PARTITIONS), FakeLetters()
        self.tables = FakeTables(engine.as_book(policy), engine.as_staff(staff))
        self.partitions = HeldPartitions()
        for p in range(PARTITIONS):
            self.partitions.hold(p, self._run(store.ledger.take(p)).gen)
        self.decider = BatchDecider(
            cast("Any", self.tables),
            store.ledger,
            cast("Any", self.journal),
            cast("Any", self.letters),
            self.partitions,
            RulesMetrics(Metrics()),
        )

    def activate(self, policy: Json) -> None:
        """Activate another version of the policy."""
        self.tables.books[TENANT] = engine.as_book(policy)

    def hire(self, staff: Sequence[Json]) -> None:
        """Replace the staff."""
        self.tables.members[TENANT] = engine.as_staff(staff)

    def hear(self, *events: dict[str, Any]) -> BatchOutcome:
        """Decide a batch, and confirm it."""
        records = [
            a_record(event, offset=at, partition=partition_of(event)) for at, event in enumerate(events)
        ]
        published, letters = len(self.journal.entries), len(self.letters.letters)
        outcome = self._run(self.decider.decide_batch(records))
        assert not outcome.unfinished
        self.confirm()
        new = [record for entry in self.journal.entries[published:] for record in entry.records]
        assert {record.key for record in new} <= {key_of(event) for event in events}
        why = {record.offset: one.reason for record, one in self.letters.letters[letters:]}
        return BatchOutcome([record.value for record in new], why)

    def confirm(self) -> None:
        """Do what an idle worker does."""
        parts: list[Part] = self.partitions.parts(range(PARTITIONS))
        settled: Settled = self._run(self.store.ledger.call(parts))
        assert not settled.refused
        self.partitions.confirmed(parts)

    def counters(self) -> Contents:
        """The counters of the ledger."""
        return self._run(self.store.counters())

    def is_the_journals(self) -> None:
        """Check that the ledger is what the journal gives (docs/ledger.md, Promises)."""
        journal = []
        for p in range(PARTITIONS):
            grouping = Grouping()
            stored = self.journal.records[p]
            groups = [*grouping.add(stored), *grouping.end()]
            journal.append(Records(p, [effects_of(group.events) for group in groups], len(stored)))
        assert self._run(self.store.rebuilt(journal)) == self._run(self.store.contents())


def partition_of(event: Mapping[str, Any]) -> int:
    """The partition of its case; any rule will do here."""
    return int(sum(event["data"]["case_id"].encode()) % PARTITIONS)
