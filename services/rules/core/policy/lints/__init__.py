"""What a policy says that can be used, and that its author can hardly mean: each a warning with its place."""

from __future__ import annotations

from collections.abc import Collection

from services.rules.core.policy.book import PolicyBook
from services.rules.core.policy.lints.idle_steps import idle_steps
from services.rules.core.policy.lints.near_misses import near_misses
from services.rules.core.policy.lints.unreachable import unreachable_mandates
from services.rules.core.policy.lints.unused import roles_nobody_has, unused_budgets, unused_roles
from services.rules.core.policy.problems import Problem
from services.rules.core.policy.yaml_tree import Node


def lint(book: PolicyBook, tree: Node, held: Collection[str] | None = None) -> list[Problem]:
    """Every warning about a policy that can be used. `held`: the roles that the staff have, where known."""
    return [
        *unreachable_mandates(book, tree),
        *unused_budgets(tree),
        *unused_roles(book, tree, held),
        *idle_steps(book, tree),
        *near_misses(tree),
        *(roles_nobody_has(book, tree, held) if held is not None else ()),
    ]
