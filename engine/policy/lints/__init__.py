"""Warnings about a policy that can be used, but probably does not do what its author meant."""

from __future__ import annotations

from collections.abc import Collection

from engine.policy.book import PolicyBook
from engine.policy.lints.idle_steps import idle_steps
from engine.policy.lints.missing_facts import missing_facts
from engine.policy.lints.near_misses import near_misses
from engine.policy.lints.unreachable import unreachable_mandates
from engine.policy.lints.unused import roles_nobody_has, unused_budgets, unused_labels, unused_roles
from engine.policy.problems import PolicyProblem
from engine.policy.tree import Node


def lint(book: PolicyBook, tree: Node, staff_roles: Collection[str] | None = None) -> list[PolicyProblem]:
    """All warnings about a policy without errors. `staff_roles`: the roles of the staff, if known."""
    return [
        *unreachable_mandates(book, tree),
        *unused_budgets(tree),
        *unused_labels(tree),
        *unused_roles(book, tree, staff_roles),
        *idle_steps(book, tree),
        *near_misses(tree),
        *missing_facts(book, tree),
        *(roles_nobody_has(book, tree, staff_roles) if staff_roles is not None else ()),
    ]
