"""What is read of ledger and journal for inputs, when nothing is pending (LEDGER.md, Worker)."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from engine.events.effects import Event
from engine.inputs.kinds import Input, Submission, Withdrawal
from services.chassis.process.errors import TryAgain
from services.chassis.process.log import log
from services.rules.journal.journal import Journal
from services.rules.journal.publisher import JournalRecord
from services.rules.ledger.client import Ledger
from services.rules.ledger.protocol import ReadAnswers, SettledBefore, Wanted
from services.rules.worker.held_partitions import HeldPartitions
from services.rules.worker.outcomes import PartitionFailures, Place


@dataclass(frozen=True)
class Prefetched:
    """States of approvals by `state_id`, and the newest events of requests by index id.

    `elsewhere`: requests that are known, but whose events stand in another partition of the journal.
    """

    states: Mapping[str, bytes] = field(default_factory=dict)
    newest: Mapping[str, Sequence[Event]] = field(default_factory=dict)
    elsewhere: Collection[str] = ()


async def prefetch(
    inputs: Sequence[Input],
    *,
    ledger: Ledger,
    journal: Journal,
    partitions: HeldPartitions,
    undone: PartitionFailures,
) -> Prefetched:
    """What these inputs are judged on; sends the confirms that are due. What is away stays undone.

    Nothing of it changes before they are settled: the generation of a partition guards it, and a round that
    holds a verdict or a withdrawal holds nothing else of its case. What is read is confirmed, so the events
    of a decision stand in the journal.
    """
    wanted = _wanted(inputs)
    if not wanted:
        return Prefetched()
    reading = await _read(list(wanted.values()), ledger, partitions, undone)
    if reading is None:
        return Prefetched()
    states = {key: state for found in reading.found.values() for key, state in found.states.items()}
    places = _places(inputs, reading)
    try:
        stored = await look_up(journal, set(places.values()))
    except TryAgain as away:
        log.warning("withdrawals_wait", error=str(away))
        undone.again |= {p for p, _ in places.values()}
        return Prefetched(states)
    return Prefetched(
        states,
        {request: _events(stored[place]) for request, place in places.items() if place in stored},
        {request for request, place in places.items() if place not in stored},
    )


async def read_known(
    inputs: Sequence[Input], *, ledger: Ledger, partitions: HeldPartitions, undone: PartitionFailures
) -> Mapping[str, SettledBefore]:
    """Which of these were settled before, by index id; sends the confirms that are due.

    What is away stays undone.
    """
    ids: dict[int, tuple[str, ...]] = {}
    for one in inputs:
        ids[one.partition] = (*ids.get(one.partition, ()), one.index_id)
    reading = await _read([Wanted(p, ids=mine) for p, mine in ids.items()], ledger, partitions, undone)
    if reading is None:
        return {}
    return {index_id: known for found in reading.found.values() for index_id, known in found.entries.items()}


async def _read(
    wanted: Sequence[Wanted], ledger: Ledger, partitions: HeldPartitions, undone: PartitionFailures
) -> ReadAnswers | None:
    """Read it with the confirms that are due; None where the ledger is away."""
    asked = [one.p for one in wanted]
    parts = partitions.parts(asked)
    try:
        reading = await ledger.read(parts, wanted)
    except TryAgain as away:
        log.warning("ledger_away", error=str(away))
        undone.failed.update(dict.fromkeys(asked))
        return None
    partitions.confirmed(parts)
    undone.failed.update(dict.fromkeys(reading.refused))
    return reading


def _wanted(inputs: Sequence[Input]) -> dict[int, Wanted]:
    wanted: dict[int, Wanted] = {}
    for one in inputs:
        if not isinstance(one, Submission):
            p, states, ids = wanted.get(one.partition, Wanted(one.partition))
            asked = (one.request_key.index_id,) if isinstance(one, Withdrawal) else ()
            wanted[one.partition] = Wanted(p, (*states, one.state_id), (*ids, *asked))
    return wanted


def _places(inputs: Sequence[Input], reading: ReadAnswers) -> dict[str, Place]:
    """Where in the journal the newest events of each request stand that is withdrawn."""
    places = {}
    for one in inputs:
        if isinstance(one, Withdrawal) and one.partition in reading.found:
            known = reading.found[one.partition].entries.get(one.request_key.index_id)
            if known is not None:
                places[one.request_key.index_id] = (one.partition, known.seq)
    return places


def _events(records: Sequence[JournalRecord]) -> tuple[Event, ...]:
    return tuple(json.loads(record.value) for record in records)


async def look_up(journal: Journal, places: Collection[Place]) -> dict[Place, tuple[JournalRecord, ...]]:
    """What of these the journal has. Raises TryAgain."""
    try:
        return await journal.stored(places) if places else {}
    except LookupError as error:
        if len(places) == 1:
            log.error("not_in_the_journal", error=str(error), partition=min(places)[0])
            return {}
    return {place: records for one in places for place, records in (await look_up(journal, {one})).items()}
