"""Which partitions this worker owns, and what is due on each (LEDGER.md, Worker)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from services.rules.ledger.protocol import Confirm, Part
from services.rules.worker.rounds import MOST_HALVINGS


@dataclass
class Owned:
    """A partition that was taken: the generation under which it is held, and the confirm that is due."""

    gen: int
    due: Confirm | None = None


class HeldPartitions:
    """The partitions that this worker holds and may settle on."""

    def __init__(self) -> None:
        self._held: dict[int, Owned] = {}
        self._halvings: dict[int, int] = {}

    def __contains__(self, p: int) -> bool:
        return p in self._held

    @property
    def held(self) -> frozenset[int]:
        """Their numbers."""
        return frozenset(self._held)

    @property
    def due(self) -> frozenset[int]:
        """Those with a confirm that was not sent."""
        return frozenset(p for p, owned in self._held.items() if owned.due is not None)

    def hold(self, p: int, gen: int) -> None:
        """Partition p was taken, and nothing is pending on it."""
        self._held[p] = Owned(gen)

    def drop(self, partitions: Iterable[int]) -> None:
        """These are no longer to be settled on: revoked, failed or fenced."""
        for p in partitions:
            self._held.pop(p, None)

    def published(self, p: int, gen: int, confirm: Confirm) -> None:
        """The journal has acknowledged a round of p: it is confirmed with the next call.

        Nothing to confirm where p is no longer held as it was when the round was settled: whoever takes it
        reads that round from the journal.
        """
        owned = self._held.get(p)
        if owned is not None and owned.gen == gen:
            owned.due = confirm

    def repeated(self, p: int, gen: int, next_offset: int) -> None:
        """The journal has acknowledged repeats of p: the confirm that is due reaches this far now."""
        owned = self._held.get(p)
        if owned is not None and owned.gen == gen:
            due = Confirm(None, next_offset) if owned.due is None else owned.due
            owned.due = due._replace(next_offset=next_offset)

    def parts(self, partitions: Iterable[int]) -> list[Part]:
        """What a call says of those that are held; the confirms in it are not due once it is answered."""
        mine = sorted(self._held.keys() & set(partitions))
        return [Part(p, self._held[p].gen, self._held[p].due) for p in mine]

    def confirmed(self, parts: Iterable[Part]) -> None:
        """The call with these parts was answered."""
        for part in parts:
            owned = self._held.get(part.p)
            if owned is not None and owned.due is part.confirm:
                owned.due = None

    def halvings(self, partitions: Iterable[int]) -> int:
        """How often what one call settles is halved, as calls about these failed; also after a take-over."""
        return max((self._halvings.get(p, 0) for p in partitions), default=0)

    def slow_down(self, partitions: Iterable[int]) -> None:
        """A call about these failed: less at once, so that what took too long goes through in the end."""
        for p in partitions:
            self._halvings[p] = min(self._halvings.get(p, 0) + 1, MOST_HALVINGS)

    def speed_up(self, partitions: Iterable[int]) -> None:
        """A call about these was answered soon."""
        for p in partitions:
            if self._halvings.get(p, 0) > 1:
                self._halvings[p] -= 1
            else:
                self._halvings.pop(p, None)
