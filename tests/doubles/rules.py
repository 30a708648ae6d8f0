"""In-memory doubles of the ledger, the journal, the tables and the consumer, for tests of batch and worker.

Contract tests hold the ledger and the journal to the real ones: test_the_ledger_double.py and
test_the_journal_double.py in tests/integration. The tables, dead letters and consumer have none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, assert_never

from aiokafka import TopicPartition

from engine.inputs import Input
from engine.judging.budgets import Counters
from engine.judging.staff import Staff
from engine.policy import PolicyBook
from schemas.errors import Unreadable
from schemas.withdrawal import WITHDRAWN
from services.chassis.kafka.dead_letters import ConsumedRecord
from services.chassis.process.errors import TryAgain
from services.rules.journal.grouping import Grouping, Stored
from services.rules.journal.publisher import JournalEntry, JournalRecord, Landed, NotLanded, Outcome
from services.rules.ledger.client import Resolved
from services.rules.ledger.protocol import (
    Answer,
    Applied,
    CounterCharge,
    CounterUse,
    Credit,
    Effect,
    Found,
    Item,
    Link,
    New,
    Part,
    ReadAnswers,
    Refusal,
    RemoveState,
    SetState,
    Settled,
    SettledBefore,
    TakenPartition,
    Wanted,
)
from services.rules.ledger.script import Cold
from tests.builders.policies import a_book
from tests.builders.staff import a_staff

START_US = 1_772_438_402_000_000


class FakeLedger:
    """A ledger in dictionaries, with a clock that advances a millisecond a call."""

    def __init__(self, partitions: int = 6) -> None:
        self.nonce: str | None = "epoch1"
        self.index: dict[str, SettledBefore] = {}
        self.states: defaultdict[int, dict[str, bytes]] = defaultdict(dict)
        self.counters = Counters()
        self.pending: dict[int, tuple[int, list[str]]] = {}
        self.taken: defaultdict[int, list[CounterCharge]] = defaultdict(list)
        """The pending charges, by partition."""
        self.gens = dict.fromkeys(range(partitions), 0)
        self.positions = dict.fromkeys(range(partitions), 0)
        self.seq = 0
        self.clock_us = START_US
        self.calls: list[tuple[str, tuple[Part, ...]]] = []
        self.fails: list[BaseException | None] = []
        """The errors of the next calls, in order, raised first of all; None for a call that works."""

    async def adopt(self, nonce: str | None = None) -> bool:
        self._begin("adopt", ())
        return self.nonce is not None

    async def time_us(self) -> int:
        return self.clock_us

    async def call(self, parts: Sequence[Part], items: Sequence[Item] = ()) -> Settled:
        self._begin("call", tuple(parts))
        refused = self._confirm_all(parts)
        first_sequence = seq = max(self.seq + 1, self.clock_us)
        answers: list[Answer] = []
        settled: defaultdict[int, list[str]] = defaultdict(list)
        assert {item.p for item in items} <= {part.p for part in parts}
        for item in items:
            if item.p in refused:
                answers.append(refused[item.p])
            elif item.id in self.index:
                answers.append(self.index[item.id])
            else:
                self.index[item.id] = SettledBefore(item.digest, seq)
                settled[item.p].append(item.id)
                answers.append(self._choose(item, seq))
                seq += 1
        self.pending |= {p: (first_sequence, ids) for p, ids in settled.items()}
        self.seq = max(self.seq, seq - 1)
        return Settled(self.clock_us, first_sequence, tuple(answers), refused)

    async def read(self, parts: Sequence[Part], wanted: Sequence[Wanted]) -> ReadAnswers:
        self._begin("read", tuple(parts))
        refused = self._confirm_all(parts)
        found = {
            p: Found(
                {one: self.states[p][one] for one in states if one in self.states[p]},
                {one: self.index[one] for one in ids if one in self.index},
            )
            for p, states, ids in wanted
            if p not in refused
        }
        return ReadAnswers(self.clock_us, found, refused)

    async def take(self, p: int) -> TakenPartition:
        self._begin("take", (Part(p, self.gens[p]),))
        self.gens[p] += 1
        return TakenPartition(self.gens[p], self.positions[p], p in self.pending)

    async def resolve(
        self, p: int, gen: int, from_offset: int, records: Sequence[Applied], next_offset: int
    ) -> Resolved:
        self._begin("resolve", (Part(p, gen),))
        if self.gens[p] != gen:
            return "fenced"
        if self.positions[p] != from_offset:
            return "moved"
        for one in self.pending.pop(p, (0, []))[1]:
            del self.index[one]
        self.counters.add((one.key, one.field, -one.amount) for one in self.taken.pop(p, []))
        for seq, index_id, digest, effects in records:
            known = self.index.get(index_id)
            if known is None or known.seq < seq:
                self.index[index_id] = SettledBefore(digest, seq)
                self._apply(p, effects)
            self.seq = max(self.seq, seq)
        self.positions[p] = next_offset
        return "ok"

    def _choose(self, item: Item, seq: int) -> New:
        charge_options: Any = item.charge_options  # a Take has what the counters look at in a Charge
        probes: Any = item.probes
        chosen_option, used = self.counters.settle(charge_options, probes)
        if chosen_option:
            self.taken[item.p] += item.charge_options[chosen_option - 1]
        return New(seq, chosen_option, tuple(CounterUse(*one) for one in used))

    def _begin(self, name: str, parts: tuple[Part, ...]) -> None:
        self.clock_us += 1000
        self.calls.append((name, parts))
        failure = self.fails.pop(0) if self.fails else None
        if failure is not None:
            raise failure
        if self.nonce is None and name != "adopt":
            raise Cold("no epoch is known")

    def _confirm_all(self, parts: Sequence[Part]) -> dict[int, Refusal]:
        answers = {part.p: self._confirm(part) for part in parts}
        return {p: refusal for p, refusal in answers.items() if refusal is not None}

    def _confirm(self, part: Part) -> Refusal | None:
        if self.gens[part.p] != part.gen:
            return Refusal.FENCED
        pending = self.pending.get(part.p)
        confirm = part.confirm
        if confirm is not None and pending is not None and confirm.first_sequence == pending[0]:
            del self.pending[part.p]
            self.taken.pop(part.p, None)
            self._apply(part.p, confirm.effects)
            self.positions[part.p] = confirm.next_offset
        elif pending is not None:
            return Refusal.BUSY
        elif confirm is not None and confirm.first_sequence is None:
            self.positions[part.p] = max(self.positions[part.p], confirm.next_offset)
        return None

    def _apply(self, p: int, effects: Iterable[Effect]) -> None:
        for effect in effects:
            match effect:
                case SetState(state_id, state):
                    self.states[p][state_id] = state
                case RemoveState(state_id):
                    self.states[p].pop(state_id, None)
                case Link(index_id, seq):
                    known = self.index.get(index_id, SettledBefore(WITHDRAWN, 0))
                    self.index[index_id] = known._replace(seq=max(known.seq, seq))
                case Credit():
                    self.counters.add([effect])
                case _:
                    assert_never(effect)


class FakeJournal:
    """The journal in lists, one a partition."""

    def __init__(self, partitions: int = 6) -> None:
        self.records: dict[int, list[Stored]] = {p: [] for p in range(partitions)}
        self.entries: list[JournalEntry] = []
        self.refuses: set[int] = set()
        """Partitions whose publish is refused."""
        self.loses: set[int] = set()
        """Partitions whose records land while the acknowledgement is lost."""
        self.away: BaseException | None = None
        """The error that a look-up of stored events raises."""
        self.meanwhile: Callable[[], None] = lambda: None
        """Called while a publish waits for its acknowledgement."""
        self.looked_up: list[set[tuple[int, int]]] = []

    async def partitions(self) -> int:
        return len(self.records)

    async def publish(self, entries: Sequence[JournalEntry]) -> dict[int, Outcome]:
        self.meanwhile()
        outcomes: dict[int, Outcome] = {}
        for entry in entries:
            if entry.p not in self.refuses:
                self.entries.append(entry)
                for record in entry.records:
                    self._append(entry.p, record)
            lost = entry.p in self.refuses | self.loses
            outcomes[entry.p] = NotLanded("not now") if lost else Landed(len(self.records[entry.p]))
        return outcomes

    async def mark(self, p: int, time_us: int) -> int:
        event = b'{"id": "m%d", "type": "mandaat.ledger.marked.v1"}' % time_us
        self._append(p, JournalRecord(b"ledger/%d" % p, event, ()))
        return len(self.records[p])

    async def read(self, p: int, from_offset: int, until: int) -> AsyncIterator[list[Stored]]:
        yield self.records[p][from_offset:until]

    async def stored(
        self, wanted: Iterable[tuple[int, int]]
    ) -> dict[tuple[int, int], tuple[JournalRecord, ...]]:
        wanted = set(wanted)
        self.looked_up.append(wanted)
        if self.away is not None:
            raise self.away
        groups: dict[tuple[int, int], tuple[JournalRecord, ...]] = {}
        for p in self.records:
            grouping = Grouping()
            for group in [*grouping.add(self.records[p]), *grouping.end()]:
                groups.setdefault((p, group.seq), group.records)
        missing = wanted - groups.keys()
        if missing:
            raise LookupError(f"the journal does not have {min(missing)}")
        return {place: groups[place] for place in wanted}

    def _append(self, p: int, record: JournalRecord) -> None:
        self.records[p].append(Stored(len(self.records[p]), record))


class FakeTables:
    """Policies and staff; newly published ones are there after a refresh."""

    def __init__(self, book: PolicyBook | None = None, staff: Staff | None = None) -> None:
        self.books = {"acme": a_book() if book is None else book}
        self.members = {"acme": a_staff() if staff is None else staff}
        self.published: dict[str, PolicyBook] = {}
        self.problems: dict[str, str] = {}
        self.refreshed = 0
        self.away = False

    def book(self, tenant: str) -> PolicyBook | None:
        return self.books.get(tenant)

    def held_back(self, tenant: str) -> str | None:
        return None if tenant in self.books else self.problems.get(tenant)

    def staff(self, tenant: str) -> Staff:
        return self.members.get(tenant, Staff())

    async def refresh(self, inputs: Iterable[Input]) -> None:
        if any(self._is_unknown(one) for one in inputs):
            self.refreshed += 1
            if self.away:
                raise TryAgain("the tables cannot be read")
            self.books |= self.published

    def _is_unknown(self, one: Input) -> bool:
        person = one.judged_person
        return one.tenant not in self.books or (
            person is not None and self.staff(one.tenant).get(person) is None
        )


class FakeLetters:
    """Keeps dead letters and their reasons. While `away`, nothing is acknowledged."""

    def __init__(self) -> None:
        self.letters: list[tuple[ConsumedRecord, Unreadable]] = []
        self.away = False

    async def put_all(self, letters: Sequence[tuple[ConsumedRecord, Unreadable]]) -> None:
        if letters and self.away:
            raise TryAgain("kafka is away")
        self.letters += letters

    @property
    def reasons(self) -> list[str]:
        return [why.reason for _, why in self.letters]


class FakeSubscription:
    """The partitions of a consumer: paused ones, positions and committed offsets."""

    def __init__(self) -> None:
        self.paused: set[TopicPartition] = set()
        self.position: dict[TopicPartition, int] = {}
        self.committed: dict[TopicPartition, int] = {}
        self.commits_fail = False
        self.counted_in = True
        self.joined = True

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        if self.commits_fail:
            raise TryAgain("commit failed")
        self.committed |= offsets

    def seek(self, tp: TopicPartition, offset: int) -> None:
        self.position[tp] = offset

    def pause(self, *partitions: TopicPartition) -> None:
        self._must_have_joined()
        self.paused |= set(partitions)

    def resume(self, *partitions: TopicPartition) -> None:
        self._must_have_joined()
        self.paused -= set(partitions)

    @property
    def consumer(self) -> Any:
        self._must_have_joined()
        return SimpleNamespace(_coordinator=self)

    async def _do_heartbeat(self) -> bool:
        return self.counted_in

    def _must_have_joined(self) -> None:
        if not self.joined:
            raise TryAgain("the consumer has not joined yet")

    def waits(self, partitions: Collection[int]) -> bool:
        """Whether these partitions are paused."""
        return all(any(tp.partition == p for tp in self.paused) for p in partitions)
