"""Types and operators of CEL, in words for people who write policies."""

from __future__ import annotations

from typing import Final

_TYPES: Final = {
    "string": "a text",
    "double": "a number",
    "int": "a whole number",
    "int64": "a whole number",
    "uint": "a whole number",
    "uint64": "a whole number",
    "bool": "true or false",
    "null": "null",
    "null_type": "null",
    "bytes": "bytes",
    "timestamp": "a time",
    "google.protobuf.timestamp": "a time",
    "duration": "a duration",
    "google.protobuf.duration": "a duration",
    "dyn": "a value of a case",
    "type": "a type",
}


def in_words(kind: str) -> str:
    """A CEL type in words: `string` is `a text`."""
    name = kind.strip().lower()
    if name.startswith("list"):
        return "a list"
    if name.startswith("map"):
        return "an object"
    return _TYPES.get(name, name)


def operation(name: str) -> str:
    """An operator or function as a policy writes it: `_>=_` is `>=`, `!_` is `!`, `_[_]` is `[ ]`."""
    return {"_[_]": "[ ]", "_?_:_": "? :", "@in": "in", "<jump_condition>": "&&, || or ? :"}.get(
        name, name.strip("_")
    )
