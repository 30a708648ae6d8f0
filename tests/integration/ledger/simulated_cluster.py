"""A simulated cluster around the real script: partitions, a journal in memory, and faults.

Time is counted in steps: one step lets one worker do one thing. Wherever a worker awaits something (Redis,
the journal, a wait), it may be overtaken, stopped for long, or killed, before or after the thing was done.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple, TypeVar

from redis.asyncio import Redis
from redis.exceptions import TimeoutError as RedisTimeout

from schemas.types import DECISION_APPROVED as DECIDED
from schemas.withdrawal import WITHDRAWN
from services.chassis.process.errors import TryAgain
from services.rules.journal.grouping import Event, Grouping, Stored
from services.rules.journal.publisher import (
    JournalEntry,
    JournalRecord,
    Landed,
    NotLanded,
    Outcome,
    whole_batches,
)
from services.rules.ledger.protocol import Applied, CounterCharge, Credit, Effect, Link, SetState

Value = TypeVar("Value")
T_STEPS, S_STEPS = 60, 10


class Input(NamedTuple):
    """A request, a verdict on it, or its withdrawal. A case has one request."""

    p: int
    case: str
    verdict: str | None
    digest: str

    @property
    def id(self) -> str:
        return f"in/{self.verdict}" if self.verdict else request_id(self.case)

    @property
    def escalates(self) -> bool:
        return self.case.endswith("e")

    @property
    def withdraws(self) -> bool:
        return self.digest == WITHDRAWN

    @property
    def charge_options(self) -> tuple[tuple[CounterCharge, ...], ...]:
        """The charges that are tried for a request, always the same for a case."""
        return () if self.verdict else charges_of(self.case)

    @property
    def probes(self) -> tuple[CounterCharge, ...]:
        return self.charge_options[-1][:1] if self.charge_options else ()


def request_id(case: str) -> str:
    return f"request/{case}"


def a_withdrawal(p: int, case: str) -> Input:
    return Input(p, case, f"{case}/withdrawn", WITHDRAWN)


COUNTERS = {"a": (0, 9), "b": (0, 15), "c": (2, 8), "d": (4, 12)}
"""The budgets, which all cases share: N of an `Nd` window, and the cap."""


@cache
def charges_of(case: str) -> tuple[tuple[CounterCharge, ...], ...]:
    """Up to three options, each with up to three charges; some cases charge nothing."""
    chance = random.Random(case)
    return tuple(
        tuple(_charge(chance, name) for name in chance.sample(sorted(COUNTERS), chance.randint(1, 3)))
        for _ in range(chance.randint(0, 3))
    )


def _charge(chance: random.Random, name: str) -> CounterCharge:
    days, cap = COUNTERS[name]
    return CounterCharge(f"budget|{name}", str(chance.randint(0, 6)), chance.randint(1, 4), cap, days)


def effects_of(events: Sequence[Event]) -> Applied:
    """An event of the simulation says in its data what it did."""
    effects: list[Effect] = []
    for event in events:
        data = event["data"]
        if "state" in data:
            effects.append(SetState(data["approval"], data["state"].encode()))
        if "link" in data:
            effects.append(Link(data["link"], int(event["sequence"])))
        effects += [Credit(key, field, amount) for key, field, amount, _, _ in data.get("charges", ())]
    first = events[0]
    return Applied(int(first["sequence"]), first["data"]["id"], first["data"]["digest"], tuple(effects))


def left_to_confirm(effects: Iterable[Effect]) -> tuple[Effect, ...]:
    """The effects without charges, which count since they were settled."""
    return tuple(one for one in effects if not isinstance(one, Credit) or one.amount < 0)


class CaseFacts(NamedTuple):
    """What a worker read about a case before settling: the approval's state, the charges of its decision."""

    state: str | None = None
    charged: tuple[CounterCharge, ...] = ()


def credits_of(facts: CaseFacts) -> tuple[CounterCharge, ...]:
    """The credits of a withdrawal."""
    return tuple(one._replace(amount=-one.amount) for one in facts.charged if one.amount > 0)


NO_FACTS = CaseFacts()


