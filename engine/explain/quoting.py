"""Quote an expression of the policy, with the values that the case has for its names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from engine.explain.explanation_line import ExplanationLine
from engine.explain.words import Speech
from engine.expressions.definitions import defined_in
from engine.expressions.evaluation import READERS, Expression, Failure, Surroundings
from engine.expressions.names import OPEN
from schemas.case import Case

_ABSENT: Final = object()


def quoted(
    expression: Expression, around: Surroundings, define: Mapping[str, str], speech: Speech, depth: int
) -> Iterator[ExplanationLine]:
    """The definitions that the expression uses, then each name in it with its value."""
    for name, text in defined_in(expression.text, define).items():
        yield ExplanationLine(depth, speech.say("why.define", name=name, text=text))
    for path in dict.fromkeys(expression.names):
        yield ExplanationLine(
            depth, speech.say("why.fact", name=".".join(path), value=_value(path, around, speech))
        )
    if expression.names_now:
        yield ExplanationLine(depth, speech.say("why.fact", name="now", value=speech.moment(around.now)))


def failed(key: str, failure: Failure, speech: Speech, **figures: object) -> str:
    """The reason why an expression failed: the text of `<key>.missing` or `<key>.error`."""
    if failure.fact is not None:
        return speech.say(f"{key}.missing", fact=failure.fact, **figures)
    return speech.say(f"{key}.error", error=failure.error, **figures)


def _value(path: tuple[str, ...], around: Surroundings, speech: Speech) -> str:
    if path == ("request", "amount") and around.money is not None:
        return speech.amount(around.money)
    found = _of_case(path, around.case) if path[0] in OPEN else _of_field(path, around)
    return speech.say("value.absent") if found is _ABSENT else speech.value(found)


def _of_field(path: tuple[str, ...], around: Surroundings) -> Any:
    value = READERS[path[0], path[1]](around)
    return _ABSENT if value is None else value


def _of_case(path: tuple[str, ...], case: Case) -> Any:
    """The value under `facts` or `claims`. As in expressions, only objects have fields."""
    value: Any = (case.facts if path[0] == "facts" else case.claims) or {}
    for key in path[1:]:
        if not isinstance(value, dict) or key not in value:
            return _ABSENT
        value = value[key]
    return value
