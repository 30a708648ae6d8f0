"""Money. It is a decimal string in JSON and integer minor units in Python, never a float."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from iso4217 import Currency

AMOUNT_PATTERN = r"^[0-9]+(\.[0-9]+)?$"
AMOUNT = re.compile(AMOUNT_PATTERN)
LONGEST_AMOUNT = 40
MAX_MINOR = 10**15

WITHDRAWN: Final = {"BGN": ("2026-01-01", "EUR")}
"""Currencies that left ISO 4217: the day, and the successor.

New cases and policies with them are refused. Records in topics, and policies that are published, keep them.
"""
_WITHDRAWN_EXPONENT: Final = {"BGN": 2}
_EXPONENT: Final = _WITHDRAWN_EXPONENT | {
    str(one.code): int(one.exponent) for one in Currency if one.exponent is not None
}


def exponent(currency: str) -> int | None:
    """The number of decimals of a currency (0, 2, 3 or 4); None if it is not in ISO 4217, and never was."""
    return _EXPONENT.get(currency)


def withdrawn(currency: str) -> str | None:
    """The error for a currency that left ISO 4217; None for any other."""
    if currency not in WITHDRAWN:
        return None
    day, successor = WITHDRAWN[currency]
    return f"{currency} was withdrawn from ISO 4217 on {day}; use {successor}"


def no_currency(code: str) -> str:
    """The error for a code that is not a currency. It repeats the code only if it looks like a currency."""
    said = f'"{code}"' if re.fullmatch("[A-Za-z]{3}", code) else "this"
    return f'{said} is not a currency of ISO 4217; write its code in capitals, such as "EUR"'


class Money(NamedTuple):
    """An amount in minor units (cents for EUR) of an ISO 4217 currency."""

    minor: int
    currency: str

    @property
    def text(self) -> str:
        """The amount as a decimal string, with all the decimals of the currency: `45.00`."""
        decimals = _EXPONENT[self.currency]
        if decimals == 0:
            return str(self.minor)
        sign, digits = ("-" if self.minor < 0 else ""), str(abs(self.minor)).rjust(decimals + 1, "0")
        return f"{sign}{digits[:-decimals]}.{digits[-decimals:]}"

    @property
    def major(self) -> float:
        """The amount in major units, as expressions see it (docs/policy.md, Expressions)."""
        return float(self.minor / 10 ** _EXPONENT[self.currency])


def check_amount(text: str) -> str:
    """The text, if it has the form of an amount. Raises ValueError with a sentence for people."""
    if len(text) > LONGEST_AMOUNT or not AMOUNT.fullmatch(text):
        raise ValueError('write an amount as digits with a point and no sign, such as "45.00"')
    return text


def parse_amount(text: str, currency: str) -> Money:
    """Read a decimal string.

    Raises ValueError with a sentence for people: bad form, too many decimals, too large, unknown currency.
    """
    decimals = _EXPONENT.get(currency)
    if decimals is None:
        raise ValueError(no_currency(currency))
    whole, _, fraction = check_amount(text).partition(".")
    if len(fraction) > decimals:
        raise ValueError(f"{currency} has {decimals} decimals, and this amount has {len(fraction)}")
    minor = int(whole + fraction.ljust(decimals, "0"))
    if minor > MAX_MINOR:
        raise ValueError("the amount is more than 10^15 minor units")
    return Money(minor, currency)


def parse_signed(text: str, currency: str) -> Money:
    """Read an amount of either sign, as charges have it. Raises ValueError as :func:`parse_amount`."""
    minor = parse_amount(text.removeprefix("-"), currency).minor
    return Money(-minor if text.startswith("-") else minor, currency)