def render(
    one: Input, seq: int, facts: CaseFacts = NO_FACTS, chosen_option: int = 0
) -> tuple[JournalRecord, ...]:
    """The events of an input. Their content depends on `seq`, so a second decision would be seen."""
    data: dict[str, Any] = {"id": one.id, "digest": one.digest, "outcome": f"settled at {seq}"}
    decision = dict(data)
    events = [(f"decision/{one.id}", decision)]
    if one.verdict is None:
        decision["charges"] = one.charge_options[chosen_option - 1] if chosen_option else ()
        if one.escalates:
            events.append((f"approval/{one.case}/1", {**data, "approval": one.case, "state": "open 1"}))
    elif one.withdraws or facts.state == "open 1":
        decision["link"] = request_id(one.case)
        decision["charges"] = credits_of(facts) if one.withdraws else ()
        if facts.state == "open 1":
            closed = f"closed 2 {seq}"
            events.append((f"approval/{one.case}/2", {**data, "approval": one.case, "state": closed}))
    return tuple(
        JournalRecord(
            one.case.encode(),
            json.dumps({"id": event_id, "type": DECIDED, "sequence": f"{seq:016d}", "data": said}).encode(),
            (("content-type", b"x"),),
        )
        for event_id, said in events
    )


def charged_by(records: Iterable[JournalRecord]) -> tuple[CounterCharge, ...]:
    """The charges and credits of stored events."""
    return tuple(
        CounterCharge(*charge)
        for record in records
        for charge in json.loads(record.value)["data"].get("charges", ())
    )


@dataclass
class Flight:
    """A record batch on its way to partition p; the broker refuses it later than T after `settled_at`.

    `due`: the step in which it arrives, where its worker is not quicker.
    """

    p: int
    records: list[JournalRecord]
    settled_at: int
    due: int
    base: int | None = None


@dataclass
class SimulatedCluster:
    """Everything outside the workers, and the order in which things happen."""

    redis: Redis
    prefix: str
    chance: random.Random
    partitions: int
    now: int = 0
    log: dict[int, list[Input]] = field(default_factory=dict)
    committed: dict[int, int] = field(default_factory=dict)
    owner: dict[int, tuple[int, int]] = field(default_factory=dict)
    journal: dict[int, list[Stored]] = field(default_factory=dict)
    replicated: dict[int, int] = field(default_factory=dict)
    flights: list[Flight] = field(default_factory=list)
    replays: dict[int, tuple[int, Any]] = field(default_factory=dict)
    conflicts: list[Input] = field(default_factory=list)
    faults: bool = True
    fenced: bool = True
    markers: bool = True
    parked: dict[int, tuple[int, asyncio.Future[None]]] = field(default_factory=dict)
    moved: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        for p in range(self.partitions):
            self.log[p], self.journal[p] = [], []
            self.committed[p] = self.replicated[p] = 0
            self.assign(p, 0)

    def assign(self, p: int, worker: int) -> None:
        """Assign a partition to a worker, which notices at its next turn. Its former owner cannot commit."""
        self.owner[p] = (worker, self.now)

    def happens(self, probability: float) -> bool:
        return self.faults and self.chance.random() < probability

    async def turn(self, worker: int, until: int = 0) -> None:
        """Wait until this worker may go on, not before step `until`. It may be stopped for long."""
        if self.happens(0.02):
            until = max(until, self.now + self.chance.randint(20, 3 * T_STEPS))
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.parked[worker] = (until, future)
        self.moved.set()
        await future

    async def step(self, alive: Callable[[], set[int]]) -> None:
        """Let one waiting worker go on until all wait again."""
        self.now += 1
        ready = [one for one, (until, _) in self.parked.items() if until <= self.now]
        if not ready and self.parked:
            self.now = min(until for until, _ in self.parked.values())
            ready = [one for one, (until, _) in self.parked.items() if until <= self.now]
        if ready:
            _, future = self.parked.pop(self.chance.choice(ready))
            if not future.done():
                future.set_result(None)
        while alive() - set(self.parked):
            self.moved.clear()
            if alive() - set(self.parked):
                async with asyncio.timeout(10):
                    await self.moved.wait()

    def land(self, flight: Flight) -> bool:
        """The flight reaches the broker: appended, or refused by the fence."""
        self.flights.remove(flight)
        if self.fenced and self.now - flight.settled_at > T_STEPS:
            return False
        flight.base = self.append(flight.p, flight.records)
        return True

    def append(self, p: int, records: Iterable[JournalRecord]) -> int:
        base = len(self.journal[p])
        self.journal[p] += [Stored(base + n, record) for n, record in enumerate(records)]
        return base

    def drift(self) -> None:
        """What happens by itself: batches land or are lost, and followers catch up."""
        for flight in list(self.flights):
            if flight.due <= self.now:
                self.flights.remove(flight) if self.happens(0.2) else self.land(flight)
        for p in range(self.partitions):
            if self.chance.random() < 0.01:
                self.replicated[p] = len(self.journal[p])


