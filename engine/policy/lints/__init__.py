"""What a policy says that can be used, and that its author can hardly mean: each a warning with its place."""

from __future__ import annotations

from collections.abc import Collection

from engine.policy.book import PolicyBook
from engine.policy.lints.idle_steps import idle_steps
from engine.policy.lints.near_misses import near_misses
from engine.policy.lints.unreachable import unreachable_mandates
from engine.policy.lints.unused import roles_nobody_has, unused_budgets, unused_roles
from engine.policy.problems import PolicyProblem
from engine.policy.tree import Node


def lint(book: PolicyBook, tree: Node, held: Collection[str] | None = None) -> list[PolicyProblem]:
    """Every warning about a policy that can be used. `held`: the roles that the staff have, where known."""
    return [
        *unreachable_mandates(book, tree),
        *unused_budgets(tree),
        *unused_roles(book, tree, held),
        *idle_steps(book, tree),
        *near_misses(tree),
        *(roles_nobody_has(book, tree, held) if held is not None else ()),
    ]
