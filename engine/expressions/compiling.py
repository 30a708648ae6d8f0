"""Compile an expression with the CEL library, and report each flaw with its position in the text."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from functools import cache
from typing import Final, Literal, NamedTuple

from cel_expr_python import cel

from engine.expressions.evaluation import Expression, Failure
from engine.expressions.names import variables
from engine.expressions.other_languages import from_other_languages
from engine.expressions.translation import Definition, ExpressionFlaw, Translation, translate
from engine.expressions.wording import in_words, operation

Wanted = Literal["condition", "amount", "either"]

_FITS: Final = {
    "condition": frozenset(("BOOL", "DYN")),
    "amount": frozenset(("DOUBLE", "DYN")),
    "either": frozenset(("BOOL", "DOUBLE", "DYN")),
}
_UNKNOWN: Final = re.compile(r"undeclared reference to '(.*?)'")
_A_TIME: Final = "timestamp('2026-01-01T00:00:00Z')"
_ERROR = re.compile(r"^(?:INVALID_ARGUMENT: )?ERROR: <input>:(-?\d+):(-?\d+): (.*)$", re.MULTILINE)


class Compiled(NamedTuple):
    """A compiled expression, and its flaws. `expression` is None if a flaw is an error."""

    expression: Expression | None
    translation: Translation
    flaws: tuple[ExpressionFlaw, ...]


@cache
def environment() -> cel.Env:
    """The CEL environment: every variable is declared, and only the standard functions exist."""
    return cel.NewEnv(variables=variables())


def compile_expression(
    text: str, wanted: Wanted, definitions: Mapping[str, Definition], later: Container[str] = ()
) -> Compiled:
    """Compile an expression whose result is a condition (true or false) or an amount.

    `later`: names that `define` defines below this expression.
    """
    translation = translate(text, definitions, later)
    if translation.broken_names or any(not flaw.warning for flaw in translation.flaws):
        return Compiled(None, translation, tuple(translation.flaws))
    checked = _check(translation, wanted)
    if not isinstance(checked, cel.Expression) and checked[0].text.startswith("syntax"):
        checked = from_other_languages(text) or checked
    flaws = checked
    if isinstance(checked, cel.Expression):
        flaws = [*translation.flaws, *_try_literals(translation), *_try_divisors(translation)]
    if not isinstance(checked, cel.Expression) or any(not flaw.warning for flaw in flaws):
        return Compiled(None, translation, tuple(flaws))
    return Compiled(Expression(checked, translation, text), translation, tuple(flaws))


def _check(translation: Translation, wanted: Wanted) -> cel.Expression | list[ExpressionFlaw]:
    try:
        compiled = environment().compile(translation.text)
    except (RuntimeError, TypeError) as error:
        return _flaws(str(error), translation)
    kind = compiled.return_type().name()
    if kind not in _FITS[wanted]:
        must = {"condition": "true or false", "amount": "a number"}.get(wanted, "true or false, or a number")
        return [ExpressionFlaw(0, f"this gives {in_words(kind)}, but must give {must}")]
    return compiled


def _try_literals(translation: Translation) -> list[ExpressionFlaw]:
    """Evaluate the calls that do not depend on a case: `duration('1 hour')` is always wrong."""
    flaws = []
    for call, index in translation.literal_calls:
        text = (
            call.replace("now.", "timestamp('2026-01-01T00:00:00Z').", 1) if call.startswith("now.") else call
        )
        try:
            failed = environment().compile(text).eval(data={}).type() == cel.Type.ERROR
        except RuntimeError:
            failed = True
        if failed:
            name = call.removeprefix("now.").removeprefix("''.").partition("(")[0]
            flaws.append(ExpressionFlaw(index, f"`{name}` cannot read this text"))
    return flaws


def _try_divisors(translation: Translation) -> list[ExpressionFlaw]:
    """Evaluate the divisors that do not depend on a case: `facts.x / (1 - 1)` always fails."""
    return [
        ExpressionFlaw(index, "this divides by zero")
        for text, index in translation.divisors
        if _is_zero(text)
    ]


def _is_zero(text: str) -> bool:
    try:
        value = environment().compile(text).eval(data={})
    except RuntimeError:
        return False
    return bool(value.type() == cel.Type.DOUBLE and value.value() == 0)


def _flaws(message: str, translation: Translation) -> list[ExpressionFlaw]:
    lines = translation.text.split("\n")
    flaws: list[ExpressionFlaw] = []
    for found in _ERROR.finditer(message):
        line, column, text = int(found[1]), int(found[2]), found[3]
        at = sum(len(before) + 1 for before in lines[: line - 1]) + column - 1 if line > 0 else 0
        flaw = ExpressionFlaw(
            translation.source_index(_beginning(text, at, translation.text)), _reworded(text)
        )
        if flaw not in flaws:
            flaws.append(flaw)
    if not flaws:
        flaws = [ExpressionFlaw(0, _reworded(message))]
    syntax = [flaw for flaw in flaws if flaw.text.startswith("syntax")]
    return syntax[:1] or flaws


def _beginning(text: str, at: int, expression: str) -> int:
    """The start of an unknown name `a.b.c`. The library reports its last dot."""
    found = _UNKNOWN.match(text)
    before = at - len(found[1].rpartition(".")[0]) if found else at
    return before if before >= 0 and found and expression.startswith(found[1], before) else at


def _reworded(text: str) -> str:
    if found := _UNKNOWN.match(text):
        return f"unknown name `{found[1].partition('.')[0]}`"
    if "recursion" in text:
        return "this is nested more than 32 levels deep; use `define`, or fewer brackets"
    if found := re.match(r"found no matching overload for '(.*?)' applied to '\((.*)\)'", text):
        types = [in_words(kind) for kind in re.split(r", (?![^(]*\))", found[2])]
        if found[1] == "_?_:_":
            return f"`? :` gives {types[1]} or {types[2]}, but both must have the same type"
        hint = (
            "; numbers are doubles, which have no remainder. For a share, multiply: `0.1 * facts.x`"
            if found[1] == "_%_"
            else ""
        )
        return f"`{operation(found[1])}` does not work on {' and '.join(types)}{hint}"
    if text.startswith("Syntax error: "):
        words = text.removeprefix("Syntax error: ").partition(" expecting ")[0]
        if "<EOF>" in words:
            return "syntax error: the expression ends too early"
        token = words.partition("'")[2].removesuffix("'")
        return f"syntax error: `{token}` is not expected here" if token else f"syntax error: {words}"
    return re.sub(r"^[A-Z_]+: | \[[A-Z_]+\]$", "", text.splitlines()[0] if text else "not an expression")


__all__ = ["Compiled", "Failure", "compile_expression", "environment"]
