"""Runs a simulated cluster from a seed, and compares ledger and journal after every step."""

from __future__ import annotations

import asyncio
import json
import random
from collections import defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgpack
from redis.asyncio import Redis

from schemas.types import DECISION_APPROVED as DECIDED
from schemas.withdrawal import WITHDRAWN
from services.rules.journal.grouping import Grouping, Stored
from services.rules.ledger.protocol import place
from services.rules.ledger.rebuild import Begun, Rebuild
from tests.integration.ledger.simulated_cluster import (
    Input,
    SimulatedCluster,
    a_withdrawal,
    effects_of,
    request_id,
)
from tests.integration.ledger.simulated_worker import SimulatedWorker

REST_STEPS = 6000
LOSSES = ({"data": True, "scripts": True}, {"data": True, "scripts": False}, {"data": False, "scripts": True})
Index = dict[str, tuple[str, int]]
States = dict[str, bytes]
Counter = dict[str, int]

_SNAPSHOT = """
local all = {}
for i, key in ipairs(redis.call('KEYS', ARGV[1] .. ':*')) do
  local kind = redis.call('TYPE', key)['ok']
  all[i] = { key, kind == 'hash' and redis.call('HGETALL', key) or redis.call('GET', key) }
end
return all
"""


class LedgerSnapshot(NamedTuple):
    """The whole ledger at one moment, as Redis has it."""

    meta: dict[bytes, bytes]
    entries: dict[tuple[str, bytes], bytes]
    states: dict[int, States]
    counters: dict[str, Counter]
    pending: dict[int, bytes]


async def snapshot(redis: Redis, prefix: str) -> LedgerSnapshot:
    """Read the whole ledger at one moment."""
    found = LedgerSnapshot({}, {}, {}, {}, {})
    client: Any = redis
    for key, value in await client.eval(_SNAPSHOT, 0, prefix):
        name = key.decode().removeprefix(prefix + ":")
        kind, _, rest = name.partition(":")
        pairs = dict(zip(value[::2], value[1::2], strict=True)) if isinstance(value, list) else {}
        if kind == "meta":
            found.meta.update(pairs)
        elif kind == "i":
            found.entries.update({(rest, field): entry for field, entry in pairs.items()})
        elif kind == "s":
            found.states[int(rest)] = {one.decode(): state for one, state in pairs.items()}
        elif kind == "b":
            found.counters[rest] = {one.decode(): int(amount) for one, amount in pairs.items()}
        elif kind == "pend":
            found.pending[int(rest)] = value
        else:
            assert kind == "lock", f"a key that nobody knows: {name}"
    return found


class Replayed(NamedTuple):
    """What the journal says of one partition."""

    entries: Index
    states: States
    charges: list[tuple[str, str, int]]


def replayed(records: list[Stored]) -> Replayed:
    """Apply the journal record by record, in the simplest way."""
    said = Replayed({}, {}, [])
    contents: dict[str, bytes] = {}
    for _, record, _ in records:
        event = json.loads(record.value)
        if event["type"] != DECIDED or event["id"] in contents:
            assert contents.get(event["id"], record.value) == record.value, f"{event['id']} was decided twice"
            continue
        contents[event["id"]] = record.value
        seq, data = int(event["sequence"]), event["data"]
        said.entries.setdefault(data["id"], (data["digest"], seq))
        if "state" in data:
            said.states[data["approval"]] = data["state"].encode()
        if "link" in data:
            said.entries[data["link"]] = (said.entries.get(data["link"], (WITHDRAWN, 0))[0], seq)
        said.charges.extend((key, one, amount) for key, one, amount, _, _ in data.get("charges", ()))
    return said


def check(cluster: SimulatedCluster, ledger: LedgerSnapshot) -> None:
    """The ledger equals the journal up to `pos`, plus at most one pending round a partition."""
    if b"partitions" not in ledger.meta:
        return
    expected: dict[tuple[str, bytes], bytes] = {}
    counters: dict[str, Counter] = defaultdict(lambda: defaultdict(int))
    for p in range(cluster.partitions):
        pos = int(ledger.meta[b"pos:%d" % p])
        assert pos <= cluster.replicated[p], f"the ledger is ahead of the journal in partition {p}"
        if cluster.replays.get(p, (-1,))[0] != pos:
            cluster.replays[p] = (pos, replayed(cluster.journal[p][:pos]))
        said = cluster.replays[p][1]
        assert ledger.states.get(p, {}) == said.states, f"states of partition {p} at {pos}"
        for one, (digest, seq) in said.entries.items():
            expected[place(one)] = digest.encode() + seq.to_bytes(7, "big")
        for key, field, amount in said.charges:
            counters[key][field] += amount
    tentative = set()
    for pending in ledger.pending.values():
        undo = msgpack.unpackb(pending[7:], raw=True)
        while undo:
            if (kind := undo.pop()) == b"i":
                field, bucket = undo.pop(), undo.pop().decode()
                assert ledger.entries[bucket, field][8:] >= pending[:7]
                tentative.add((bucket, field))
            else:
                assert kind == b"c"
                amount, field, key = undo.pop(), undo.pop().decode(), undo.pop().decode()
                counters[key][field] += amount
    assert not tentative & set(expected)
    assert {one: entry for one, entry in ledger.entries.items() if one not in tentative} == expected
    counted = {
        key: {field: amount for field, amount in one.items() if amount} for key, one in counters.items()
    }
    assert ledger.counters == {key: one for key, one in counted.items() if one}


