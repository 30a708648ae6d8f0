"""The walk of a batch: read, judge, settle, render, publish (docs/ledger.md, One round).

Settling is tentative, the journal's acknowledgement is the decision, and the confirm rides on the next call.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from engine.inputs import read_input
from schemas.errors import Unreadable
from services.chassis.kafka.dead_letters import ConsumedRecord, DeadLetters
from services.chassis.process.errors import TryAgain
from services.chassis.process.log import log
from services.rules.journal.journal import Journal
from services.rules.ledger.client import Ledger
from services.rules.metrics import RulesMetrics
from services.rules.worker.held_partitions import HeldPartitions
from services.rules.worker.judging import Judged, judge
from services.rules.worker.outcome import (
    FINISHED,
    BatchOutcome,
    HasInput,
    ReceivedInput,
    Undecidable,
    partitions_of,
)
from services.rules.worker.prefetch import prefetch
from services.rules.worker.publishing import publish_new, publish_repeats
from services.rules.worker.rounds import calls, microseconds, rounds
from services.rules.worker.settling import AnsweredCall, Repeat, recognise, render, settle
from services.rules.worker.tables import Tables


class DeadLetter(NamedTuple):
    """A record that can never be handled, and why."""

    record: ConsumedRecord
    why: Unreadable


@dataclass(frozen=True)
class BatchDecider:
    """Decides every input of a batch exactly once and publishes the decisions."""

    tables: Tables
    ledger: Ledger
    journal: Journal
    dead_letters: DeadLetters
    partitions: HeldPartitions
    metrics: RulesMetrics

    async def decide_batch(self, records: Sequence[ConsumedRecord]) -> BatchOutcome:
        """Read a batch and decide it. All offsets but those of unfinished partitions may be committed.

        Raises Cold; and TryAgain if the tables cannot be read, before anything is settled.
        """
        received, unreadable = _read(records)
        return await self.decide_inputs(received, unreadable)

    async def decide_inputs(
        self, received: Sequence[ReceivedInput], unreadable: Sequence[DeadLetter] = ()
    ) -> BatchOutcome:
        """Decide inputs, round after round, wherever they came from; records between them may be unreadable.

        Raises Cold; and TryAgain if the tables cannot be read, before anything is settled.
        """
        await self.tables.refresh([one.input for one in received])
        outcome = self._held_back(received)
        unfinished = outcome.unfinished
        outcome |= await self._put_dead_letters(
            [one for one in unreadable if one.record.partition not in unfinished]
        )
        for inputs in rounds(received):
            outcome |= await self.decide_round(outcome.remaining(inputs))
        return outcome

    async def decide_round(self, inputs: Sequence[ReceivedInput]) -> BatchOutcome:
        """Decide the inputs of a round, each once.

        Every step takes values and answers one, with its part of the outcome. A partition that a step leaves
        unfinished takes no part in the steps after it; the others go on.
        """
        # Read what the inputs are judged on, then judge them.
        outcome = self._no_longer_held(inputs)
        prefetched = await prefetch(outcome.remaining(inputs), self.ledger, self.journal, self.partitions)
        outcome |= prefetched.outcome
        judgement = judge(outcome.remaining(inputs), self.tables, prefetched)
        outcome |= judgement.outcome

        # Settle, render and publish: one call of the ledger after the other.
        for judged in self._calls(judgement.judged):
            outcome |= self._no_longer_held(judged)
            settlement = await settle(outcome.remaining(judged), self.ledger, self.partitions)
            decisions = render(settlement)
            outcome |= settlement.outcome | decisions.outcome
            outcome |= await publish_new(decisions, self.journal, self.partitions, self.metrics)
            outcome |= await self._publish_repeats(outcome.remaining(decisions.repeats), settlement.call)

        # Inputs that cannot be judged may be repeats, also of an input of this round: so they come last.
        outcome |= self._no_longer_held(judgement.unjudged)
        known = await recognise(outcome.remaining(judgement.unjudged), self.ledger, self.partitions)
        outcome |= known.outcome
        outcome |= await self._publish_repeats(outcome.remaining(known.repeats), known.call)
        return outcome | await self._give_up(outcome.remaining(outcome.undecidable))

    def _held_back(self, received: Sequence[ReceivedInput]) -> BatchOutcome:
        """Partitions with cases of a tenant whose policy cannot be used: they wait, as order must be kept."""
        waiting = {
            tenant: why
            for tenant in {one.input.tenant for one in received}
            if (why := self.tables.held_back(tenant)) is not None
        }
        for tenant, why in waiting.items():
            log.warning("cases_wait", tenant=tenant, why=why)
        held_back = [one for one in received if one.input.tenant in waiting] if waiting else []
        return BatchOutcome(retry=partitions_of(held_back))

    def _no_longer_held(self, those: Sequence[HasInput]) -> BatchOutcome:
        """Partitions that a cold start took away since the batch began."""
        return BatchOutcome(retry=partitions_of(those) - self.partitions.held)

    def _calls(self, judged: Sequence[Judged]) -> Iterator[Sequence[Judged]]:
        halvings = self.partitions.halvings(partitions_of(judged))
        return calls(judged, _microseconds, halvings)

    async def _publish_repeats(self, repeats: Sequence[Repeat], call: AnsweredCall) -> BatchOutcome:
        return await publish_repeats(repeats, call, self.ledger, self.journal, self.partitions, self.metrics)

    async def _give_up(self, undecidable: Sequence[Undecidable]) -> BatchOutcome:
        """Write a dead letter for each record. An input without a record is only logged, as an error."""
        letters: list[DeadLetter] = []
        for one, record, why in undecidable:
            if record is not None:
                letters.append(DeadLetter(record, why))
            else:
                log.error("undecidable", reason=why.reason, **one.request_key._asdict())
        return await self._put_dead_letters(letters)

    async def _put_dead_letters(self, letters: Sequence[DeadLetter]) -> BatchOutcome:
        """Write dead letters. If they cannot be written now, the records of their partitions come again."""
        try:
            await self.dead_letters.put_all(letters)
        except TryAgain as away:
            log.warning("dead_letters_away", error=str(away))
            return BatchOutcome(retry=frozenset(one.record.partition for one in letters))
        return FINISHED


def _read(records: Sequence[ConsumedRecord]) -> tuple[list[ReceivedInput], list[DeadLetter]]:
    received: list[ReceivedInput] = []
    unreadable: list[DeadLetter] = []
    for record in records:
        try:
            one = read_input(record.topic, record.partition, record.key, record.value)
        except Unreadable as why:
            unreadable.append(DeadLetter(record, why))
        else:
            received.append(ReceivedInput(one, record))
    return received, unreadable


def _microseconds(one: Judged) -> int:
    return microseconds(one.proposal.charge_options, one.proposal.probes)
