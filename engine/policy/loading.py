"""Load the canonical JSON of a published policy into the book that a worker judges by.

Workers do not read YAML. `mandaat publish policy` checks the YAML and publishes the JSON with it.
"""

from __future__ import annotations

import json
from typing import Any

from engine.expressions.definitions import in_order_of_use
from engine.policy.binding import bind
from engine.policy.book import PolicyBook
from engine.policy.canonical import digest_of
from engine.policy.checks import check_tree
from engine.policy.problems import NOWHERE, PolicyProblems, problem
from engine.policy.tree import Node, tree_of


def load_policy(canonical: str) -> PolicyBook:
    """The book of this canonical JSON.

    The policy is checked again, because other programs may write to the topic too. Raises PolicyProblems; the
    problems have no places.
    """
    tree = _read(canonical)
    document, meaning, problems = check_tree(tree)
    if document is None:
        raise PolicyProblems(one for one in problems if one.severity == "error")
    return bind(document, tree, meaning, digest_of(canonical))


def _read(canonical: str) -> Node:
    try:
        return tree_of(_with_definitions_in_order(json.loads(canonical)))
    except (ValueError, RecursionError) as error:
        raise PolicyProblems([problem(NOWHERE, f"not the JSON of a policy: {error}")]) from error


def _with_definitions_in_order(document: Any) -> Any:
    """Put each definition after those that it uses, because canonical JSON sorts them by name."""
    define = document.get("define") if isinstance(document, dict) else None
    if not isinstance(define, dict) or not all(isinstance(text, str) for text in define.values()):
        return document
    return {**document, "define": in_order_of_use(define)}
