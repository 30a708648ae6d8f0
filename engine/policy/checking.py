"""Check the YAML of a policy file. The result is the book and the canonical JSON, or all problems."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from engine.policy.binding import bind
from engine.policy.book import PolicyBook
from engine.policy.canonical import canonical_json, digest_of
from engine.policy.checks import check_tree
from engine.policy.lints import lint
from engine.policy.problems import PolicyProblem, PolicyProblems, problem
from engine.policy.tree import Node
from engine.policy.yaml.reading import parse_yaml
from schemas.money import withdrawn


class CheckedPolicy(NamedTuple):
    """The book (None if the policy cannot be used), and all errors and warnings in file order."""

    book: PolicyBook | None
    problems: tuple[PolicyProblem, ...]
    canonical_json: str = ""
    """For workers; empty if there is no book."""


def check_policy(text: str, staff_roles: Collection[str] | None = None) -> CheckedPolicy:
    """Check a policy file. Report all errors; if there are none, also all warnings.

    `staff_roles`: the roles that people on the staff have, if known. The policy is compared with them too.
    """
    try:
        tree, found = parse_yaml(text)
    except PolicyProblems as unreadable:
        return CheckedPolicy(None, tuple(sorted(unreadable.problems)))
    document, meaning, problems = check_tree(tree, found)
    gone = _withdrawn_currency(tree)
    if document is None or gone is not None:
        problems = tuple(sorted([*problems, *([gone] if gone is not None else [])]))
        return CheckedPolicy(None, problems)
    canonical = canonical_json(tree.plain())
    book = bind(document, tree, meaning, digest_of(canonical))
    return CheckedPolicy(book, tuple(sorted([*problems, *lint(book, tree, staff_roles)])), canonical)


def _withdrawn_currency(tree: Node) -> PolicyProblem | None:
    """The problem of a currency that left ISO 4217. A policy that is published already may keep it."""
    node = tree.get("currency")
    gone = withdrawn(node.text) if node is not None and node.text is not None else None
    return None if node is None or gone is None else problem(node.spot, gone)
