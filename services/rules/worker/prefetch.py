"""The step that reads: stored states and events, before inputs are judged (docs/ledger.md, One round)."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from engine.events.effects import Event
from engine.inputs import Input
from services.chassis.process.errors import TryAgain
from services.chassis.process.log import log
from services.rules.journal.journal import Journal
from services.rules.journal.publisher import JournalRecord
from services.rules.ledger.client import Ledger
from services.rules.ledger.protocol import Found, SettledBefore, Wanted
from services.rules.worker.held_partitions import HeldPartitions
from services.rules.worker.outcome import FINISHED, BatchOutcome, ReceivedInput

Place = tuple[int, int]
"""A partition of the journal, and a sequence in it."""


@dataclass(frozen=True)
class Prefetched:
    """The stored data on which the inputs of a round are judged."""

    states: Mapping[str, bytes] = field(default_factory=dict)
    """States of approvals, by `state_id`."""
    newest: Mapping[str, Sequence[Event]] = field(default_factory=dict)
    """Events of the newest decision on each request that an input needs, by index id."""
    elsewhere: frozenset[str] = frozenset()
    """Index ids of known requests whose events stand in another partition of the journal."""
    outcome: BatchOutcome = FINISHED


async def prefetch(
    received: Sequence[ReceivedInput], ledger: Ledger, journal: Journal, partitions: HeldPartitions
) -> Prefetched:
    """Read what these inputs are judged on, and send the confirms that are due.

    Nothing of it changes before the inputs are settled. The generation of a partition guards it, and a round
    that holds a verdict or a withdrawal holds nothing else of its case. All of it is confirmed, so the events
    of a decision stand in the journal.
    """
    wanted = _wanted(received)
    if not wanted:
        return Prefetched()
    found, outcome = await _read(list(wanted.values()), ledger, partitions)
    states = {key: state for each in found.values() for key, state in each.states.items()}
    places = _places(received, found)
    try:
        stored = await look_up(journal, set(places.values()))
    except TryAgain as away:
        log.warning("withdrawals_wait", error=str(away))
        waiting = frozenset(p for p, _ in places.values())
        return Prefetched(states, outcome=outcome | BatchOutcome(retry=waiting))
    return Prefetched(
        states,
        {request: _events(stored[place]) for request, place in places.items() if place in stored},
        frozenset(request for request, place in places.items() if place not in stored),
        outcome,
    )


async def read_known(
    inputs: Sequence[Input], ledger: Ledger, partitions: HeldPartitions
) -> tuple[Mapping[str, SettledBefore], BatchOutcome]:
    """Read which of these were settled before, by index id; and send the confirms that are due."""
    ids: dict[int, tuple[str, ...]] = {}
    for one in inputs:
        ids[one.partition] = (*ids.get(one.partition, ()), one.index_id)
    found, outcome = await _read([Wanted(p, ids=mine) for p, mine in ids.items()], ledger, partitions)
    return {index_id: known for each in found.values() for index_id, known in each.entries.items()}, outcome


async def _read(
    wanted: Sequence[Wanted], ledger: Ledger, partitions: HeldPartitions
) -> tuple[Mapping[int, Found], BatchOutcome]:
    """Read the ledger. Partitions without an answer must be taken over."""
    asked = [one.p for one in wanted]
    parts = partitions.parts(asked)
    try:
        answers = await ledger.read(parts, wanted)
    except TryAgain as away:
        log.warning("ledger_away", error=str(away))
        return {}, BatchOutcome(dict.fromkeys(asked))
    partitions.confirmed(parts)
    return answers.found, BatchOutcome(dict.fromkeys(answers.refused))


def _wanted(received: Sequence[ReceivedInput]) -> dict[int, Wanted]:
    wanted: dict[int, Wanted] = {}
    for one, _ in received:
        if any(one.needs):
            p, states, ids = wanted.get(one.partition, Wanted(one.partition))
            wanted[one.partition] = Wanted(p, (*states, *one.needs.states), (*ids, *one.needs.newest))
    return wanted


def _places(received: Sequence[ReceivedInput], found: Mapping[int, Found]) -> dict[str, Place]:
    """The places in the journal of the newest events of each request that an input needs."""
    places = {}
    for one, _ in received:
        for request in one.needs.newest if one.partition in found else ():
            known = found[one.partition].entries.get(request)
            if known is not None:
                places[request] = (one.partition, known.seq)
    return places


def _events(records: Sequence[JournalRecord]) -> tuple[Event, ...]:
    return tuple(json.loads(record.value) for record in records)


async def look_up(journal: Journal, places: Collection[Place]) -> dict[Place, tuple[JournalRecord, ...]]:
    """Look up stored events. The answer lacks the places that the journal does not have. Raises TryAgain."""
    try:
        return await journal.stored(places) if places else {}
    except LookupError as error:
        if len(places) == 1:
            log.error("not_in_the_journal", error=str(error), partition=min(places)[0])
            return {}
    return {place: records for one in places for place, records in (await look_up(journal, {one})).items()}
