"""Load the canonical JSON of a published policy into the book that a worker judges by.

Workers read no YAML: `mandaat publish policy` checks the YAML and publishes the JSON beside it.
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
    """The policy of this canonical JSON, ready to judge by.

    It is checked again, because others may write to the topic too. Raises PolicyProblems, without places.
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
    """Put each definition after those that it uses; canonical JSON sorts them by name."""
    define = document.get("define") if isinstance(document, dict) else None
    if not isinstance(define, dict) or not all(isinstance(text, str) for text in define.values()):
        return document
    return {**document, "define": in_order_of_use(define)}
