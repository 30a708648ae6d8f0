"""The outcome of a batch: unfinished partitions and dead letters. All other inputs are decided."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol, TypeVar

from engine.inputs import Input
from schemas.errors import Unreadable
from services.chassis.kafka.dead_letters import ConsumedRecord
from services.rules.ledger.take_over import FailedPublish


class HasRecord(Protocol):
    """Anything that came in a record, and so belongs to the record's partition."""

    @property
    def record(self) -> ConsumedRecord:
        """The record it came in."""
        ...


T = TypeVar("T", bound=HasRecord)


class ReceivedInput(NamedTuple):
    """An input and the record it came in."""

    record: ConsumedRecord
    input: Input


class DeadLetter(NamedTuple):
    """A record that can never be handled, and why."""

    record: ConsumedRecord
    why: Unreadable


@dataclass(frozen=True)
class BatchOutcome:
    """The partitions of a batch that are not finished, and the dead letters. Parts of it combine with `|`.

    The offsets of an unfinished partition are not committed, so its records come again.
    """

    take_over: Mapping[int, FailedPublish | None] = field(default_factory=dict)
    """Partitions that may have something pending in the ledger, with the publish that failed if one did."""
    retry: AbstractSet[int] = frozenset()
    """Partitions with nothing pending: something else was away."""
    dead_letters: tuple[DeadLetter, ...] = ()

    def __or__(self, other: BatchOutcome) -> BatchOutcome:
        return BatchOutcome(
            {**self.take_over, **other.take_over},
            self.retry | other.retry,
            self.dead_letters + other.dead_letters,
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
        return [one for one in those if one.record.partition not in unfinished]


FINISHED: Final = BatchOutcome()
"""No partition is unfinished, and there is no dead letter."""


def partitions_of(those: Iterable[HasRecord]) -> frozenset[int]:
    """The partitions that they came from."""
    return frozenset([one.record.partition for one in those])
