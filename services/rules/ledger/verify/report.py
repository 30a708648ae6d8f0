"""The result of comparing the ledger with the journal."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final, NamedTuple

MOST_EXAMPLES: Final = 100
"""All differences are counted, and so many are shown."""


class LedgerDifference(NamedTuple):
    """A field in which ledger and journal differ; None if one of them does not have it."""

    key: str
    field: str
    ledger: str | None
    journal: str | None


@dataclass
class VerificationReport:
    """How much was compared, and what differs. `examples` are the first differences."""

    records: int = 0
    compared: Counter[str] = field(default_factory=Counter)
    examples: list[LedgerDifference] = field(default_factory=list)
    _known: set[tuple[str, str]] = field(default_factory=set)

    def add(self, one: LedgerDifference) -> None:
        """Count a difference, unless it was found before."""
        if (one.key, one.field) in self._known:
            return
        self._known.add((one.key, one.field))
        if len(self.examples) < MOST_EXAMPLES:
            self.examples.append(one)

    @property
    def differences(self) -> int:
        """The number of differences."""
        return len(self._known)
