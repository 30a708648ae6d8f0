"""The result of a part of the benchmarks: rows of figures, one figure a round."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from deploy.local.stack import Stack

ShowProgress = Callable[[str], None]
"""Called with a text about the progress."""


@dataclass(frozen=True)
class Row:
    """One measurement, with a figure a round. `aim` is in words; `at_most` decides whether it is met."""

    what: str
    unit: str
    rounds: Sequence[float]
    aim: str = ""
    at_most: float | None = None

    @property
    def median(self) -> float:
        """The median of the rounds."""
        return median(self.rounds)

    def as_json(self) -> dict[str, Any]:
        """The row, as benchmarks.json holds it."""
        figures = [round(one, 4) for one in self.rounds]
        return {
            "what": self.what,
            "unit": self.unit,
            "median": round(self.median, 4),
            "lowest": min(figures),
            "highest": max(figures),
            "rounds": figures,
            "aim": self.aim,
            "met": None if self.at_most is None else self.median <= self.at_most,
        }


@dataclass(frozen=True)
class Size:
    """The size of a run: `cases` a round, and so on. With `stack`, everything runs on that stack."""

    rounds: int = 3
    cases: int = 30_000
    slow_cases: int = 2_000
    mandates: int = 10_000
    agents: int = 1_000_000
    pairs: int = 5
    per_second: int = 1_000
    seconds: int = 60
    journal: int = 1_000_000
    stack: Stack | None = None
    few: dict[str, int] = field(default_factory=lambda: {"mandates": 10, "agents": 100})


SMALL = Size(
    rounds=1,
    cases=400,
    slow_cases=60,
    mandates=100,
    agents=1_000,
    pairs=1,
    per_second=100,
    seconds=2,
    journal=2_000,
)
