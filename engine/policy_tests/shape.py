"""Read a file of policy tests, and check its shape."""

from __future__ import annotations

import json
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, Final, NamedTuple

from pydantic import BaseModel, ValidationError

from engine.policy.checks.shape import model_in
from engine.policy.problems import PolicyProblem, PolicyProblems, problem
from engine.policy.tree import Node, Path
from engine.policy.yaml.reading import parse_yaml
from engine.policy_tests.document import PolicyTestsDocument

_TEXTS: Final[Mapping[str, str]] = {
    "string_type": "must be text; put it in quotes",
    "string_too_short": "is empty",
    "list_type": "must be a list",
    "dict_type": "must be a mapping of keys to values",
    "model_type": "must be a mapping of keys to values",
    "model_attributes_type": "must be a mapping of keys to values",
    "too_short": "is empty; name at least one",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "timezone_aware": "must be a time with its offset from UTC, such as 2026-03-02T08:00:00Z",
    "datetime_from_date_parsing": "must be a time in quotes (RFC 3339), such as 2026-03-02T08:00:00Z",
}


class TestsFile(NamedTuple):
    """A file of tests as a document, and as a tree with places."""

    document: PolicyTestsDocument
    tree: Node


def read_file(text: str) -> tuple[TestsFile | None, list[PolicyProblem]]:
    """The file and no problems, or None and all problems of its shape."""
    try:
        tree, problems = parse_yaml(text)
    except PolicyProblems as unread:
        return None, list(unread.problems)
    plain = tree.plain()
    if not isinstance(plain, dict):
        return None, [*problems, problem(tree.spot, "a file of tests is a mapping; it begins with `policy:`")]
    if problems:
        return None, problems
    try:
        return TestsFile(PolicyTestsDocument.model_validate_json(json.dumps(plain)), tree), []
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=True)
        return None, sorted(dict.fromkeys(_problem(tree, one) for one in found))


def unknown_key(key: str, known: list[str]) -> str:
    """The message about an unknown key."""
    close = get_close_matches(key, known, 1)
    said = f"did you mean `{close[0]}`?" if close else f"known keys: {', '.join(known)}"
    return f"unknown key `{key[:60]}`; {said}"


def _problem(tree: Node, one: Mapping[str, Any]) -> PolicyProblem:
    path: Path = tuple(one["loc"])
    kind, context = str(one["type"]), one.get("ctx") or {}
    node, _ = tree.find(path)
    if kind == "missing":
        return problem(node.spot, f"`{path[-1]}` is missing here")
    if kind == "extra_forbidden":
        parent, _ = tree.find(path[:-1])
        return problem(parent.key_spot(str(path[-1])), unknown_key(str(path[-1]), _keys(path[:-1])))
    name = next((step for step in reversed(path) if isinstance(step, str)), "this")
    if kind == "literal_error":
        text = f"must be {str(context['expected']).replace(chr(39), '')}"
    elif kind == "string_too_long":
        text = f"is longer than {context['max_length']} characters"
    else:
        text = _TEXTS.get(kind, str(one["msg"]))
    return problem(node.spot, f"`{name}` {text}")


def _keys(path: Path) -> list[str]:
    """The keys that a mapping at this path may have."""
    model: type[BaseModel] = PolicyTestsDocument
    for step in path:
        if isinstance(step, str) and step in model.model_fields:
            model = model_in(model.model_fields[step].annotation) or model
    return list(model.model_fields)
