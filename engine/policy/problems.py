"""Errors and warnings about a policy, with their places in the file."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal, NamedTuple


class Spot(NamedTuple):
    """A place in a file. Lines and columns count from 1; columns are characters."""

    line: int
    column: int


NOWHERE: Final = Spot(0, 0)
"""The place of all nodes that are read from JSON."""


class PolicyProblem(NamedTuple):
    """An error, or a warning about a policy that can still be used."""

    line: int
    column: int
    text: str
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        place = f"{self.line}:{self.column}: " if self.line else ""
        return f"{place}{'warning: ' if self.severity == 'warning' else ''}{self.text}"


class PolicyProblems(Exception):  # noqa: N818 - it holds all problems of a file, not one error
    """The policy cannot be used. `problems` holds all problems in file order."""

    def __init__(self, problems: Iterable[PolicyProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(map(str, self.problems)))


def problem(spot: Spot, text: str) -> PolicyProblem:
    """An error at that place."""
    return PolicyProblem(spot.line, spot.column, text)


def warning(spot: Spot, text: str) -> PolicyProblem:
    """A warning at that place."""
    return PolicyProblem(spot.line, spot.column, text, "warning")
