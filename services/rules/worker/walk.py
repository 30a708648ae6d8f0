"""The walk of a batch: read, judge, settle, render, publish (LEDGER.md, One round).

Settling is tentative; the journal's acknowledgement is the decision; the confirm rides on the next call.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from engine.events.effects import Effects
from engine.events.envelope import Rendered
from engine.events.size import check_size
from engine.inputs.kinds import Input, Reply, Submission, Withdrawal, read_input
from engine.judging.budgets import BudgetUse, Charges
from engine.propose import propose
from schemas.cloud_event import HEADERS
from schemas.errors import Unreadable
from schemas.withdrawal import WITHDRAWN
from services.chassis.kafka.dead_letters import ConsumedRecord, DeadLetters
from services.chassis.process.errors import TryAgain
from services.chassis.process.failpoints import Point, reach
from services.chassis.process.log import log, log_each
from services.rules.journal.journal import Journal
from services.rules.journal.publisher import JournalEntry, JournalRecord, Landed
from services.rules.ledger.client import Ledger
from services.rules.ledger.protocol import (
    Confirm,
    CounterCharge,
    Credit,
    Effect,
    Item,
    Link,
    New,
    Refusal,
    SetState,
    Settled,
    SettledBefore,
)
from services.rules.ledger.take_over import Unlanded
from services.rules.metrics import RulesMetrics
from services.rules.worker.held_partitions import HeldPartitions
from services.rules.worker.outcomes import DeadLetter, Judged, PartitionFailures, Repeat, Round, Unjudged
from services.rules.worker.prefetch import Prefetched, look_up, prefetch, read_known
from services.rules.worker.rounds import calls, microseconds, rounds
from services.rules.worker.tables import Tables

SOON_SECONDS: Final = 0.25
"""A call that was answered within so long may settle twice as much the next time."""
_ELSEWHERE: Final = Unreadable(
    "key_mismatch",
    "What this is about was decided in another partition than this record stands in; publish it with"
    " Kafka's usual hash of its key.",
)


@dataclass(frozen=True)
class Handlers:
    """Decides every input of a batch exactly once and publishes the decisions."""

    tables: Tables
    ledger: Ledger
    journal: Journal
    dead_letters: DeadLetters
    partitions: HeldPartitions
    metrics: RulesMetrics

    async def decide(self, records: Sequence[ConsumedRecord]) -> PartitionFailures:
        """Walk a batch; the offsets of the partitions that are not undone may be committed.

        Raises Cold; and TryAgain where the tables cannot be had, before anything is settled.
        """
        undone = PartitionFailures()
        inputs, letters = _read(records)
        await self.tables.refresh([one for _, one in inputs])
        self._hold_back([one for _, one in inputs], undone)
        await self._put(letters, undone)
        origin = {id(one): record for record, one in inputs}
        for chunk in rounds(one for _, one in inputs):
            await self._round([(origin[id(one)], one) for one in chunk], undone)
        return undone

    async def _round(self, inputs: Sequence[tuple[ConsumedRecord, Input]], undone: PartitionFailures) -> None:
        going = [one for one in inputs if self._goes_on(one[1].partition, undone)]
        grounds = await prefetch(
            [one for _, one in going],
            ledger=self.ledger,
            journal=self.journal,
            partitions=self.partitions,
            undone=undone,
        )
        judged, unjudged, letters = self._judge(
            [one for one in going if one[1].partition not in undone], grounds
        )
        halvings = self.partitions.halvings({one.input.partition for one in judged})
        for some in calls(judged, _microseconds, halvings):
            letters += await self._settle(some, undone)
        if unjudged:
            letters += await self._recognise(unjudged, undone)
        await self._put(letters, undone)

    def _hold_back(self, inputs: Sequence[Input], undone: PartitionFailures) -> None:
        """Where a tenant's policy cannot be used, its partitions wait: else the order would be lost."""
        waiting = {
            tenant: why
            for tenant in {one.tenant for one in inputs}
            if (why := self.tables.held_back(tenant)) is not None
        }
        for tenant, why in waiting.items():
            log.warning("cases_wait", tenant=tenant, why=why)
        if waiting:
            undone.again |= {one.partition for one in inputs if one.tenant in waiting}

    def _goes_on(self, p: int, undone: PartitionFailures) -> bool:
        """Whether the partition is still held; a cold start may have taken it away since the batch began."""
        if p not in self.partitions and p not in undone:
            undone.again.add(p)
        return p not in undone

    async def _put(self, letters: Sequence[DeadLetter], undone: PartitionFailures) -> None:
        mine = [letter for letter in letters if letter[0].partition not in undone]
        try:
            await self.dead_letters.put_all(mine)
        except TryAgain as away:
            log.warning("dead_letters_away", error=str(away))
            undone.again |= {record.partition for record, _ in mine}

    def _judge(
        self, inputs: Sequence[tuple[ConsumedRecord, Input]], grounds: Prefetched
    ) -> tuple[list[Judged], list[Unjudged], list[DeadLetter]]:
        judged: list[Judged] = []
        unjudged: list[Unjudged] = []
        letters: list[DeadLetter] = []
        for record, one in inputs:
            if isinstance(one, Withdrawal) and one.request_key.index_id in grounds.elsewhere:
                letters.append((record, _ELSEWHERE))
                continue
            try:
                proposal = propose(one, self.tables, grounds.states, grounds.newest)
                state = b"" if isinstance(one, Submission) else grounds.states.get(one.state_id, b"")
                check_size(len(record.value or b"") + len(state), proposal)
            except Unreadable as why:
                unjudged.append(Unjudged(record, one, why))
            else:
                judged.append(Judged(record, one, proposal))
        return judged, unjudged, letters

    async def _settle(self, judged: Sequence[Judged], undone: PartitionFailures) -> list[DeadLetter]:
        """One call, and what it settled is published; the next call confirms it."""
        going = [one for one in judged if self._goes_on(one.input.partition, undone)]
        if not going:
            return []
        parts = self.partitions.parts(one.input.partition for one in going)
        items = [_item(one) for one in going]
        begun = time.monotonic()
        try:
            settled = await self.ledger.call(parts, items)
        except TryAgain as away:
            log.warning("ledger_away", error=str(away))
            undone.failed.update({part.p: None for part in parts})
            self.partitions.slow_down(part.p for part in parts)
            return []
        settled_at = time.monotonic()
        if settled_at - begun < SOON_SECONDS:
            self.partitions.speed_up(part.p for part in parts)
        self.partitions.confirmed(parts)
        undone.failed.update(dict.fromkeys(settled.refused))
        round_ = _sorted(going, settled)
        if round_.new:
            reach(Point.AFTER_SETTLE)
        unlanded = {part.p: Unlanded(part.gen, settled_at) for part in parts}
        await self._publish(settled, unlanded, round_, undone)
        return round_.letters

    async def _recognise(self, unjudged: Sequence[Unjudged], undone: PartitionFailures) -> list[DeadLetter]:
        """Who is known gets the answer that there is, whatever the policy or the size of the facts is now.

        Looked at after all others of the round: one of them may be the first.
        """
        going = [one for one in unjudged if self._goes_on(one.input.partition, undone)]
        parts = self.partitions.parts(one.input.partition for one in going)
        known = await read_known(
            [one.input for one in going], ledger=self.ledger, partitions=self.partitions, undone=undone
        )
        unlanded = {part.p: Unlanded(part.gen, time.monotonic()) for part in parts}
        round_ = Round()
        for record, one, why in going:
            if one.index_id in known:
                _answer_known(record, one, known[one.index_id], round_)
            else:
                round_.letters.append((record, why))
        await self._repeat(round_.repeats, None, unlanded, round_, undone)
        return round_.letters

    async def _publish(
        self, settled: Settled, unlanded: Mapping[int, Unlanded], round_: Round, undone: PartitionFailures
    ) -> None:
        """What is new goes first: settled, it lands within T or never, and waits for no look-up."""
        fresh = {(one.input.partition, seq): _records(rendered) for one, seq, rendered in round_.new}
        entries = [JournalEntry(p, seq // 1000, records) for (p, seq), records in fresh.items()]
        now_ms = settled.time_us // 1000
        entries += [
            JournalEntry(one.place[0], now_ms, fresh[one.place])
            for one in round_.repeats
            if one.place in fresh
        ]
        await self._land(entries, settled.first_sequence, unlanded, round_, undone)
        self._count_new(round_, undone)
        stored = [one for one in round_.repeats if one.place not in fresh]
        await self._repeat(stored, settled.first_sequence, unlanded, round_, undone)

    async def _repeat(
        self,
        repeats: Sequence[Repeat],
        first_sequence: int | None,
        unlanded: Mapping[int, Unlanded],
        round_: Round,
        undone: PartitionFailures,
    ) -> None:
        """Publish the stored answers again; `first_sequence` is None where the call settled nothing."""
        await self._land(
            await self._stored(repeats, round_, undone), first_sequence, unlanded, round_, undone
        )
        self._count_repeats(round_, undone)

    async def _land(
        self,
        entries: Sequence[JournalEntry],
        first_sequence: int | None,
        unlanded: Mapping[int, Unlanded],
        round_: Round,
        undone: PartitionFailures,
    ) -> None:
        outcomes = await self.journal.publish(entries) if entries else {}
        settled: defaultdict[int, list[tuple[int, Rendered]]] = defaultdict(list)
        for one, seq, rendered in round_.new:
            settled[one.input.partition].append((seq, rendered))
        for p, outcome in outcomes.items():
            if isinstance(outcome, Landed):
                confirm = _confirm(first_sequence, outcome.next_offset, settled[p])
                self.partitions.published(p, unlanded[p].gen, confirm)
            else:
                log.warning("round_not_landed", partition=p, why=outcome.why)
                undone.failed[p] = unlanded[p]
        if round_.new and outcomes:
            reach(Point.AFTER_ACKNOWLEDGE)

    async def _stored(
        self, repeats: Sequence[Repeat], round_: Round, undone: PartitionFailures
    ) -> list[JournalEntry]:
        """The events of repeats from the journal, byte for byte; where that is away they come again."""
        wanted = {one.place for one in repeats if one.input.partition not in undone}
        if not wanted:
            return []
        try:
            known = await look_up(self.journal, wanted)
            now_ms = await self.ledger.time_us() // 1000
        except TryAgain as away:
            log.warning("repeats_wait", error=str(away))
            undone.again |= {p for p, _ in wanted}
            return []
        lacking = wanted - known.keys()
        round_.letters += [(one.record, _ELSEWHERE) for one in repeats if one.place in lacking]
        return [JournalEntry(one.place[0], now_ms, known[one.place]) for one in repeats if one.place in known]

    def _count_new(self, round_: Round, undone: PartitionFailures) -> None:
        done = [(one, new) for one, _, new in round_.new if one.input.partition not in undone.failed]
        self.metrics.decided([new.outcome for _, new in done], [one.record for one, _ in done])
        alone = sum(new.outcome == "escalated" and not one.proposal.approvers for one, new in done)
        self.metrics.without_approver.inc(alone)
        log_each("decided", ({"outcome": new.outcome, **_ids(one.input)} for one, new in done))

    def _count_repeats(self, round_: Round, undone: PartitionFailures) -> None:
        done = [one for one in round_.repeats if one.input.partition not in undone]
        self.metrics.repeated(len(done))
        log_each("repeated", (_ids(one.input) for one in done))


def _ids(one: Input) -> dict[str, str]:
    """By which a line in the log is found."""
    return one.request_key._asdict()


def _microseconds(one: Judged) -> int:
    return microseconds(one.proposal.charge_options, one.proposal.probes)


def _item(one: Judged) -> Item:
    p, index_id, digest = one.input.partition, one.input.index_id, one.input.digest
    charge_options, probes = one.proposal.charge_options, one.proposal.probes
    if not charge_options and not probes:
        return Item(p, index_id, digest)
    return Item(p, index_id, digest, tuple(map(_takes, charge_options)), _takes(probes))


def _takes(charges: Charges) -> tuple[CounterCharge, ...]:
    return tuple([CounterCharge(one.key, one.field, one.amount, one.cap, one.days) for one in charges])


def ledger_effects(effects: Effects, seq: int) -> tuple[Effect, ...]:
    """The effects of an input as the ledger takes them, charges of either sign among them."""
    states = tuple(SetState(state_id, state) for state_id, state in effects.states)
    links = tuple(Link(index_id, seq) for index_id in effects.links)
    return states + links + tuple(Credit(*charge) for charge in effects.charges)


def _sorted(judged: Sequence[Judged], settled: Settled) -> Round:
    round_ = Round()
    for one, answer in zip(judged, settled.answers, strict=True):
        match answer:
            case New(seq, chosen_option, used):
                seen = [BudgetUse(*each) for each in used]
                round_.new.append((one, seq, one.proposal.render(seq, chosen_option, seen)))
            case SettledBefore():
                _answer_known(one.record, one.input, answer, round_)
            case Refusal():
                pass
    return round_


def _answer_known(record: ConsumedRecord, one: Input, known: SettledBefore, round_: Round) -> None:
    if known.digest in (one.digest, WITHDRAWN):
        round_.repeats.append(Repeat(record, one, known.seq))
    else:
        round_.letters.append((record, _conflict(one)))


def _confirm(
    first_sequence: int | None, next_offset: int, settled: Sequence[tuple[int, Rendered]]
) -> Confirm:
    """What the ledger hears of a partition's part of a round, now that the journal has it."""
    effects = tuple(
        effect for seq, rendered in settled for effect in ledger_effects(rendered.effects.left_to_do, seq)
    )
    return Confirm(first_sequence if settled else None, next_offset, effects)


def _read(records: Sequence[ConsumedRecord]) -> tuple[list[tuple[ConsumedRecord, Input]], list[DeadLetter]]:
    inputs: list[tuple[ConsumedRecord, Input]] = []
    letters: list[DeadLetter] = []
    for record in records:
        try:
            inputs.append((record, read_input(record.topic, record.partition, record.key, record.value)))
        except Unreadable as why:
            letters.append((record, why))
    return inputs, letters


def _records(rendered: Rendered) -> tuple[JournalRecord, ...]:
    return tuple(JournalRecord(rendered.key, value, HEADERS) for value in rendered.values)


def _conflict(one: Input) -> Unreadable:
    if isinstance(one, Reply):
        return Unreadable(
            "conflict",
            "/data/reply_id: this reply is known with another verdict, giver, amount or reason; a new reply"
            " needs a new reply_id.",
        )
    return Unreadable(
        "conflict",
        "/data/request/request_id: this request is known with another agent, customer, kind, amount, currency"
        " or discretion; a new request needs a new request_id.",
    )
