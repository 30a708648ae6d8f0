"""Choose a reader's language, and write amounts and times in it with Babel."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, time
from decimal import Decimal
from functools import cache
from typing import Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel import Locale
from babel.core import get_global
from babel.dates import format_datetime
from babel.numbers import format_currency, get_currency_symbol

from schemas.money import exponent, parse_amount

Language = Literal["nl", "en"]

_DATES: Final[dict[Language, str]] = {"nl": "EEEE d\u00a0MMMM y", "en": "EEEE d\u00a0MMMM y"}
_TIMES: Final[dict[Language, str]] = {"nl": " 'om' HH:mm", "en": " 'at' HH:mm"}
"""CLDR patterns. English dates are British."""
_WEIGHT: Final = re.compile(r"[01](\.[0-9]{0,3})?")
_NO_BREAK: Final = "\u00a0"


def language_of(tag: str | None, when_unknown: Language) -> Language:
    """The language to write in, from a BCP 47 tag such as `nl-BE`.

    Without a tag it is `when_unknown`. For a language that we do not write it is English, because more of its
    readers know English than Dutch.
    """
    if not tag or not tag.strip():
        return when_unknown
    return _spoken(tag) or "en"


def amount_text(amount: str, currency: str, language: Language) -> str:
    """An amount for people: `€ 1.285,12` in Dutch, `€1,285.12` in English.

    An amount that is not valid in the currency is returned unchanged, with the code of the currency.
    """
    decimals = exponent(currency)
    try:
        parse_amount(amount.removeprefix("-"), currency)
    except ValueError:
        return f"{amount} {currency}"
    pattern = _money_pattern(currency, decimals or 0, language)
    return format_currency(Decimal(amount), currency, pattern, language, currency_digits=False)


@cache
def _money_pattern(currency: str, decimals: int, language: Language) -> str:
    """The pattern of the language, with the decimals of ISO 4217. Those of CLDR sometimes differ.

    Babel leaves out the space that CLDR asks for between a code and a number: `KWD 12.345`.
    """
    pattern = str(Locale(language).currency_formats["standard"].pattern)
    pattern = pattern.replace("0.00", "0." + "0" * decimals if decimals else "0")
    ends_in_a_letter = get_currency_symbol(currency, language)[-1:].isalpha()
    return pattern.replace("¤#", f"¤{_NO_BREAK}#") if ends_in_a_letter else pattern


def moment_text(at: datetime, zone: str | None, language: Language) -> str:
    """A moment for people, in a time zone by its IANA name: `dinsdag 3 maart 2026 om 14:30`.

    Midnight is written as the date alone. If the zone is unknown, the time is in UTC and the text says so.
    """
    known = _zone(zone)
    local = at.astimezone(known or UTC)
    pattern = _DATES[language]
    if known is None or local.time() != time():
        pattern += _TIMES[language]
    text = format_datetime(local.replace(tzinfo=None), pattern, locale=language)
    return text if known is not None else f"{text}{_NO_BREAK}UTC"


def _zone(name: str | None) -> ZoneInfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def preferred_language(accepted: str | None, own: str | None, when_unknown: Language) -> Language:
    """The language for a reader who asks over HTTP.

    It is the language with the highest weight in `accepted` (an Accept-Language header, RFC 9110, 12.5.4)
    that we write; else the reader's `own` (a BCP 47 tag); else `when_unknown`.
    """
    ranked = sorted(_ranges(accepted or ""), key=lambda one: -one[1])
    spoken = next((language for tag, _ in ranked if (language := _spoken(tag)) is not None), None)
    return spoken or language_of(own, when_unknown)


def _spoken(tag: str) -> Language | None:
    """The language of a BCP 47 tag; None if we do not write it. `nld` and `dut` are Dutch too."""
    primary = tag.strip().lower().replace("_", "-").partition("-")[0]
    match get_global("language_aliases").get(primary, primary):
        case "nl":
            return "nl"
        case "en":
            return "en"
        case _:
            return None


def _ranges(accepted: str) -> Iterator[tuple[str, float]]:
    """The accepted tags with their weights, in the order of the header."""
    for part in accepted[:1000].split(","):
        tag, *parameters = (piece.strip().lower() for piece in part.split(";"))
        weight = next((one[2:] for one in parameters if one.startswith("q=")), "1")
        if _WEIGHT.fullmatch(weight) and float(weight) > 0:
            yield tag, float(weight)
