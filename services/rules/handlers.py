"""The walk of a batch: read, judge, settle, render, publish (LEDGER.md, One round).

Settling is tentative; the journal's acknowledgement is the decision; the confirm rides on the next call.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from schemas.cloud_event import HEADERS
from schemas.errors import Unreadable
from schemas.withdrawal import WITHDRAWN
from services.chassis.dead_letters import DeadLetters
from services.chassis.dead_letters import Record as Consumed
from services.chassis.errors import TryAgain
from services.chassis.failpoints import Point, reach
from services.chassis.log import log, log_each
from services.rules.adapters.journal import Journal
from services.rules.adapters.ledger import Ledger
from services.rules.adapters.protocol import (
    Confirm,
    Credit,
    Effect,
    Item,
    Known,
    Link,
    New,
    Refusal,
    SetState,
    Settled,
    Take,
)
from services.rules.adapters.publisher import Entry, Landed, Record
from services.rules.adapters.take_over import Unlanded
from services.rules.batch import Judged, Letter, Place, Round, Undone
from services.rules.core.budgets import Takes, Used
from services.rules.core.effects import Effects
from services.rules.core.envelope import Rendered
from services.rules.core.inputs import Input, Reply, Submission, Withdrawal, read_input
from services.rules.core.propose import propose
from services.rules.core.rounds import rounds
from services.rules.core.size import check_size
from services.rules.grounds import Grounds, look_up, read_grounds
from services.rules.metrics import RulesMetrics
from services.rules.partitions import Partitions
from services.rules.tables import Tables

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
    partitions: Partitions
    metrics: RulesMetrics

    async def decide(self, records: Sequence[Consumed]) -> Undone:
        """Walk a batch; the offsets of the partitions that are not undone may be committed.

        Raises Cold; and TryAgain where the tables cannot be had, before anything is settled.
        """
        undone = Undone()
        inputs, letters = _read(records)
        await self.tables.refresh([one for _, one in inputs])
        await self._put(letters, undone)
        origin = {id(one): record for record, one in inputs}
        for chunk in rounds(one for _, one in inputs):
            await self._round([(origin[id(one)], one) for one in chunk], undone)
        return undone

    async def _round(self, inputs: Sequence[tuple[Consumed, Input]], undone: Undone) -> None:
        round_ = Round()
        going = [one for one in inputs if self._goes_on(one[1].partition, undone)]
        grounds = await read_grounds(
            [one for _, one in going],
            ledger=self.ledger,
            journal=self.journal,
            partitions=self.partitions,
            undone=undone,
        )
        judged = self._judge([one for one in going if one[1].partition not in undone], grounds, round_)
        await self._settle(judged, round_, undone)
        await self._put(round_.letters, undone)

    def _goes_on(self, p: int, undone: Undone) -> bool:
        """Whether the partition is still held; a cold start may have taken it away since the batch began."""
        if p not in self.partitions and p not in undone:
            undone.again.add(p)
        return p not in undone

    async def _put(self, letters: Sequence[Letter], undone: Undone) -> None:
        mine = [letter for letter in letters if letter[0].partition not in undone]
        try:
            await self.dead_letters.put_all(mine)
        except TryAgain as away:
            log.warning("dead_letters_away", error=str(away))
            undone.again |= {record.partition for record, _ in mine}

    def _judge(
        self, inputs: Sequence[tuple[Consumed, Input]], grounds: Grounds, round_: Round
    ) -> list[Judged]:
        judged = []
        for record, one in inputs:
            if isinstance(one, Withdrawal) and one.request_key.index_id in grounds.elsewhere:
                round_.letters.append((record, _ELSEWHERE))
                continue
            try:
                proposal = propose(one, self.tables, grounds.states, grounds.newest)
                state = b"" if isinstance(one, Submission) else grounds.states.get(one.state_id, b"")
                check_size(len(record.value or b"") + len(state), proposal)
            except Unreadable as why:
                round_.letters.append((record, why))
            else:
                judged.append(Judged(record, one, proposal))
        return judged

    async def _settle(self, judged: Sequence[Judged], round_: Round, undone: Undone) -> None:
        going = [one for one in judged if self._goes_on(one.input.partition, undone)]
        if not going:
            return
        parts = self.partitions.parts(one.input.partition for one in going)
        items = [_item(one) for one in going]
        try:
            settled = await self.ledger.call(parts, items)
        except TryAgain as away:
            log.warning("ledger_away", error=str(away))
            undone.failed.update({part.p: None for part in parts})
            return
        settled_at = time.monotonic()
        self.partitions.confirmed(parts)
        undone.failed.update(dict.fromkeys(settled.refused))
        _sort(going, settled, round_)
        if round_.new:
            reach(Point.AFTER_SETTLE)
        unlanded = {part.p: Unlanded(part.gen, settled_at) for part in parts}
        await self._publish(settled, unlanded, round_, undone)

    async def _publish(
        self, settled: Settled, unlanded: Mapping[int, Unlanded], round_: Round, undone: Undone
    ) -> None:
        """What is new goes first: settled, it lands within T or never, and waits for no look-up."""
        fresh = {(one.input.partition, seq): _records(rendered) for one, seq, rendered in round_.new}
        places = [(one.input.partition, seq) for one, seq in round_.repeats]
        entries = [Entry(p, seq // 1000, records) for (p, seq), records in fresh.items()]
        now_ms = settled.time_us // 1000
        entries += [Entry(p, now_ms, fresh[p, seq]) for p, seq in places if (p, seq) in fresh]
        await self._land(entries, settled.b0, unlanded, round_, undone)
        self._count_new(round_, undone)
        stored = await self._stored([place for place in places if place not in fresh], round_, undone)
        await self._land(stored, settled.b0, unlanded, round_, undone)
        self._count_repeats(round_, undone)

    async def _land(
        self,
        entries: Sequence[Entry],
        b0: int,
        unlanded: Mapping[int, Unlanded],
        round_: Round,
        undone: Undone,
    ) -> None:
        outcomes = await self.journal.publish(entries) if entries else {}
        for p, outcome in outcomes.items():
            if isinstance(outcome, Landed):
                confirm = _confirm(p, b0, outcome.next_offset, round_)
                self.partitions.published(p, unlanded[p].gen, confirm)
            else:
                log.warning("round_not_landed", partition=p, why=outcome.why)
                undone.failed[p] = unlanded[p]
        if round_.new and outcomes:
            reach(Point.AFTER_ACKNOWLEDGE)

    async def _stored(self, places: Sequence[Place], round_: Round, undone: Undone) -> list[Entry]:
        """The events of repeats from the journal, byte for byte; where that is away they come again."""
        wanted = {place for place in places if place[0] not in undone}
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
        round_.letters += [
            (one.record, _ELSEWHERE) for one, seq in round_.repeats if (one.input.partition, seq) in lacking
        ]
        return [Entry(p, now_ms, known[p, seq]) for p, seq in places if (p, seq) in known]

    def _count_new(self, round_: Round, undone: Undone) -> None:
        done = [(one, new) for one, _, new in round_.new if one.input.partition not in undone.failed]
        self.metrics.decided([new.outcome for _, new in done], [one.record for one, _ in done])
        alone = sum(new.outcome == "escalated" and not one.proposal.approvers for one, new in done)
        self.metrics.without_approver.inc(alone)
        log_each("decided", ({"outcome": new.outcome, **_ids(one.input)} for one, new in done))

    def _count_repeats(self, round_: Round, undone: Undone) -> None:
        done = [one for one, _ in round_.repeats if one.input.partition not in undone]
        self.metrics.repeated(len(done))
        log_each("repeated", (_ids(one.input) for one in done))


def _ids(one: Input) -> dict[str, str]:
    """By which a line in the log is found."""
    return one.request_key._asdict()


def _item(one: Judged) -> Item:
    p, index_id, digest = one.input.partition, one.input.index_id, one.input.digest
    takes, looks = one.proposal.takes, one.proposal.looks
    if not takes and not looks:
        return Item(p, index_id, digest)
    return Item(p, index_id, digest, tuple(map(_takes, takes)), _takes(looks))


def _takes(charges: Takes) -> tuple[Take, ...]:
    return tuple([Take(one.key, one.field, one.amount, one.cap, one.days) for one in charges])


def ledger_effects(effects: Effects, seq: int) -> tuple[Effect, ...]:
    """The effects of an input as the ledger takes them, charges of either sign among them."""
    states = tuple(SetState(state_id, state) for state_id, state in effects.states)
    links = tuple(Link(index_id, seq) for index_id in effects.links)
    return states + links + tuple(Credit(*charge) for charge in effects.charges)


def _left_to_confirm(effects: Effects) -> Effects:
    """What is charged counts since it was settled."""
    if not effects.charges:
        return effects
    return effects._replace(charges=tuple(one for one in effects.charges if one[2] < 0))


def _sort(judged: Sequence[Judged], settled: Settled, round_: Round) -> None:
    for one, answer in zip(judged, settled.answers, strict=True):
        match answer:
            case New(seq, variant, used):
                seen = [Used(*each) for each in used]
                round_.new.append((one, seq, one.proposal.render(seq, variant, seen)))
            case Known(digest, seq) if digest in (one.input.digest, WITHDRAWN):
                round_.repeats.append((one, seq))
            case Known():
                round_.letters.append((one.record, _conflict(one.input)))
            case Refusal():
                pass


def _confirm(p: int, b0: int, next_offset: int, round_: Round) -> Confirm:
    """What the ledger hears of partition p of this round, now that the journal has it."""
    mine = [(seq, rendered) for one, seq, rendered in round_.new if one.input.partition == p]
    effects = tuple(
        effect for seq, rendered in mine for effect in ledger_effects(_left_to_confirm(rendered.effects), seq)
    )
    return Confirm(b0 if mine else None, next_offset, effects)


def _read(records: Sequence[Consumed]) -> tuple[list[tuple[Consumed, Input]], list[Letter]]:
    inputs: list[tuple[Consumed, Input]] = []
    letters: list[Letter] = []
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
