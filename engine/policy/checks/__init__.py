"""The checks of a policy: first its shape, then its meaning."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from engine.policy.checks.meaning import Meaning, read_meaning
from engine.policy.checks.shape import read_shape
from engine.policy.document import PolicyDocument
from engine.policy.problems import PolicyProblem
from engine.policy.tree import Node


class CheckedTree(NamedTuple):
    """The document and its meaning; `document` is None if one of the problems is an error."""

    document: PolicyDocument | None
    meaning: Meaning
    problems: tuple[PolicyProblem, ...]


def check_tree(tree: Node, found: Iterable[PolicyProblem] = ()) -> CheckedTree:
    """Check a policy. `found`: the problems that were found when the file was read."""
    document, shape = read_shape(tree)
    meaning = read_meaning(tree) if tree.entries is not None else Meaning()
    problems = tuple(sorted(dict.fromkeys([*found, *shape, *meaning.problems])))
    if any(one.severity == "error" for one in problems):
        document = None
    return CheckedTree(document, meaning, problems)
