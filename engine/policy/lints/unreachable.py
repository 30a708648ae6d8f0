"""Find mandates that are never used, because the rows before them answer all of their requests."""

from __future__ import annotations

from collections.abc import Mapping

from engine.policy.book import Mandate, PolicyBook
from engine.policy.lints.covering import Coverage, Row
from engine.policy.problems import PolicyProblem, warning
from engine.policy.tree import Node, each

_MOST_NAMED = 3


def unreachable_mandates(book: PolicyBook, tree: Node) -> list[PolicyProblem]:
    """A warning at the id of each such mandate. Several rows together may cover its roles and kinds."""
    coverage = Coverage()
    for prohibition in book.prohibitions.every():
        coverage.add(Row.of_prohibition(prohibition, frozenset(book.roles)))
    nodes = list(each(tree.get("mandates")))
    lines = {True: _lines(tree, "prohibitions"), False: _lines(tree, "mandates")}
    problems: list[PolicyProblem] = []
    for mandate in _as_tried(book):
        row = Row.of_mandate(mandate)
        covers = _covers(row, coverage)
        if covers is not None:
            spot = (nodes[mandate.place].get("id") or nodes[mandate.place]).spot
            problems.append(warning(spot, f"this mandate is never used: {_in_words(covers, lines)}"))
        elif not mandate.budgets:
            coverage.add(row)
    return problems


def _as_tried(book: PolicyBook) -> list[Mandate]:
    """All mandates, in the order in which they are tried (docs/policy.md, How a request is judged)."""
    rows = {row.place: row for by_kind in book.mandates.values() for row in by_kind.every()}
    return sorted(rows.values(), key=lambda row: (row.discretion is not None, row.place))


def _covers(row: Row, coverage: Coverage) -> list[Row] | None:
    """The rows that together cover the row for each of its kinds and roles; None if some are not covered."""
    found: dict[Row, None] = {}
    for kind in sorted(row.kinds) if row.kinds is not None else (None,):
        covers = list(coverage.of(row, kind))
        alone = [cover for cover in covers if row.roles <= cover.roles]
        if not row.roles <= frozenset().union(*(cover.roles for cover in covers)):
            return None
        found |= dict.fromkeys(alone[:1] or covers)
    return sorted(found, key=lambda cover: not cover.forbids)


def _lines(tree: Node, section: str) -> dict[str | None, int]:
    """The line number of each id in a section."""
    return {
        name.text: name.spot.line for row in each(tree.get(section)) if (name := row.get("id")) is not None
    }


def _in_words(covers: list[Row], lines: Mapping[bool, Mapping[str | None, int]]) -> str:
    parts: list[str] = []
    for forbids, one, several in (
        (True, "prohibits", "prohibit"),
        (False, "is tried before it and grants", "are tried before it and grant"),
    ):
        named = [f"`{row.id}` (line {lines[forbids][row.id]})" for row in covers if row.forbids is forbids]
        if named:
            parts.append(f"{_and(named)} {one if len(named) == 1 else several}")
    return f"{', and '.join(parts)} all that it would{' grant' if covers[0].forbids else ''}"


def _and(named: list[str]) -> str:
    if len(named) > _MOST_NAMED:
        named = [*named[:_MOST_NAMED], f"{len(named) - _MOST_NAMED} more"]
    return named[0] if len(named) == 1 else f"{', '.join(named[:-1])} and {named[-1]}"
