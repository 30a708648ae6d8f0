"""The step that judges: from inputs to what is proposed for each. It is pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from engine.inputs import Input
from engine.proposals.proposal import Proposal
from engine.proposals.size import check_size
from engine.propose import Authority, propose
from schemas.errors import Unreadable
from services.chassis.kafka.dead_letters import ConsumedRecord
from services.rules.worker.outcome import BatchOutcome, ReceivedInput, Undecidable
from services.rules.worker.prefetch import Prefetched

DECIDED_ELSEWHERE: Final = Unreadable(
    "key_mismatch",
    "The request was decided in another partition than this record stands in; publish the record with Kafka's"
    " usual hash of its key.",
)


class Judged(NamedTuple):
    """An input, its record if it came in one, and what is proposed for it."""

    input: Input
    record: ConsumedRecord | None
    proposal: Proposal


class Unjudged(NamedTuple):
    """An input that cannot be judged now, its record if it came in one, and why.

    It may have been decided before.
    """

    input: Input
    record: ConsumedRecord | None
    why: Unreadable


@dataclass(frozen=True)
class Judgement:
    """The inputs of a round, judged and not, in order."""

    judged: Sequence[Judged]
    unjudged: Sequence[Unjudged]
    outcome: BatchOutcome


def judge(inputs: Sequence[ReceivedInput], authority: Authority, prefetched: Prefetched) -> Judgement:
    """Judge each input by policy, staff and what was read for it."""
    judged: list[Judged] = []
    unjudged: list[Unjudged] = []
    undecidable: list[Undecidable] = []
    for received in inputs:
        one, record = received
        needs = one.needs
        if not prefetched.elsewhere.isdisjoint(needs.newest):
            undecidable.append(Undecidable(one, record, DECIDED_ELSEWHERE))
            continue
        try:
            proposal = propose(one, authority, prefetched.states, prefetched.newest)
            states = [prefetched.states.get(state_id, b"") for state_id in needs.states]
            check_size(received.size + sum(map(len, states)), proposal)
        except Unreadable as why:
            unjudged.append(Unjudged(one, record, why))
        else:
            judged.append(Judged(one, record, proposal))
    return Judgement(judged, unjudged, BatchOutcome(undecidable=tuple(undecidable)))
