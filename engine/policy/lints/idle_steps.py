"""Find steps that can never grant a request, because every agent already has the mandates of the step."""

from __future__ import annotations

from collections.abc import Iterable

from engine.expressions.evaluation import Expression
from engine.policy.book import Mandate, PolicyBook
from engine.policy.lints.covering import Coverage, Row
from engine.policy.problems import PolicyProblem, warning
from engine.policy.tree import Node, each


def idle_steps(book: PolicyBook, tree: Node) -> list[PolicyProblem]:
    """A warning at the role of each such step.

    A mandate with a budget, or with an expression that uses `agent` or `now`, may fit another person or a
    later time. Any other mandate that every role has was tried before the request was escalated. The lint
    ignores requests of unknown agents, and requests with a prohibition that cannot be evaluated.
    """
    steps = [one for ladder in each(tree.get("escalation")) for one in each(ladder.get("steps"))]
    ordinary = _ordinary(book)
    problems: list[PolicyProblem] = []
    for role, step in zip(book.steps, steps, strict=True):
        own = _mandates(book, (role,))
        if own:
            idle = all(_is_held_by_all(row, ordinary, book) for row in own)
            text = f"`{role}` can grant no request that reaches this step: every role has its mandates too"
        else:
            idle = not _mandates(book, book.roles[role])
            text = f"`{role}` can grant no request that reaches this step: it has no mandate"
        if idle:
            problems.append(warning((step.get("to") or step).spot, text))
    return problems


def _mandates(book: PolicyBook, roles: Iterable[str]) -> list[Mandate]:
    return [row for role in roles if role in book.mandates for row in book.mandates[role].every()]


def _ordinary(book: PolicyBook) -> Coverage:
    """The mandates that cover others for every person at any time, without those that need a reason."""
    coverage = Coverage()
    for row in {row.place: row for row in _mandates(book, book.mandates)}.values():
        if row.discretion is None and not row.budgets and not _differs(row.when) and not _differs(row.limit):
            coverage.add(Row.of_mandate(row))
    return coverage


def _differs(part: object) -> bool:
    """Whether its value may differ for another person or later."""
    return isinstance(part, Expression) and (part.names_agent or part.names_now)


def _is_held_by_all(mandate: Mandate, coverage: Coverage, book: PolicyBook) -> bool:
    """Whether every role has this mandate, or others that cover it."""
    row = Row.of_mandate(mandate)
    for kind in row.kinds or (None,):
        if not frozenset(book.roles) <= frozenset().union(*(cover.roles for cover in coverage.of(row, kind))):
            return False
    return True
