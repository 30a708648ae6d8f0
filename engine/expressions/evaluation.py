"""Evaluate a compiled expression for a case. The result is a value or a failure; an error never approves."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from cel_expr_python import cel
from pydantic import JsonValue

from engine.expressions.names import OPEN, has_name
from engine.expressions.translation import Translation
from engine.expressions.wording import in_words, operation
from schemas.case import Case
from schemas.money import Money
from schemas.staff import StaffMember

MAX_DEPTH: Final = 40
"""The deepest nesting of facts that is converted. The contract allows only 32 levels."""
MAX_WEIGHT: Final = 10_000
MAX_WEIGHT_OF_LOOPS_IN_LOOPS: Final = 1_000
"""The most characters and values of facts for an expression with a loop, or with nested loops.

The library allows 10,000 steps, and each step may read all of the facts. With these bounds an expression
takes 0.3 s at most.
"""

_MISSING_KEY = re.compile(r"NOT_FOUND: Key not found in map : (.*)", re.DOTALL)
_MISSING_NAME = re.compile(r'No value with name "([^"]*)" found')
_NO_OVERLOAD = re.compile(r"No matching overloads found : (.+)$", re.DOTALL)
_CALL = re.compile(r"(?:\((?P<target>.*?)\)\.)?(?P<name>[^(]+)(?:\((?P<arguments>.*)\))?")


class Failure(NamedTuple):
    """The reason why an expression has no value, as text. `fact`: the name of the missing fact, if one is."""

    error: str
    fact: str | None = None


class _TooMuchError(Exception):
    """The facts are too large or too deep for this expression."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The values that an expression may use: a case, a person, a time, and the amount asked or offered."""

    case: Case
    agent: StaffMember | None
    now: datetime
    money: Money | None


class Expression:
    """A compiled expression, and the names that it uses."""

    __slots__ = (
        "_compiled",
        "_fields",
        "_has",
        "_loops",
        "_most",
        "_now",
        "_open",
        "_paths",
        "names",
        "names_agent",
        "names_amount",
        "text",
        "unchecked",
    )

    def __init__(self, compiled: cel.Expression, translation: Translation, text: str) -> None:
        uses = translation.uses
        self.text = text
        self.unchecked = uses.unchecked
        self._compiled = compiled
        self._fields = tuple((f"{root}.{name}", READERS[root, name]) for root, name in sorted(uses.fields))
        self._has = tuple((has_name(root, name), READERS[root, name]) for root, name in sorted(uses.presence))
        self._open = tuple(
            (root, _keys(root, uses.paths)) for root in OPEN if any(p[0] == root for p in uses.paths)
        )
        self._paths = tuple(uses.paths)
        self._now = uses.now
        self._loops = uses.loops
        self._most = MAX_WEIGHT if uses.loops == 1 else MAX_WEIGHT_OF_LOOPS_IN_LOOPS
        self.names_amount = ("request", "amount") in uses.fields | uses.presence
        self.names_agent = any(root == "agent" for root, _ in uses.fields | uses.presence)
        self.names = (*sorted(uses.fields | uses.presence), *uses.paths)

    @property
    def names_now(self) -> bool:
        """Whether its value may differ at another time."""
        return self._now

    @property
    def is_constant(self) -> bool:
        """Whether it uses no value of a case, so that its result is the same for every case."""
        return not (self._fields or self._has or self._open or self._now)

    def constant(self, wanted: str) -> bool | float | Failure | None:
        """The value of a constant expression; None if the expression is not constant."""
        if not self.is_constant:
            return None
        value = self._evaluate(None)
        if isinstance(value, Failure):
            return value
        if isinstance(value, bool if wanted == "condition" else float) and math.isfinite(value):
            return value
        return Failure(f"it comes out as {_kind(value) if not isinstance(value, float) else value}")

    def is_true(self, around: Surroundings) -> bool | Failure:
        """The value of a condition."""
        value = self._evaluate(around)
        if value is True or value is False or isinstance(value, Failure):
            return value
        return Failure(f"it comes out as {_kind(value)}, and not as true or false")

    def number(self, around: Surroundings) -> float | Failure:
        """The value of an amount, never infinite or NaN."""
        value = self._evaluate(around)
        if isinstance(value, Failure):
            return value
        if not isinstance(value, float):
            return Failure(f"it comes out as {_kind(value)}, and not as a number")
        if not math.isfinite(value):
            return Failure("it comes out as no finite number")
        return value

    def _evaluate(self, around: Surroundings | None) -> Any:
        try:
            data = {} if around is None else self._data(around)
        except _TooMuchError as error:
            return Failure(str(error))
        try:
            result = self._compiled.eval(data=data)
            value = result.value()
        except (
            RuntimeError,
            ValueError,
            TypeError,
            OverflowError,
        ) as error:  # the library raises any of these
            return self._failure(str(error), around)
        # A str is either the value or the library's error message; only the CEL type tells them apart.
        if isinstance(value, str) and result.type() == cel.Type.ERROR:
            return self._failure(value, around)
        return value

    def _data(self, around: Surroundings) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for name, read in self._fields:
            value = read(around)
            if value is not None:
                data[name] = value
        for name, read in self._has:
            data[name] = read(around) is not None
        if self._now:
            data["now"] = around.now
        for root, keys in self._open:
            given = (around.case.facts if root == "facts" else around.case.claims) or {}
            chosen = given if keys is None else {key: given[key] for key in keys if key in given}
            if self._loops and _weight(chosen, self._most) > self._most:
                raise _TooMuchError(f"the {root} are too large for a condition that goes over a list")
            data[root] = {key: _as_cel(value, 1) for key, value in chosen.items()}
        return data

    def _failure(self, message: str, around: Surroundings | None) -> Failure:
        if (found := _MISSING_KEY.search(message)) and around is not None:
            return self._missing(found[1], around.case)
        if found := _MISSING_NAME.search(message):
            return Failure(f"{found[1]} is missing", fact=found[1])
        if found := _NO_OVERLOAD.search(message):
            return Failure(_no_overload(found[1]))
        return Failure(
            next((words for part, words in _ERRORS.items() if part in message), "it cannot be worked out")
        )

    def _missing(self, quoted: str, case: Case) -> Failure:
        """The failure for a missing key. The library gives only the quoted key, so the path is searched."""
        if quoted[:1] not in ('"', "'"):
            return Failure("a key is looked up that is not there")
        key = quoted[1:-1]
        for path in self._paths:
            missing = _missing_path(path, case)
            if missing is not None and (missing[-1] == key or "\\" in key):
                name = ".".join(missing)
                return Failure(f"{name} is missing", fact=name)
        if re.search(rf"\b{re.escape(key)}\b", self.text):
            return Failure(f"{key} is missing", fact=key)
        return Failure("a key is looked up that is not there")


