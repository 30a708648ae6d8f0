"""Operators of other languages than CEL are reported with the right one and their place."""

from __future__ import annotations

import pytest

from engine.expressions.compiling import compile_expression


@pytest.mark.parametrize(
    ("text", "at", "said"),
    [
        ("facts.days = 2", 11, "write `==` instead of `=`"),
        ("facts.days === 2", 11, "write `==` instead of `===`"),
        ("facts.days =< 2", 11, "write `<=` instead of `=<`"),
        ("facts.days => 2", 11, "write `>=` instead of `=>`"),
        ("facts.days <> 2", 11, "write `!=` instead of `<>`"),
        ("facts.late and facts.lost", 11, "write `&&` instead of `and`"),
        ("facts.late OR facts.lost", 11, "write `||` instead of `OR`"),
        ("facts.late & facts.lost", 11, "write `&&` instead of `&`"),
        ("not facts.late", 0, "write `!` instead of `not`"),
        ("facts.price > 25,50", 14, "write `25.50` instead of `25,50`"),
    ],
)
def test_operators_of_other_languages_come_with_a_remedy(text: str, at: int, said: str) -> None:
    (flaw,) = compile_expression(text, "condition", {}).flaws
    assert (flaw.at, flaw.text) == (at, said)


@pytest.mark.parametrize(
    "text", ["facts.x in [25,50]", "facts.and == 'a = b and c'", "facts.x >= 2 && facts.y <= 3"]
)
def test_valid_cel_is_left_alone(text: str) -> None:
    assert compile_expression(text, "condition", {}).flaws == ()


def test_a_list_is_not_taken_for_a_decimal_comma_where_something_else_is_wrong() -> None:
    (flaw,) = compile_expression("facts.x in [25,50] facts", "condition", {}).flaws
    assert flaw.text.startswith("syntax error")
