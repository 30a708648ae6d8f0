from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from iso4217 import Currency

from schemas import money
from schemas.money import MAX_MINOR, WITHDRAWN, Money, exponent, parse_amount

currencies = st.sampled_from(["JPY", "EUR", "USD", "KWD", "CLF", "UYW"])


@pytest.mark.parametrize(
    ("text", "currency", "minor", "again"),
    [
        ("45", "JPY", 45, "45"),
        ("45.00", "EUR", 4500, "45.00"),
        ("45.5", "EUR", 4550, "45.50"),
        ("45", "EUR", 4500, "45.00"),
        ("0", "EUR", 0, "0.00"),
        ("0.05", "EUR", 5, "0.05"),
        ("007.10", "EUR", 710, "7.10"),
        ("1.234", "KWD", 1234, "1.234"),
        ("0.0001", "CLF", 1, "0.0001"),
    ],
)
def test_an_amount_is_read_into_the_minor_units_of_its_currency(
    text: str, currency: str, minor: int, again: str
) -> None:
    assert parse_amount(text, currency) == Money(minor, currency)
    assert Money(minor, currency).text == again


@given(st.integers(0, MAX_MINOR), currencies)
def test_money_written_and_read_again_is_the_same(minor: int, currency: str) -> None:
    assert parse_amount(Money(minor, currency).text, currency) == Money(minor, currency)


@given(st.integers(1, MAX_MINOR), currencies)
def test_a_credit_is_written_with_a_minus(minor: int, currency: str) -> None:
    assert Money(-minor, currency).text == "-" + Money(minor, currency).text


@given(st.integers(0, 10**11), st.integers(0, 4), currencies)
def test_zeros_at_the_end_do_not_change_an_amount(whole: int, zeros: int, currency: str) -> None:
    decimals = exponent(currency)
    assert decimals is not None
    zeros = min(zeros, decimals)
    text = f"{whole}.{'0' * zeros}" if zeros else str(whole)

    assert parse_amount(text, currency) == Money(whole * 10**decimals, currency)


@pytest.mark.parametrize(
    ("currency", "decimals"), [("JPY", 0), ("EUR", 2), ("KWD", 3), ("CLF", 4), ("XXX", None), ("eur", None)]
)
def test_a_currency_has_the_decimals_that_iso_4217_gives_it(currency: str, decimals: int | None) -> None:
    assert exponent(currency) == decimals


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "1.",
        ".5",
        "-5",
        "+5",
        "1e3",
        "12,50",
        "1_000",
        " 1",
        "1 ",
        "1\n",
        "NaN",
        "٣",
        "0x10",
        "1.2.3",
        "9" * 41,
    ],
)
def test_only_digits_with_a_point_are_an_amount(text: str) -> None:
    with pytest.raises(ValueError, match="write an amount as digits"):
        parse_amount(text, "EUR")


@pytest.mark.parametrize(("text", "currency"), [("45.001", "EUR"), ("1.0", "JPY"), ("1.00000", "CLF")])
def test_more_decimals_than_the_currency_has_are_refused(text: str, currency: str) -> None:
    with pytest.raises(ValueError, match="decimals"):
        parse_amount(text, currency)


def test_an_amount_is_at_most_ten_to_the_fifteenth_minor_units() -> None:
    assert parse_amount("10000000000000.00", "EUR").minor == MAX_MINOR
    with pytest.raises(ValueError, match="more than"):
        parse_amount("10000000000000.01", "EUR")


@given(st.text(max_size=60), st.text(max_size=60) | currencies)
def test_any_text_is_money_or_a_value_error_that_does_not_repeat_it(text: str, currency: str) -> None:
    said = ""
    try:
        parse_amount(text, currency)
    except ValueError as flaw:
        said = str(flaw)

    assert len(said) < 150
    assert len(text) < 6 or text not in said


def test_a_code_is_repeated_only_where_it_looks_like_a_currency() -> None:
    assert "XYZ" in money.no_currency("XYZ")
    assert "jan" not in money.no_currency("jan@example.org")


@given(st.integers(0, MAX_MINOR), currencies)
def test_expressions_get_the_double_nearest_to_the_amount(minor: int, currency: str) -> None:
    amount = Money(minor, currency)

    assert amount.major == float(amount.text)


def test_a_withdrawn_currency_is_still_read_in_older_records_and_no_other_is_known() -> None:
    assert parse_amount("45.00", "BGN").minor == 4500
    assert exponent("HRK") is None
    assert not set(WITHDRAWN) & {str(one.code) for one in Currency}
