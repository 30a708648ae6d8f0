"""Convert a limit from an expression to minor units (docs/policy.md, Expressions)."""

from __future__ import annotations

from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal
from typing import Final

from schemas.money import MAX_MINOR, exponent

_MILLIONTH: Final = Decimal("0.000001")
_EXACT: Final = Context(prec=400)


def in_minor_units(number: float, currency: str) -> int:
    """Convert a finite number of major units to minor units of the currency.

    The shortest decimal of the double is rounded half-even to 6 decimals, then down to minor units. Numbers
    beyond the largest amount, of either sign, become the largest amount.
    """
    exact = Decimal(repr(number)).quantize(_MILLIONTH, ROUND_HALF_EVEN, _EXACT)
    minor = exact.scaleb(exponent(currency) or 0, _EXACT).to_integral_value(ROUND_FLOOR, _EXACT)
    return max(-MAX_MINOR, min(MAX_MINOR, int(minor)))
