"""Check the shape of a policy: its keys and the types of their values."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from engine.policy.document import ID_FORM, INLINE_FORM, MAX_COUNT, PolicyDocument
from engine.policy.problems import PolicyProblem, problem
from engine.policy.tree import Node, Path

_ID: Final = "must be an id: small letters, digits, `_` and `-`, beginning with a letter or digit"
_DURATION: Final = "must be a time such as 30m, 4h or 5d"
_LONGEST_QUOTED: Final = 60
_MARKS: Final = frozenset(("[key]", ID_FORM, INLINE_FORM))
"""Steps in the paths of pydantic that are not in the file."""
_TEXTS: Final[Mapping[str, str]] = {
    "string_type": "must be text; put it in quotes",
    "string_too_short": "is empty",
    "list_type": "must be a list",
    "dict_type": "must be a mapping of names to values",
    "model_type": "must be a mapping of keys to values",
    "model_attributes_type": "must be a mapping of keys to values",
    "int_type": "must be a whole number",
}
_PATTERNS: Final[Mapping[str, str]] = {
    "currency": "must be three capitals, such as EUR (ISO 4217)",
    "holidays": "must be the two capitals of a country, such as NL (ISO 3166)",
    "window": "must be hour, day, week, month, quarter, year, or 1 to 366 days such as 30d",
    "review_within": _DURATION,
    "promise": _DURATION,
    "within": _DURATION,
    "acknowledge_within": _DURATION,
}
"""The required form of a text, by key."""


def read_shape(tree: Node) -> tuple[PolicyDocument | None, list[PolicyProblem]]:
    """The document and no problems, or None and all problems of its shape."""
    plain = tree.plain()
    if not isinstance(plain, dict):
        return None, [problem(tree.spot, "a policy is a mapping; it begins with `policy: <tenant>`")]
    try:
        return PolicyDocument.model_validate(plain), []
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=True, include_context=True)
        return None, list(dict.fromkeys(entry for one in found if (entry := _problem(tree, one)) is not None))


def _problem(tree: Node, one: Mapping[str, Any]) -> PolicyProblem | None:
    path: Path = tuple(step for step in one["loc"] if step not in _MARKS)
    kind, context = str(one["type"]), one.get("ctx") or {}
    node, _ = tree.find(path)
    if kind == "missing":
        return problem(node.spot, f"`{path[-1]}` is missing{_owner(path[:-1], node)}")
    if kind == "extra_forbidden":
        parent, _ = tree.find(path[:-1])
        return problem(parent.key_spot(str(path[-1])), _unknown(path))
    if one["input"] is None or one["input"] == "":
        return None  # parse_yaml has already reported that it is empty
    spot = node.spot
    if "[key]" in one["loc"]:
        spot = tree.find(path[:-1])[0].key_spot(str(path[-1]))
    return problem(spot, f"{_subject(path)} {_text(kind, path, one, context)}{_in_quotes(kind, path, node)}")


def _in_quotes(kind: str, path: Path, node: Node) -> str:
    """How a text is to be written that YAML has read as something else."""
    if kind != "string_type" or node.text is None:
        return ""
    if isinstance(node.value, bool):
        word = "yes" if node.value else "NO" if path[-1] == "holidays" else "no"
        return f', such as "{word}"; tools that read YAML 1.1 turn NO, off or yes into true or false'
    if isinstance(node.value, float) and str(node.value) != node.text:
        return f': "{node.text}", because without them it is the number {node.value}'
    return f': "{node.text}"' if len(node.text) <= _LONGEST_QUOTED else ""


def _text(kind: str, path: Path, one: Mapping[str, Any], context: Mapping[str, Any]) -> str:
    if path[-1] == "discretion" and kind in ("model_type", "model_attributes_type"):
        return "must be a mapping; write {}, or `review_within` and `reviewer` under it"
    if kind == "too_short":
        return "is empty; name at least one, or remove it"
    if kind == "string_too_long":
        return f"is longer than {context['max_length']} characters"
    if kind == "literal_error":
        return f"must be {str(context['expected']).replace(chr(39), '')}"
    if kind in ("greater_than_equal", "less_than_equal"):
        return f"must be between 1 and {MAX_COUNT:,}"
    if kind == "string_pattern_mismatch":
        return _pattern_text(path, "[key]" in one["loc"])
    return _TEXTS.get(kind, str(one["msg"]))


def _pattern_text(path: Path, is_key: bool) -> str:
    if is_key and path[0] == "define":
        return (
            "must be letters, digits and `_`, not beginning with a digit, so that an expression can name it"
        )
    if path[0] == "hours":
        return "must be days, such as mon or mon-fri" if is_key else "must be a period such as 08:00-20:00"
    if path[0] == "kinds" and not is_key:
        return "must be one line, without spaces around it"
    if len(path) > 2 and path[2] in ("grants", "kinds"):
        return f'{_ID}; or "*" for every kind'
    return _PATTERNS.get(str(path[-1]), _ID)


def _subject(path: Path) -> str:
    names = [step for step in path if isinstance(step, str)]
    if not names:
        return "this"
    return f"this entry of `{names[-1]}`" if isinstance(path[-1], int) else f"`{names[-1]}`"


def _owner(path: Path, node: Node) -> str:
    if not path:
        return ""
    owner, section = node.get("id"), [step for step in path if isinstance(step, str)]
    if owner is not None and owner.text:
        return f" in {section[-1]}: {owner.text}"
    return f" in {path[0]}: {path[1]}" if len(section) == len(path) == 2 else f" here, in {section[-1]}"


def _unknown(path: Path) -> str:
    key = str(path[-1])[:60]
    if key.isdigit():
        return f"unknown key `{key}`; write a number with a point, not a comma: 60.00"
    known = _keys(path[:-1])
    close = get_close_matches(key, known, 1)
    return f"unknown key `{key}`; " + (
        f"did you mean `{close[0]}`?" if close else f"known keys: {', '.join(known)}"
    )


def _keys(path: Path) -> list[str]:
    """The keys that a mapping at this path may have."""
    part: Any = PolicyDocument
    for step in path:
        model = model_in(part)
        known = _fields(model) if model is not None and part is model else {}
        # Other steps are positions in a list or names that the author chose; the model stays the same.
        part = known[str(step)].annotation if step in known else model
    model = model_in(part)
    return list(_fields(model)) if model is not None else []


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    return {field.alias or name: field for name, field in model.model_fields.items()}


def model_in(annotation: Any) -> type[BaseModel] | None:
    """The model in the annotation of a field, even inside a list or an optional type."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := model_in(part)) is not None), None)
