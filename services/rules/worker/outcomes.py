"""What becomes of a batch, and of each of its rounds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from engine.events.envelope import Rendered
from engine.inputs.kinds import Input
from engine.propose import Proposed
from schemas.errors import Unreadable
from services.chassis.kafka.dead_letters import ConsumedRecord
from services.rules.ledger.take_over import Unlanded

Failed = dict[int, Unlanded | None]
"""Partitions whose round failed; where it was their own publish, what is known of it."""
DeadLetter = tuple[ConsumedRecord, Unreadable]
Place = tuple[int, int]
"""A partition of the journal, and a sequence."""


@dataclass
class PartitionFailures:
    """The partitions of a batch that are not done: their offsets are not committed, their records come again.

    `failed` may have something pending: Take-over. With `again` nothing is wrong in the ledger.
    """

    failed: Failed = field(default_factory=dict)
    again: set[int] = field(default_factory=set)

    def __contains__(self, p: int) -> bool:
        return p in self.failed or p in self.again

    @property
    def partitions(self) -> set[int]:
        """All of them."""
        return self.again | self.failed.keys()


class Judged(NamedTuple):
    """An input, the record it came in, and what is proposed for it."""

    record: ConsumedRecord
    input: Input
    proposal: Proposed


class Unjudged(NamedTuple):
    """An input that cannot be judged now, the record it came in, and why; it may have been decided before."""

    record: ConsumedRecord
    input: Input
    why: Unreadable


class Repeat(NamedTuple):
    """An input that is known, the record it came in, and the sequence of what it is answered with."""

    record: ConsumedRecord
    input: Input
    seq: int

    @property
    def place(self) -> Place:
        """Where the events stand that it is answered with."""
        return self.input.partition, self.seq


@dataclass
class Round:
    """What became of the inputs of one call."""

    new: list[tuple[Judged, int, Rendered]] = field(default_factory=list)
    repeats: list[Repeat] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
