"""Expressions compared with a simple evaluation in Python: numbers are doubles."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from engine.judging.conclusions import Approved
from tests.builders.cases import a_case
from tests.builders.policies import a_book, a_mandate
from tests.judging import judge

Facts = Mapping[str, float]


class Number(NamedTuple):
    """An amount as a policy writes it, and its value."""

    text: str
    value: Callable[[Facts], float]


class Truth(NamedTuple):
    """A condition as a policy writes it, and its value."""

    text: str
    value: Callable[[Facts], bool]


def _divide(one: float, by: float) -> float:
    if by:
        return one / by
    return math.nan if not one or math.isnan(one) else math.copysign(math.inf, one) * math.copysign(1, by)


ARITHMETIC: Mapping[str, Callable[[float, float], float]] = {
    "+": lambda one, other: one + other,
    "-": lambda one, other: one - other,
    "*": lambda one, other: one * other,
    "/": _divide,
}
COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "<": lambda one, other: one < other,
    "<=": lambda one, other: one <= other,
    ">": lambda one, other: one > other,
    "==": lambda one, other: one == other,
    "!=": lambda one, other: one != other,
}


def _literal(value: float) -> Number:
    return Number(str(value), lambda _: float(value))


def _operated(one: Number, sign: str, other: Number) -> Number:
    operate = ARITHMETIC[sign]
    return Number(
        f"({one.text} {sign} {other.text})", lambda facts: operate(one.value(facts), other.value(facts))
    )


def _sizes(count: int) -> Number:
    return Number(f"[{', '.join('1' * count)}].size()", lambda _: float(count))


def _compared(one: Number, sign: str, other: Number) -> Truth:
    compare = COMPARISONS[sign]
    return Truth(
        f"({one.text} {sign} {other.text})", lambda facts: compare(one.value(facts), other.value(facts))
    )


NUMBERS = st.recursive(
    st.one_of(
        st.integers(0, 1000).map(_literal),
        st.floats(0, 1000).map(lambda value: _literal(round(value, 3))),
        st.sampled_from("ab").map(lambda name: Number(f"facts.{name}", lambda facts: float(facts[name]))),
        st.integers(0, 5).map(_sizes),
    ),
    # No division by a literal zero: such a policy is refused.
    lambda inner: (
        st.builds(_operated, inner, st.sampled_from("+-*"), inner)
        | st.builds(
            _operated, inner, st.just("/"), st.just(Number("facts.b", lambda facts: float(facts["b"])))
        )
    ),
    max_leaves=6,
)
TRUTHS = st.recursive(
    st.builds(_compared, NUMBERS, st.sampled_from(list(COMPARISONS)), NUMBERS),
    lambda inner: st.one_of(
        inner.map(lambda one: Truth(f"!{one.text}", lambda facts: not one.value(facts))),
        st.builds(
            lambda one, other: Truth(
                f"({one.text} && {other.text})", lambda facts: one.value(facts) and other.value(facts)
            ),
            inner,
            inner,
        ),
        st.builds(
            lambda one, other: Truth(
                f"({one.text} || {other.text})", lambda facts: one.value(facts) or other.value(facts)
            ),
            inner,
            inner,
        ),
    ),
    max_leaves=4,
)
FACTS = st.fixed_dictionaries({name: st.integers(-100, 100) | st.floats(-100, 100) for name in "ab"})


@given(TRUTHS, FACTS)
def test_a_condition_has_the_value_that_it_reads_as(truth: Truth, facts: dict[str, float]) -> None:
    concluded = judge(a_book(a_mandate(when=truth.text)), a_case(facts=facts))
    assert isinstance(concluded, Approved) is truth.value(facts)


@given(TRUTHS, FACTS)
def test_a_defined_condition_has_the_value_that_it_reads_as(truth: Truth, facts: dict[str, float]) -> None:
    book = a_book(a_mandate(when="!(outer)"), define={"inner": truth.text, "outer": "inner && inner"})
    assert isinstance(judge(book, a_case(facts=facts)), Approved) is not truth.value(facts)


@given(NUMBERS, FACTS)
def test_a_limit_grants_amounts_up_to_it_and_none_above(number: Number, facts: dict[str, float]) -> None:
    book, limit = a_book(a_mandate(limit=f"{number.text} + facts.a * 0")), number.value(facts)
    concluded = judge(book, a_case(facts=facts, amount="45.00"))
    if not math.isfinite(limit):
        assert not isinstance(concluded, Approved)
    elif abs(limit - 45) > 0.01:
        assert isinstance(concluded, Approved) is (limit > 45)
