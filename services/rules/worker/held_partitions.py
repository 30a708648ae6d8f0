"""The partitions that this worker holds, and the confirm that is due on each (docs/ledger.md, The worker)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from services.rules.ledger.protocol import Confirm, Part
from services.rules.worker.rounds import MOST_HALVINGS


@dataclass
class Held:
    """The generation under which a partition is held, and the confirm that is due."""

    gen: int
    due: Confirm | None = None


class HeldPartitions:
    """The partitions on which this worker may settle."""

    def __init__(self) -> None:
        self._held: dict[int, Held] = {}
        self._halvings: dict[int, int] = {}

    def __contains__(self, p: int) -> bool:
        return p in self._held

    @property
    def held(self) -> frozenset[int]:
        """The numbers of the held partitions."""
        return frozenset(self._held)

    @property
    def due(self) -> frozenset[int]:
        """The partitions with a confirm that was not sent yet."""
        return frozenset(p for p, held in self._held.items() if held.due is not None)

    def hold(self, p: int, gen: int) -> None:
        """Partition p is taken, and nothing is pending on it."""
        self._held[p] = Held(gen)

    def drop(self, partitions: Iterable[int]) -> None:
        """Stop settling on these: they were revoked, failed or fenced."""
        for p in partitions:
            self._held.pop(p, None)

    def published(self, p: int, gen: int, confirm: Confirm) -> None:
        """The journal has acknowledged a round of p; the next call confirms it.

        If p is no longer held under the generation that settled the round, there is nothing to confirm: the
        next owner reads the round from the journal.
        """
        held = self._held.get(p)
        if held is not None and held.gen == gen:
            held.due = confirm

    def repeated(self, p: int, gen: int, next_offset: int) -> None:
        """The journal has acknowledged repeats of p; the due confirm covers them too."""
        held = self._held.get(p)
        if held is not None and held.gen == gen:
            due = Confirm(None, next_offset) if held.due is None else held.due
            held.due = due._replace(next_offset=next_offset)

    def parts(self, partitions: Iterable[int]) -> list[Part]:
        """The parts of a call about these partitions, without those that are not held."""
        mine = sorted(self._held.keys() & set(partitions))
        return [Part(p, self._held[p].gen, self._held[p].due) for p in mine]

    def confirmed(self, parts: Iterable[Part]) -> None:
        """The call with these parts was answered, so its confirms are not due any more."""
        for part in parts:
            held = self._held.get(part.p)
            if held is not None and held.due is part.confirm:
                held.due = None

    def halvings(self, partitions: Iterable[int]) -> int:
        """How often the size of a call is halved after failures. A take-over does not reset it."""
        return max((self._halvings.get(p, 0) for p in partitions), default=0)

    def slow_down(self, partitions: Iterable[int]) -> None:
        """A call about these failed. The next one is smaller, so that it gets through in the end."""
        for p in partitions:
            self._halvings[p] = min(self._halvings.get(p, 0) + 1, MOST_HALVINGS)

    def speed_up(self, partitions: Iterable[int]) -> None:
        """A call about these was answered quickly."""
        for p in partitions:
            if self._halvings.get(p, 0) > 1:
                self._halvings[p] -= 1
            else:
                self._halvings.pop(p, None)
