"""The steps that settle and render: one call of the ledger, and the events that follow from its answers."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, assert_never

from engine.events.envelope import Rendered
from engine.inputs import Input
from engine.judging.budgets import BudgetUse, Charges
from schemas.errors import Unreadable
from schemas.withdrawal import WITHDRAWN
from services.chassis.kafka.dead_letters import ConsumedRecord
from services.chassis.process.errors import TryAgain
from services.chassis.process.log import log
from services.rules.ledger.client import Ledger
from services.rules.ledger.protocol import Answer, CounterCharge, Item, New, Part, Refusal, SettledBefore
from services.rules.ledger.take_over import FailedPublish
from services.rules.worker.held_partitions import HeldPartitions
from services.rules.worker.judging import Judged, Unjudged
from services.rules.worker.outcome import FINISHED, BatchOutcome, Undecidable, partitions_of
from services.rules.worker.prefetch import Place, read_known

SOON_SECONDS: Final = 0.25
"""After a call that was answered within this time, the next one may settle twice as much."""


@dataclass(frozen=True)
class AnsweredCall:
    """The generations under which partitions were held at a call, and when (monotonic) it was answered."""

    gens: Mapping[int, int] = field(default_factory=dict)
    answered_at: float = 0.0

    @staticmethod
    def now(parts: Iterable[Part]) -> AnsweredCall:
        """The call with these parts, answered at this moment."""
        return AnsweredCall({part.p: part.gen for part in parts}, time.monotonic())

    def failed_publish(self, p: int) -> FailedPublish:
        """The publish of partition p that followed this call, if it fails."""
        return FailedPublish(self.gens[p], self.answered_at)


_NO_CALL: Final = AnsweredCall()


@dataclass(frozen=True)
class Settlement:
    """The answers to one call of the ledger, one for each input."""

    judged: Sequence[Judged] = ()
    answers: Sequence[Answer] = ()
    first_sequence: int = 0
    time_us: int = 0
    call: AnsweredCall = _NO_CALL
    outcome: BatchOutcome = FINISHED


class Decided(NamedTuple):
    """An input that was settled just now, its sequence, and its events."""

    judged: Judged
    seq: int
    rendered: Rendered

    @property
    def input(self) -> Input:
        """The input."""
        return self.judged.input

    @property
    def place(self) -> Place:
        """The place of its events in the journal, once they are published."""
        return self.judged.input.partition, self.seq


class Repeat(NamedTuple):
    """An input settled before, its record if it came in one, and the sequence of its newest answer."""

    input: Input
    record: ConsumedRecord | None
    seq: int

    @property
    def place(self) -> Place:
        """The place of the stored events in the journal."""
        return self.input.partition, self.seq


@dataclass(frozen=True)
class Decisions:
    """The events to publish after one call, and the repeats."""

    new: Sequence[Decided]
    repeats_of_new: Sequence[tuple[Repeat, Decided]]
    """Repeats of inputs that this same call settled: their events are not in the journal yet."""
    repeats: Sequence[Repeat]
    """Repeats whose events the journal has."""
    settlement: Settlement
    outcome: BatchOutcome


@dataclass(frozen=True)
class Recognised:
    """Inputs that could not be judged, but were settled before."""

    repeats: Sequence[Repeat] = ()
    call: AnsweredCall = _NO_CALL
    outcome: BatchOutcome = FINISHED


async def settle(judged: Sequence[Judged], ledger: Ledger, partitions: HeldPartitions) -> Settlement:
    """Settle these inputs in one call, which also confirms the rounds before."""
    if not judged:
        return Settlement()
    parts = partitions.parts(partitions_of(judged))
    called = [part.p for part in parts]
    begun = time.monotonic()
    try:
        settled = await ledger.call(parts, [_item(one) for one in judged])
    except TryAgain as away:
        log.warning("ledger_away", error=str(away))
        partitions.slow_down(called)
        return Settlement(outcome=BatchOutcome(dict.fromkeys(called)))
    call = AnsweredCall.now(parts)
    if call.answered_at - begun < SOON_SECONDS:
        partitions.speed_up(called)
    partitions.confirmed(parts)
    refused = BatchOutcome(dict.fromkeys(settled.refused))
    return Settlement(judged, settled.answers, settled.first_sequence, settled.time_us, call, refused)


def render(settlement: Settlement) -> Decisions:
    """The events of what is new, the repeats, and the conflicts, which can never be decided."""
    new: list[Decided] = []
    repeats: list[Repeat] = []
    conflicts: list[Undecidable] = []
    for one, answer in zip(settlement.judged, settlement.answers, strict=True):
        match answer:
            case New(seq, chosen_option, used):
                uses = [BudgetUse(*each) for each in used]
                new.append(Decided(one, seq, one.proposal.render(seq, chosen_option, uses)))
            case SettledBefore():
                _sort_known(one, answer, repeats, conflicts)
            case Refusal():
                pass  # its partition is unfinished: the outcome of the settlement says so
            case _:
                assert_never(answer)
    of_new = {one.place: one for one in new} if repeats else {}
    return Decisions(
        new,
        [(one, of_new[one.place]) for one in repeats if one.place in of_new],
        [one for one in repeats if one.place not in of_new],
        settlement,
        BatchOutcome(undecidable=tuple(conflicts)),
    )


async def recognise(unjudged: Sequence[Unjudged], ledger: Ledger, partitions: HeldPartitions) -> Recognised:
    """Find those that were settled before: they get their stored answer, whatever policy and size say now.

    All others can never be decided.
    """
    if not unjudged:
        return Recognised()
    parts = partitions.parts(partitions_of(unjudged))
    known, outcome = await read_known([one.input for one in unjudged], ledger, partitions)
    repeats: list[Repeat] = []
    undecidable: list[Undecidable] = []
    for one in unjudged:
        if (settled := known.get(one.input.index_id)) is not None:
            _sort_known(one, settled, repeats, undecidable)
        else:
            undecidable.append(Undecidable(one.input, one.record, one.why))
    outcome |= BatchOutcome(undecidable=tuple(undecidable))
    return Recognised(repeats, AnsweredCall.now(parts), outcome)


def _sort_known(
    one: Judged | Unjudged, settled: SettledBefore, repeats: list[Repeat], conflicts: list[Undecidable]
) -> None:
    if settled.digest in (one.input.digest, WITHDRAWN):
        repeats.append(Repeat(one.input, one.record, settled.seq))
    else:
        why = Unreadable("conflict", one.input.conflict)
        conflicts.append(Undecidable(one.input, one.record, why))


def _item(one: Judged) -> Item:
    p, index_id, digest = one.input.partition, one.input.index_id, one.input.digest
    charge_options, probes = one.proposal.charge_options, one.proposal.probes
    if not charge_options and not probes:
        return Item(p, index_id, digest)
    return Item(p, index_id, digest, tuple(map(_counter_charges, charge_options)), _counter_charges(probes))


def _counter_charges(charges: Charges) -> tuple[CounterCharge, ...]:
    return tuple([CounterCharge(one.key, one.field, one.amount, one.cap, one.days) for one in charges])
