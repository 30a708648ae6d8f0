"""Suggest how to correct a text that is not YAML, for people who cannot read a parser's messages."""

from __future__ import annotations

from typing import Final

from ruamel.yaml.error import MarkedYAMLError

_NOT_CLOSED: Final = {
    "while parsing a flow mapping": (
        "the `{` of line {line}",
        "is not closed by a `}`, or a comma is missing",
    ),
    "while parsing a flow sequence": (
        "the `[` of line {line}",
        "is not closed by a `]`, or a comma is missing",
    ),
    "while scanning a quoted scalar": ("the quote that begins on line {line}", "is not closed"),
}


def remedy(error: MarkedYAMLError) -> str:
    """The suggestion to append to the message of the parser; empty if none is known."""
    problem = error.problem or ""
    if "'\\t'" in problem:
        return "; this is a tab: use spaces"
    if "cannot start any token" in problem:
        return "; put the value in quotes"
    if "could not find expected ':'" in problem:
        return "; a key ends in a colon, as in `currency: EUR`"
    if "mapping values are not allowed" in problem:
        return "; keys of one level start in the same column; put a value with `: ` in quotes"
    opening = _NOT_CLOSED.get(error.context or "")
    if opening is None or error.context_mark is None:
        return ""
    opened, flaw = opening
    return f"; {opened.replace('{line}', str(error.context_mark.line + 1))} {flaw}"
