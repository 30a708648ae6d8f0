"""The walk of a batch: read, judge, settle, render, publish (LEDGER.md, One round).

Settling is tentative; the journal's acknowledgement is the decision; the confirm rides on the next call.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from schemas.cloud_event import HEADERS
from schemas.errors import Unreadable
from services.chassis.dead_letters import DeadLetters
from services.chassis.dead_letters import Record as Consumed
from services.chassis.errors import TryAgain
from services.chassis.log import log
from services.rules.adapters.journal import Journal
from services.rules.adapters.ledger import Ledger
from services.rules.adapters.protocol import (
    Confirm,
    Effect,
    Item,
    Known,
    Link,
    New,
    Refusal,
    SetState,
    Settled,
    Wanted,
)
from services.rules.adapters.publisher import Entry, Landed, Record
from services.rules.adapters.take_over import Unlanded
from services.rules.core.envelope import Rendered
from services.rules.core.inputs import Input, Reply, read_input
from services.rules.core.propose import Proposed, propose
from services.rules.core.rounds import rounds
from services.rules.metrics import RulesMetrics
from services.rules.partitions import Partitions
from services.rules.tables import Tables

Failed = dict[int, Unlanded | None]
"""Partitions whose round failed; where it was their own publish, what is known of it."""


@dataclass
class Judged:
    """An input, the record it came in, and what is proposed for it."""

    record: Consumed
    input: Input
    proposal: Proposed


@dataclass
class Round:
    """What became of the inputs of one round."""

    new: list[tuple[Judged, int, Rendered]] = field(default_factory=list)
    repeats: list[tuple[Judged, int]] = field(default_factory=list)
    letters: list[tuple[Consumed, Unreadable]] = field(default_factory=list)
    failed: Failed = field(default_factory=dict)


@dataclass(frozen=True)
class Handlers:
    """Decides every input of a batch exactly once and publishes the decisions."""

    tables: Tables
    ledger: Ledger
    journal: Journal
    dead_letters: DeadLetters
    partitions: Partitions
    metrics: RulesMetrics

    async def decide(self, records: Sequence[Consumed]) -> Failed:
        """Walk a batch; the offsets of the partitions that did not fail may be committed.

        Raises Cold, and TryAgain when dead letters or tables cannot be had: then the whole batch comes again.
        """
        inputs, letters = _read(records)
        await self.dead_letters.put_all(letters)
        await self.tables.refresh([one for _, one in inputs])
        origin = {id(one): record for record, one in inputs}
        failed: Failed = {}
        for chunk in rounds(one for _, one in inputs):
            going = [(origin[id(one)], one) for one in chunk if one.partition not in failed]
            failed |= await self._round(going)
        return failed

    async def _round(self, inputs: Sequence[tuple[Consumed, Input]]) -> Failed:
        round_ = Round()
        states = await self._states(inputs, round_)
        judged = self._judge([one for one in inputs if one[1].partition not in round_.failed], states, round_)
        if judged:
            await self._settle(judged, round_)
        await self.dead_letters.put_all(round_.letters)
        return round_.failed

    async def _states(self, inputs: Sequence[tuple[Consumed, Input]], round_: Round) -> Mapping[str, bytes]:
        """The approvals that replies are about, by place in the ledger; sends the confirms that are due."""
        wanted: dict[int, list[str]] = {}
        for _, one in inputs:
            if isinstance(one, Reply):
                wanted.setdefault(one.partition, []).append(one.state_id)
        if not wanted:
            return {}
        parts = self.partitions.parts(wanted)
        try:
            reading = await self.ledger.read(parts, [Wanted(p, tuple(ids)) for p, ids in wanted.items()])
        except TryAgain as away:
            log.warning("ledger_away", error=str(away))
            round_.failed.update(dict.fromkeys(wanted))
            return {}
        self.partitions.confirmed(parts)
        round_.failed.update(dict.fromkeys(reading.refused))
        return {key: state for found in reading.found.values() for key, state in found.states.items()}

    def _judge(
        self, inputs: Sequence[tuple[Consumed, Input]], states: Mapping[str, bytes], round_: Round
    ) -> list[Judged]:
        judged = []
        for record, one in inputs:
            try:
                judged.append(Judged(record, one, propose(one, self.tables, states)))
            except Unreadable as why:
                round_.letters.append((record, why))
        return judged

    async def _settle(self, judged: Sequence[Judged], round_: Round) -> None:
        parts = self.partitions.parts(one.input.partition for one in judged)
        items = [Item(one.input.partition, one.input.index_id, one.input.digest) for one in judged]
        try:
            settled = await self.ledger.call(parts, items)
        except TryAgain as away:
            log.warning("ledger_away", error=str(away))
            round_.failed.update({part.p: None for part in parts})
            return
        settled_at = time.monotonic()
        self.partitions.confirmed(parts)
        round_.failed.update(dict.fromkeys(settled.refused))
        self._sort(judged, settled, round_)
        generations = {part.p: part.gen for part in parts}
        await self._publish(settled, {p: Unlanded(gen, settled_at) for p, gen in generations.items()}, round_)

    def _sort(self, judged: Sequence[Judged], settled: Settled, round_: Round) -> None:
        for one, answer in zip(judged, settled.answers, strict=True):
            match answer:
                case New(seq):
                    round_.new.append((one, seq, one.proposal.render(seq)))
                case Known(digest, seq) if digest == one.input.digest:
                    round_.repeats.append((one, seq))
                case Known():
                    round_.letters.append((one.record, _conflict(one.input)))
                case Refusal():
                    pass

    async def _publish(self, settled: Settled, unlanded: Mapping[int, Unlanded], round_: Round) -> None:
        entries = [
            Entry(one.input.partition, seq // 1000, _records(rendered)) for one, seq, rendered in round_.new
        ]
        entries += await self._stored(settled, round_)
        outcomes = await self.journal.publish(entries)
        fresh = {one.input.partition for one, _, _ in round_.new}
        for p, outcome in outcomes.items():
            if isinstance(outcome, Landed):
                effects = tuple(
                    effect
                    for one, seq, rendered in round_.new
                    if one.input.partition == p
                    for effect in ledger_effects(rendered, seq)
                )
                b0 = settled.b0 if p in fresh else None
                self.partitions.published(p, Confirm(b0, outcome.next_offset, effects))
            else:
                log.warning("round_not_landed", partition=p, why=outcome.why)
                round_.failed[p] = unlanded[p]
        self._count(round_)

    async def _stored(self, settled: Settled, round_: Round) -> list[Entry]:
        """The events of repeats, byte for byte: of this round from memory, of others from the journal."""
        memory = {seq: _records(rendered) for _, seq, rendered in round_.new}
        wanted = {(one.input.partition, seq) for one, seq in round_.repeats if seq not in memory}
        stored = await self.journal.stored(wanted) if wanted else {}
        return [
            Entry(
                one.input.partition,
                settled.time_us // 1000,
                memory[seq] if seq in memory else stored[one.input.partition, seq],
            )
            for one, seq in round_.repeats
        ]

    def _count(self, round_: Round) -> None:
        landed = [one for one in round_.new if one[0].input.partition not in round_.failed]
        for one, _, rendered in landed:
            self.metrics.decided(rendered.outcome, one.record)
            log.info(
                "decided",
                case_id=one.input.case_key[1],
                request_id=one.input.request_key.request_id,
                tenant=one.input.tenant,
                outcome=rendered.outcome,
            )
        for one, _ in round_.repeats:
            self.metrics.repeated()
            log.info("repeated", case_id=one.input.case_key[1], request_id=one.input.request_key.request_id)


def ledger_effects(rendered: Rendered, seq: int) -> tuple[Effect, ...]:
    """The effects as the ledger takes them."""
    states = tuple(SetState(state_id, state) for state_id, state in rendered.effects.states)
    return states + tuple(Link(index_id, seq) for index_id in rendered.effects.links)


def _read(
    records: Sequence[Consumed],
) -> tuple[list[tuple[Consumed, Input]], list[tuple[Consumed, Unreadable]]]:
    inputs: list[tuple[Consumed, Input]] = []
    letters: list[tuple[Consumed, Unreadable]] = []
    for record in records:
        try:
            inputs.append((record, read_input(record.topic, record.partition, record.key, record.value)))
        except Unreadable as why:
            letters.append((record, why))
    return inputs, letters


def _records(rendered: Rendered) -> tuple[Record, ...]:
    return tuple(Record(rendered.key, value, HEADERS) for value in rendered.values)


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
