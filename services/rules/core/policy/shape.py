"""The shape of a policy file: which keys it has, and of what they are; every problem with its place."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError

from services.rules.core.policy.document import NOT_YET, PolicyDocument
from services.rules.core.policy.problems import Problem, problem
from services.rules.core.policy.yaml_tree import Node, Path

_ID: Final = "must be an id: small letters, digits, `_` and `-`, beginning with a letter or digit"
_TEXTS: Final[Mapping[str, str]] = {
    "string_type": "must be text; put it in quotes",
    "string_too_short": "is empty",
    "list_type": "must be a list",
    "dict_type": "must be a mapping of names to values",
    "model_type": "must be a mapping of keys to values",
    "model_attributes_type": "must be a mapping of keys to values",
}


def read_shape(tree: Node) -> tuple[PolicyDocument | None, list[Problem]]:
    """The document, or None with all that is wrong with its shape."""
    plain = tree.plain()
    if not isinstance(plain, dict):
        return None, [problem(tree.spot, "a policy is a mapping; it begins with `policy: <tenant>`")]
    try:
        return PolicyDocument.model_validate(plain), []
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=True, include_context=True)
        return None, list(dict.fromkeys(entry for one in found if (entry := _problem(tree, one)) is not None))


def _problem(tree: Node, one: Mapping[str, Any]) -> Problem | None:
    path: Path = tuple(step for step in one["loc"] if step != "[key]")
    kind, context = str(one["type"]), one.get("ctx") or {}
    node, _ = tree.find(path)
    if kind == "missing":
        return problem(node.spot, f"`{path[-1]}` is missing{_in(path[:-1], node)}")
    if kind == "extra_forbidden":
        parent, _ = tree.find(path[:-1])
        return problem(parent.key_spot(str(path[-1])), _unknown(path))
    if one["input"] is None or one["input"] == "":
        return None  # already said: it is empty
    spot = node.spot
    if "[key]" in one["loc"]:
        spot = tree.find(path[:-1])[0].key_spot(str(path[-1]))
    return problem(spot, f"{_called(path)} {_text(kind, path, one, context)}")


def _text(kind: str, path: Path, one: Mapping[str, Any], context: Mapping[str, Any]) -> str:
    if kind == "too_short":
        return "is empty; name at least one, or take it out"
    if kind == "string_too_long":
        return f"is longer than {context['max_length']} characters"
    if kind == "string_pattern_mismatch":
        return _pattern_text(path, "[key]" in one["loc"])
    return _TEXTS.get(kind, str(one["msg"]))


def _pattern_text(path: Path, is_key: bool) -> str:
    if path == ("currency",):
        return "must be three capitals, such as EUR (ISO 4217)"
    if is_key and path[0] == "define":
        return (
            "must be letters, digits and `_`, not beginning with a digit, so that an expression can name it"
        )
    if len(path) > 2 and path[2] in ("grants", "kinds"):
        return f'{_ID}; or "*" for every kind'
    return _ID


def _called(path: Path) -> str:
    names = [step for step in path if isinstance(step, str)]
    if not names:
        return "this"
    return f"this entry of `{names[-1]}`" if isinstance(path[-1], int) else f"`{names[-1]}`"


def _in(path: Path, node: Node) -> str:
    if not path:
        return ""
    owner = node.get("id")
    return f" in {path[0]}: {owner.text}" if owner is not None and owner.text else f" here, in {path[0]}"


def _unknown(path: Path) -> str:
    key = str(path[-1])[:60]
    if key in NOT_YET:
        return f"`{key}` is not supported yet; a policy that needs it cannot be used, so take it out"
    known = _keys(path[:-1])
    close = get_close_matches(key, known, 1)
    return f"unknown key `{key}`; " + (
        f"did you mean `{close[0]}`?" if close else f"known are {', '.join(known)}"
    )


def _keys(path: Path) -> list[str]:
    """The keys that a mapping at this path may have."""
    model: Any = PolicyDocument
    for step in path:
        if isinstance(step, str) and isinstance(model, type) and issubclass(model, BaseModel):
            fields = {field.alias or name: field for name, field in model.model_fields.items()}
            model = _model_in(fields[step].annotation) if step in fields else None
    return [field.alias or name for name, field in model.model_fields.items()] if model else []


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part)) is not None), None)
