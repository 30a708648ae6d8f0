"""Find prohibitions that cannot be judged for a case that lacks a fact."""

from __future__ import annotations

from engine.policy.book import PolicyBook
from engine.policy.problems import PolicyProblem, warning
from engine.policy.tree import Node, short


def missing_facts(book: PolicyBook, tree: Node) -> list[PolicyProblem]:
    """A warning at each prohibition that uses a fact without `has()`.

    Without the fact the prohibition cannot be judged, and then the request is escalated.
    """
    problems = []
    for row in book.prohibitions.every():
        when = tree.find(("prohibitions", row.place, "when"))[0]
        if row.when is not None and row.when.unchecked:
            fact = short(".".join(row.when.unchecked[0]))
            problems.append(
                warning(
                    when.spot,
                    f"a case without `{fact}` is escalated, because this prohibition cannot be judged;"
                    f" write `has({fact}) && ...`",
                )
            )
    return problems