class FaultyRedis:
    """A worker's client of the real Redis. Sometimes a command or an answer is lost."""

    def __init__(self, cluster: SimulatedCluster, worker: int) -> None:
        self._world = cluster
        self._worker = worker
        self.done_at = 0
        """The step in which Redis did the last command; its answer may come long after."""

    async def execute_command(self, *command: Any) -> Any:
        client: Any = self._world.redis
        return await self._do(lambda: client.execute_command(*command))

    async def time(self) -> Any:
        return await self._do(self._world.redis.time)

    async def script_load(self, text: str) -> Any:
        return await self._do(lambda: self._world.redis.script_load(text))

    async def scan_iter(self, match: str, count: int) -> AsyncIterator[bytes]:
        client: Any = self._world.redis
        for key in await self._do(lambda: client.keys(match)):
            yield key

    async def _do(self, command: Callable[[], Awaitable[Value]]) -> Value:
        await self._world.turn(self._worker)
        if self._world.happens(0.005):
            raise RedisTimeout("the command was lost")
        answer = await command()
        self.done_at = self._world.now
        if self._world.happens(0.005):
            raise RedisTimeout("the answer was lost")
        await self._world.turn(self._worker)
        return answer


class SimulatedJournal:
    """A worker's journal, whose appends may be lost, late, partial, or not yet replicated."""

    def __init__(self, cluster: SimulatedCluster, worker: int) -> None:
        self._world = cluster
        self._worker = worker
        self.settled_at = 0

    async def partitions(self) -> int:
        return self._world.partitions

    async def bounds(self, partitions: Iterable[int]) -> dict[int, tuple[int, int]]:
        await self._world.turn(self._worker)
        return {p: (0, self._world.replicated[p]) for p in partitions}

    async def mark(self, p: int, time_us: int) -> int:
        cluster = self._world
        await cluster.turn(self._worker)
        if not cluster.markers:
            return cluster.replicated[p]
        if cluster.happens(0.02):
            raise TryAgain("the marker was not acknowledged")
        event = {"id": f"mark/{p}/{time_us}", "type": "mandaat.ledger.marked.v1"}
        base = cluster.append(p, [JournalRecord(b"ledger/%d" % p, json.dumps(event).encode(), ())])
        cluster.replicated[p] = base + 1
        await cluster.turn(self._worker)
        return base + 1

    async def read(self, p: int, from_offset: int, until: int) -> AsyncIterator[list[Stored]]:
        await self._world.turn(self._worker)
        yield self._world.journal[p][from_offset:until]

    async def stored(
        self, wanted: Iterable[tuple[int, int]]
    ) -> dict[tuple[int, int], tuple[JournalRecord, ...]]:
        cluster = self._world
        await cluster.turn(self._worker)
        found = {}
        for p, seq in wanted:
            grouping = Grouping()
            groups = [*grouping.add(cluster.journal[p][: cluster.replicated[p]]), *grouping.end()]
            if all(group.seq != seq for group in groups):
                raise LookupError(f"partition {p} does not have {seq}")
            found[p, seq] = next(group.records for group in groups if group.seq == seq)
        return found

    async def publish(self, entries: Sequence[JournalEntry]) -> dict[int, Outcome]:
        """Publish each partition by itself; a batch waits for the acknowledgement of the one before."""
        cluster = self._world
        outcomes: dict[int, Outcome] = {}
        for p in sorted({entry.p for entry in entries}):
            mine = [entry for entry in entries if entry.p == p]
            outcomes[p] = await self._partition(
                p, list(whole_batches(mine, cluster.chance.choice([1000, 9000])))
            )
        return outcomes

    async def _partition(self, p: int, batches: list[list[JournalEntry]]) -> Outcome:
        cluster = self._world
        for batch in batches:
            records = [record for entry in batch for record in entry.records]
            flight = Flight(p, records, self.settled_at, cluster.now + cluster.chance.randint(1, 3 * T_STEPS))
            cluster.flights.append(flight)
            await cluster.turn(self._worker)
            if cluster.happens(0.1):
                return NotLanded("no acknowledgement")
            if flight in cluster.flights:
                cluster.land(flight)
            if flight.base is None:
                return NotLanded("refused or lost")
            await cluster.turn(self._worker)
            if cluster.happens(0.03):
                return NotLanded("the acknowledgement was lost")
            next_offset = flight.base + len(flight.records)
            cluster.replicated[p] = max(cluster.replicated[p], next_offset)
        return Landed(next_offset)
