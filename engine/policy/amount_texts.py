"""Read what people write where a policy wants a number, to suggest the number."""

from __future__ import annotations

import re
from typing import Final

_CURRENCY: Final = re.compile(r"[€$£¥]|\b[A-Z]{3}\b|\beuro\b|,-$", re.IGNORECASE)
_POINTS: Final = re.compile(r"[0-9]{1,3}(?:\.[0-9]{3})+(?:,[0-9]+)?")
_COMMAS: Final = re.compile(r"[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?")
_PLAIN: Final = re.compile(r"[0-9]+(?:[.,][0-9]+)?")
_SHARE: Final = re.compile(r"\s*([0-9]+(?:[.,][0-9]+)?)\s*%\s*(?:of|van)?\s*(.*)", re.DOTALL)


def number_in(text: str) -> str | None:
    """The number that a text such as `€ 1.234,50`, `1,234.50` or `50 EUR` means; None for other texts."""
    digits = _CURRENCY.sub("", text).replace("\u00a0", " ").strip()
    if _POINTS.fullmatch(digits):
        return digits.replace(".", "").replace(",", ".")
    if _COMMAS.fullmatch(digits):
        return digits.replace(",", "")
    return digits.replace(",", ".") if _PLAIN.fullmatch(digits) else None


def thousands_in(text: str) -> str | None:
    """1234, for a text such as `1.234` whose point may separate thousands; None for other texts."""
    return text.replace(".", "") if _POINTS.fullmatch(text) else None


def share_in(text: str) -> str | None:
    """`0.1 * facts.x`, for a text such as `10% of facts.x`; None for other texts."""
    found = _SHARE.fullmatch(text)
    if found is None:
        return None
    share = f"{float(found[1].replace(',', '.')) / 100:.10g}"
    return f"{share} * {found[2] or 'facts.order_value'}"
