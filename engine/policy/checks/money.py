"""Read the amounts of a policy file. They are numbers in major units of its currency."""

from __future__ import annotations

import math
from decimal import Decimal

from engine.policy.amount_texts import thousands_in
from engine.policy.tree import Node
from schemas.money import MAX_MINOR


def read_money(node: Node, decimals: int, what: str) -> int | str | None:
    """The amount in minor units, or a problem as text; None if the node does not hold a finite number.

    `what` is the subject of the problem's sentence: `a limit`.
    """
    value = node.value
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    # The text of a float is exact. The text of an integer may be hexadecimal.
    minor = Decimal(str(value) if isinstance(value, int) else node.text or "0").scaleb(decimals)
    if minor < 0:
        return f"{what} cannot be negative"
    if minor > MAX_MINOR:
        return f"{what} can be at most 10^15 minor units; remove it if there is no limit"
    if minor != minor.to_integral_value():
        meant = thousands_in(node.text or "")
        hint = "" if meant is None else f"; write {meant} if the point separates thousands"
        return f"the currency has {decimals} decimals, and {what.replace('a ', 'this ', 1)} has more{hint}"
    return int(minor)
