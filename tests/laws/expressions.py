"""Conditions and limits, each written twice: in CEL for a policy, and in Python for the reference model."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final


class ExpressionFailed(Exception):  # noqa: N818 - a result of an expression, not an error of the test
    """The expression fails; `missing` is the missing fact. `sure`: no other failure is possible."""

    def __init__(self, missing: str | None = None, *, sure: bool = True) -> None:
        super().__init__(missing)
        self.missing = missing
        self.sure = sure


@dataclass(frozen=True)
class Variables:
    """The variables of expressions: plain JSON values, and the amount in major units."""

    case: Mapping[str, Any]
    agent: Mapping[str, Any] | None
    now: datetime
    amount: float | None

    def fact(self, *path: str) -> Any:
        value, name = self.case["facts"], "facts"
        for key in path:
            if not isinstance(value, dict):
                raise ExpressionFailed
            name = f"{name}.{key}"
            if key not in value:
                raise ExpressionFailed(name)
            value = value[key]
        return value

    def number(self, *path: str) -> float:
        return number(self.fact(*path))

    def asked(self) -> float:
        return float(given(self.amount, "request.amount"))

    def of_agent(self, key: str) -> str:
        return str(given((self.agent or {}).get(key), f"agent.{key}"))


def given(value: Any, name: str) -> Any:
    """The value of an optional field. Raises ExpressionFailed if it is absent."""
    if value is None:
        raise ExpressionFailed(name)
    return value


def number(value: Any) -> float:
    """The value, if it is a number: not "90", not true, not null."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ExpressionFailed
    return float(value)


def equal(one: Any, other: Any) -> bool:
    """Whether two values are equal: numbers by value (90 and 90.0), others if of the same type."""
    return (
        isinstance(one, bool) == isinstance(other, bool)
        and bool(one == other)
        and isinstance(one, str) == isinstance(other, str)
    )


def size(value: Any) -> float:
    if not isinstance(value, str | list | dict):
        raise ExpressionFailed
    return float(len(value))


def divided(one: float, other: float) -> float:
    if other:
        return one / other
    return math.nan if not one or math.isnan(one) else math.copysign(math.inf, one)


def together(*parts: Callable[[], float]) -> list[float]:
    """The arguments of one operation. If several fail, any of them may be reported."""
    values, failures = [], []
    for part in parts:
        try:
            values.append(part())
        except ExpressionFailed as failure:
            failures.append(failure)
    if failures:
        raise ExpressionFailed(failures[0].missing, sure=len(failures) == 1)
    return values


def compared(view: Variables) -> list[float]:
    """The values of facts.n and facts.m."""
    return together(lambda: view.number("n"), lambda: view.number("m"))


def _twice(view: Variables) -> bool:
    n, m = compared(view)
    return 2 * n > m


Part = Callable[[], bool]


def either(*parts: Part) -> bool:
    """CEL's `||`: true wins over an error, on either side."""
    failures = []
    for part in parts:
        try:
            if part():
                return True
        except ExpressionFailed as failure:
            failures.append(failure)
    if failures:
        raise ExpressionFailed(failures[0].missing, sure=len(failures) == 1)
    return False


def both(*parts: Part) -> bool:
    """CEL's `&&`: false wins over an error."""
    return not either(*(lambda part=part: not part() for part in parts))


def _late(view: Variables) -> bool:
    return view.number("n") >= 2


def _half(view: Variables) -> float:
    return 0.5 * view.number("n")


DEFINE: Final = {"late": "facts.n >= 2", "half": "0.5 * facts.n", "bad": "late && facts.m > 5"}
"""The definitions in every policy of these tests."""

CONDITIONS: Final[Mapping[str, Callable[[Variables], bool]]] = {
    "true": lambda view: True,
    "facts.n > 10": lambda view: view.number("n") > 10,
    "facts.n == 90": lambda view: equal(view.fact("n"), 90),
    "facts.n != 90.0": lambda view: not equal(view.fact("n"), 90),
    "facts.s == 'x'": lambda view: equal(view.fact("s"), "x"),
    "facts.n in [90, 91]": lambda view: any(equal(view.fact("n"), one) for one in (90, 91)),
    "has(facts.n) && facts.n < 50": lambda view: both(
        lambda: "n" in view.case["facts"], lambda: view.number("n") < 50
    ),
    "facts.n > 10 || facts.s == 'x'": lambda view: either(
        lambda: view.number("n") > 10, lambda: equal(view.fact("s"), "x")
    ),
    "!(facts.n > 10)": lambda view: not view.number("n") > 10,
    "facts.o.p > 3": lambda view: view.number("o", "p") > 3,
    "size(facts.l) > 1": lambda view: size(view.fact("l")) > 1,
    "2 * facts.n > facts.m": _twice,
    "late": _late,
    "bad": lambda view: both(lambda: _late(view), lambda: view.number("m") > 5),
    "request.amount <= 40": lambda view: view.asked() <= 40,
    "request.amount > 20 && late": lambda view: both(lambda: view.asked() > 20, lambda: _late(view)),
    "has(request.amount)": lambda view: view.amount is not None,
    "agent.role == 'agent'": lambda view: view.of_agent("role") == "agent",
    "agent.team != 'north'": lambda view: view.of_agent("team") != "north",
    "customer.language == 'nl'": lambda view: (
        given(view.case["customer"].get("language"), "customer.language") == "nl"
    ),
    "now.getHours('UTC') < 12": lambda view: view.now.hour < 12,
}

LIMITS: Final[Mapping[str, Callable[[Variables], float]]] = {
    "facts.n": lambda view: view.number("n"),
    "half": _half,
    "facts.n / 3": lambda view: view.number("n") / 3,
    "facts.n / facts.m": lambda view: divided(*compared(view)),
    "facts.n - facts.m": lambda view: float.__sub__(*compared(view)),
    "late ? 50.0 : 20.0": lambda view: 50.0 if _late(view) else 20.0,
    "request.amount - 1": lambda view: view.asked() - 1,
    "0.5 * request.amount": lambda view: 0.5 * view.asked(),
    "100 - request.amount": lambda view: 100 - view.asked(),
}
