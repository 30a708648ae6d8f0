"""A line of an explanation."""

from __future__ import annotations

from typing import Final, NamedTuple


class ExplanationLine(NamedTuple):
    """A sentence and its indentation: 0 for a heading."""

    depth: int
    text: str

    def __str__(self) -> str:
        return "  " * self.depth + self.text


BLANK: Final = ExplanationLine(0, "")
"""The blank line between the parts of an explanation."""