def check_budgets(events: Iterable[dict[str, Any]]) -> None:
    """In order of sequence, each charge fits under its cap with all before it, in every run of N days too."""
    used: dict[str, Counter] = defaultdict(lambda: defaultdict(int))
    for event in sorted(events, key=lambda one: int(one["sequence"])):
        for key, field, amount, cap, days in event["data"].get("charges", ()):
            counter = used[key]
            counter[field] += amount
            assert counter[field] >= 0, f"{event['id']} gives back more of {key} than was taken"
            if amount < 0:
                continue
            for first in range(int(field) - days + 1, int(field) + 1) if days else ():
                run = sum(held for day, held in counter.items() if first <= int(day) < first + days)
                assert run <= cap, f"{event['id']}: {run} of {cap} in {key} from day {first}"
            assert counter[field] <= cap, f"{event['id']}: {counter[field]} of {cap} in {key}"


class Simulation:
    """One run: so many steps with faults, then steps without until all is decided, then the promises."""

    def __init__(
        self,
        redis: Redis,
        prefix: str,
        seed: int,
        *,
        fenced: bool = True,
        markers: bool = True,
    ) -> None:
        self.chance = random.Random(seed)
        partitions = self.chance.randint(1, 4)
        self.cluster = SimulatedCluster(
            redis,
            prefix,
            self.chance,
            partitions,
            fenced=fenced,
            markers=markers,
        )
        self.redis = redis
        self.tasks: dict[int, asyncio.Task[None]] = {}
        self.workers = self.chance.randint(2, 4)
        self.next_number = 0
        self.cases = 0
        self.copy: list[tuple[bytes, bytes]] = []
        self.counts: defaultdict[str, int] = defaultdict(int)

    async def run(self, steps: int) -> None:
        """Raises AssertionError if a promise is broken. `counts` says what happened."""
        try:
            for _ in range(self.workers):
                self._start_worker()
            for p in range(self.cluster.partitions):
                self.cluster.assign(p, self.chance.choice(list(self.tasks)))
            for _ in range(steps):
                await self._faults()
                self._ask()
                self.cluster.drift()
                await self._step()
            self.cluster.faults = False
            for _ in range(REST_STEPS):
                if not await self._busy():
                    break
                self.cluster.drift()
                await self._free_lock(0.003)
                await self._step()
            assert not await self._busy(), "it does not come to rest"
            self._check_promises()
            await self._check_rebuilt()
        finally:
            for task in self.tasks.values():
                task.cancel()
            await asyncio.gather(*self.tasks.values(), return_exceptions=True)

    async def _step(self) -> None:
        await self.cluster.step(lambda: {one for one, task in self.tasks.items() if not task.done()})
        for task in self.tasks.values():
            if task.done():
                task.result()
        check(self.cluster, await snapshot(self.redis, self.cluster.prefix))

    async def _busy(self) -> bool:
        cluster = self.cluster
        if cluster.flights or any(cluster.committed[p] < len(cluster.log[p]) for p in cluster.log):
            return True
        ledger = await snapshot(self.redis, cluster.prefix)
        return b"epoch" not in ledger.meta or bool(ledger.pending)

    def _start_worker(self) -> None:
        number, self.next_number = self.next_number, self.next_number + 1
        task = asyncio.create_task(SimulatedWorker(self.cluster, number).run())
        task.add_done_callback(lambda _: self.cluster.moved.set())
        self.tasks[number] = task

    def _ask(self) -> None:
        """Add new requests, repeats, conflicts, withdrawals, and verdicts on escalated requests."""
        cluster, chance = self.cluster, self.chance
        if chance.random() > 0.25:
            return
        p = chance.randrange(cluster.partitions)
        asked = [one for one in cluster.log[p] if one.verdict is None]
        escalated = [one for one in asked if one.escalates]
        kind = chance.random()
        if kind < 0.25 and asked:
            cluster.log[p].append(chance.choice(asked))
        elif kind < 0.32 and asked:
            cluster.log[p].append(chance.choice(asked)._replace(digest="conflict"))
        elif kind < 0.45:
            if asked and chance.random() < 0.9:
                cluster.log[p].append(a_withdrawal(p, chance.choice(asked).case))
                return
            self.cases += 1  # of what was never asked, or only afterwards
            cluster.log[p].append(a_withdrawal(p, f"c{self.cases}"))
            if chance.random() < 0.7:
                cluster.log[p].append(Input(p, f"c{self.cases}", None, f"{self.cases:08d}"))
        elif kind < 0.65 and escalated:
            case = chance.choice(escalated).case
            cluster.log[p].append(Input(p, case, f"{case}/{chance.randrange(3)}", "verdict0"))
        else:
            self.cases += 1
            case = f"c{self.cases}{'e' if chance.random() < 0.5 else ''}"
            cluster.log[p].append(Input(p, case, None, f"{self.cases:08d}"))

    async def _faults(self) -> None:
        chance, cluster = self.chance, self.cluster
        if chance.random() < 0.03:
            cluster.assign(chance.randrange(cluster.partitions), chance.choice(list(self.tasks)))
        if chance.random() < 0.01:
            await self._kill(chance.choice(list(self.tasks)))
        if chance.random() < 0.004:
            await self._lose(**chance.choice(LOSSES))
        if chance.random() < 0.002:
            client: Any = self.redis
            keys = await client.keys(cluster.prefix + ":*")
            self.copy = [(key, data) for key in keys if (data := await client.dump(key))]
        if self.copy and chance.random() < 0.001:
            await self._lose(data=True, scripts=True)
            for key, data in self.copy:
                await self.redis.restore(key, 0, data)
            self.counts["old data"] += 1
        await self._free_lock(0.01)

    async def _kill(self, number: int) -> None:
        task = self.tasks.pop(number)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        self.cluster.parked.pop(number, None)
        self._start_worker()
        for p, (owner, _) in self.cluster.owner.items():
            if owner == number:
                self.cluster.assign(p, self.chance.choice(list(self.tasks)))
        self.counts["killed"] += 1

    async def _lose(self, *, data: bool, scripts: bool) -> None:
        """Lose the scripts (a restart), the data (FLUSHALL), or both (a new machine)."""
        if scripts:
            await self.redis.script_flush()
        if data:
            client: Any = self.redis
            keys = await client.keys(self.cluster.prefix + ":*")
            if keys:
                await client.delete(*keys)
        self.counts["emptied" if data else "restarted"] += 1

    async def _free_lock(self, probability: float) -> None:
        """Let the lock expire when its owner stalls or died: its 15 s are not steps of the simulation."""
        if self.chance.random() < probability:
            await self.redis.delete(self.cluster.prefix + ":lock")

    def _check_promises(self) -> None:
        cluster = self.cluster
        distinct: dict[str, dict[str, Any]] = {}
        for p, log in cluster.log.items():
            contents: dict[str, bytes] = {}
            first_seqs: list[int] = []
            for _, record, _ in cluster.journal[p]:
                event = json.loads(record.value)
                if event["type"] == DECIDED and event["id"] not in contents:
                    contents[event["id"]] = record.value
                    distinct[event["id"]] = event
                    first_seqs.append(int(event["sequence"]))
                elif event["type"] == DECIDED:
                    assert contents[event["id"]] == record.value, f"{event['id']} has two contents"
            assert first_seqs == sorted(first_seqs), "first appearances come in order of sequence"
            digests: dict[str, str] = {}
            for one in log:
                if one.withdraws:
                    digests.setdefault(request_id(one.case), WITHDRAWN)
                digests.setdefault(one.id, one.digest)
                if digests[one.id] == WITHDRAWN and not one.withdraws:
                    assert one not in cluster.conflicts, (
                        "a request withdrawn before it came is in no conflict"
                    )
                    continue
                decided = json.loads(contents[f"decision/{one.id}"])["data"]
                assert decided["digest"] == digests[one.id], "the first in the log decides"
                assert one.digest == digests[one.id] or one in cluster.conflicts, "a conflict is reported"
            for event_id in contents:
                if event_id.startswith("approval/") and event_id.endswith("/2"):
                    assert event_id[:-1] + "1" in contents, "versions rise by one"
        check_budgets(distinct.values())
        self.counts["withdrawn"] += sum(
            bool(event["data"].get("charges"))
            for event in distinct.values()
            if event["id"].endswith("/withdrawn")
        )

    async def _check_rebuilt(self) -> None:
        """Rebuild the ledger under another prefix, and compare."""
        cluster, live = self.cluster, await snapshot(self.redis, self.cluster.prefix)
        prefix = cluster.prefix[:-1] + "-again}"
        rebuild = Rebuild(self.redis, "token", prefix=prefix)
        assert await rebuild.begin(None) == Begun(())
        await rebuild.lay(cluster.partitions)
        for p, records in cluster.journal.items():
            grouping = Grouping()
            applied = [effects_of(group.events) for group in [*grouping.add(records), *grouping.end()]]
            await rebuild.apply(p, 0, applied, len(records))
        again = await snapshot(self.redis, prefix)
        for one, other in ((again.entries, live.entries), (again.states, live.states)):
            assert one == other
        assert again.counters == live.counters
