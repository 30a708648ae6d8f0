"""The outcome of a batch: unfinished partitions, and inputs that can never be decided.

All other inputs are decided.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol, TypeVar

from engine.inputs import Input
from schemas.errors import Unreadable
from services.chassis.kafka.dead_letters import ConsumedRecord
from services.rules.ledger.take_over import FailedPublish


class HasInput(Protocol):
    """Anything with an input, and so with the input's partition."""

    @property
    def input(self) -> Input:
        """The input."""
        ...


T = TypeVar("T", bound=HasInput)


class ReceivedInput(NamedTuple):
    """An input, and the record it came in; None if it came in no record."""

    input: Input
    record: ConsumedRecord | None

    @property
    def size(self) -> int:
        """The bytes of its record's value; 0 without a record."""
        return 0 if self.record is None else len(self.record.value or b"")


class Undecidable(NamedTuple):
    """An input that can never be decided, its record if it came in one, and why."""

    input: Input
    record: ConsumedRecord | None
    why: Unreadable


@dataclass(frozen=True)
class BatchOutcome:
    """The partitions of a batch that are not finished, and the inputs that can never be decided.

    Parts of it combine with `|`.

    The offsets of an unfinished partition are not committed, so its records come again.
    """

    take_over: Mapping[int, FailedPublish | None] = field(default_factory=dict)
    """Partitions that may have something pending in the ledger, with the publish that failed if one did."""
    retry: AbstractSet[int] = frozenset()
    """Partitions with nothing pending: something else was away."""
    undecidable: tuple[Undecidable, ...] = ()

    def __or__(self, other: BatchOutcome) -> BatchOutcome:
        return BatchOutcome(
            {**self.take_over, **other.take_over},
            self.retry | other.retry,
            self.undecidable + other.undecidable,
        )

    @property
    def unfinished(self) -> frozenset[int]:
        """Every partition whose records come again."""
        return frozenset(self.retry | self.take_over.keys())

    def remaining(self, those: Sequence[T]) -> Sequence[T]:
        """The items whose partition is not unfinished."""
        unfinished = self.unfinished
        if not unfinished:
            return those
        return [one for one in those if one.input.partition not in unfinished]


FINISHED: Final = BatchOutcome()
"""No partition is unfinished, and every input can be decided."""


def partitions_of(those: Iterable[HasInput]) -> frozenset[int]:
    """The partitions of their cases."""
    return frozenset([one.input.partition for one in those])