def _no_overload(call: str) -> str:
    """A call such as `_>=_(string, double)` or `(double).startsWith(string)`, in words."""
    found = _CALL.fullmatch(call)
    if found is None:
        return "a function does not work on what it is given"
    kinds = [found["target"], *(found["arguments"] or "").split(", ")]
    types = " and ".join(in_words(kind) for kind in kinds if kind)
    return f"`{operation(found['name'])}` " + (
        f"does not work on {types}" if types else "needs true or false"
    )


def _missing_path(path: tuple[str, ...], case: Case) -> tuple[str, ...] | None:
    """The path up to the first key that the case lacks; None if it lacks none."""
    value: JsonValue = (case.facts if path[0] == "facts" else case.claims) or {}
    for depth, key in enumerate(path[1:], 2):
        if not isinstance(value, dict):
            return None
        if key not in value:
            return path[:depth]
        value = value[key]
    return None


_ERRORS: Final = {
    "Iteration budget": "it takes too many steps",
    "out of range": "a number is too large",
    "Index": "a place is looked up that the list does not have",
    "SELECT": "a field is looked up in what is no object",
    "division by zero": "it divides by zero",
    "imezone": "a time zone is not known",
}


def _keys(root: str, paths: list[tuple[str, ...]]) -> tuple[str, ...] | None:
    """The keys of facts or claims that the expression uses; None if it uses the whole object."""
    named = [path for path in paths if path[0] == root]
    return None if any(len(path) == 1 for path in named) else tuple(dict.fromkeys(path[1] for path in named))


def _as_cel(value: JsonValue, depth: int) -> Any:
    """A value of a case for CEL, with integers as doubles.

    An integer that is too large for a double stays an int, and the library refuses it.
    """
    kind = type(value)
    if kind is int:
        try:
            return float(value)  # type: ignore[arg-type]  # mypy does not see that `kind` narrows `value`
        except OverflowError:
            return value
    if kind is dict or kind is list:
        if depth > MAX_DEPTH:
            raise _TooMuchError("the facts are nested too deeply")
        if isinstance(value, dict):
            return {key: _as_cel(item, depth + 1) for key, item in value.items()}
        if isinstance(value, list):
            return [_as_cel(item, depth + 1) for item in value]
    return value


def _weight(value: JsonValue, most: int) -> int:
    """The number of characters and values in it. Counting stops above `most`."""
    total = 0
    waiting: list[JsonValue] = [value]
    while waiting and total <= most:
        item = waiting.pop()
        total += 1 + (len(item) if isinstance(item, str) else 0)
        if isinstance(item, dict):
            total += sum(map(len, item))
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item
    return total


def _kind(value: object) -> str:
    kinds: Mapping[type, str] = {
        bool: "true or false",
        float: "a number",
        int: "a number",
        str: "a text",
        list: "a list",
    }
    return (
        "null"
        if value is None
        else kinds.get(type(value), "an object" if isinstance(value, dict) else "something else")
    )


def _of_agent(name: str) -> Any:
    return lambda around: None if around.agent is None else getattr(around.agent, name)


def _amount(around: Surroundings) -> float | None:
    return None if around.money is None else around.money.major


READERS: Final[Mapping[tuple[str, str], Any]] = {
    ("case", "case_id"): lambda around: around.case.case_id,
    ("case", "tenant"): lambda around: around.case.tenant,
    ("case", "opened_at"): lambda around: around.case.opened_at,
    ("case", "channel"): lambda around: around.case.channel,
    ("case", "category"): lambda around: around.case.category,
    ("case", "subject"): lambda around: around.case.subject,
    ("customer", "id"): lambda around: around.case.customer.id,
    ("customer", "language"): lambda around: around.case.customer.language,
    ("agent", "agent_id"): lambda around: (
        around.case.agent_id if around.agent is None else around.agent.agent_id
    ),
    ("agent", "name"): _of_agent("name"),
    ("agent", "role"): _of_agent("role"),
    ("agent", "team"): _of_agent("team"),
    ("agent", "language"): _of_agent("language"),
    ("request", "request_id"): lambda around: around.case.request.request_id,
    ("request", "kind"): lambda around: around.case.request.kind,
    ("request", "amount"): _amount,
    ("request", "currency"): lambda around: around.case.request.currency,
    ("request", "reason"): lambda around: around.case.request.reason,
    ("request", "discretion"): lambda around: around.case.request.discretion,
}
"""The reader of each field that an expression may name. It returns None for an absent field."""
