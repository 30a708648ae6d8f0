"""In which language somebody reads, and how figures look in it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, time
from typing import Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from schemas.money import exponent, parse_amount

Language = Literal["nl", "en"]

_SIGNS: Final[dict[str, dict[Language, str]]] = {
    "EUR": {"nl": "€", "en": "€"},
    "GBP": {"nl": "£", "en": "£"},
    "USD": {"nl": "US$", "en": "$"},
    "JPY": {"nl": "JP¥", "en": "¥"},
}
_DAYS: Final[dict[Language, str]] = {
    "nl": "maandag dinsdag woensdag donderdag vrijdag zaterdag zondag",
    "en": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
}
_MONTHS: Final[dict[Language, str]] = {
    "nl": "januari februari maart april mei juni juli augustus september oktober november december",
    "en": "January February March April May June July August September October November December",
}
_SPOKEN: Final[Mapping[str, Language]] = {"nl": "nl", "nld": "nl", "dut": "nl", "en": "en", "eng": "en"}
_WEIGHT: Final = re.compile(r"[01](\.[0-9]{0,3})?")
_NO_BREAK: Final = "\u00a0"


def language_of(tag: str | None, when_unknown: Language) -> Language:
    """The language to write in, from a BCP 47 tag such as `nl-BE`.

    Without a tag `when_unknown`. Any other language than Dutch: English, which more of its readers know.
    """
    primary = (tag or "").strip().lower().replace("_", "-").partition("-")[0]
    if not primary:
        return when_unknown
    return "nl" if primary in ("nl", "nld", "dut") else "en"


def amount_text(amount: str, currency: str, language: Language) -> str:
    """An amount for people: `€ 1.285,12` in Dutch, `€1,285.12` in English.

    What is not an amount of ISO 4217 comes back as it is.
    """
    decimals = exponent(currency)
    negative = amount.startswith("-")
    try:
        text = parse_amount(amount.removeprefix("-"), currency).text
    except ValueError:
        return f"{amount} {currency}"
    whole, _, fraction = text.partition(".")
    grouped = f"{int(whole):,}"
    point = "."
    if language == "nl":
        grouped, point = grouped.replace(",", "."), ","
    number = grouped + (point + fraction if decimals else "")
    sign = _SIGNS.get(currency, {}).get(language)
    minus = "-" if negative else ""
    if sign is None or language == "nl":
        return f"{sign or currency}{_NO_BREAK}{minus}{number}"
    return f"{minus}{sign}{number}"


def moment_text(at: datetime, zone: str | None, language: Language) -> str:
    """A moment for people, in a time zone by its IANA name: `dinsdag 3 maart 2026 om 14.30 uur`.

    The time is left out where a day begins. In no zone, or one that is not known, it is told in UTC, and so
    it says.
    """
    known = _zone(zone)
    local = at.astimezone(known or UTC)
    day, month = _DAYS[language].split()[local.weekday()], _MONTHS[language].split()[local.month - 1]
    date = f"{day} {local.day}{_NO_BREAK}{month} {local.year}"
    if known is not None and local.time() == time():
        return date
    where = "" if known is not None else f"{_NO_BREAK}UTC"
    if language == "nl":
        return f"{date} om {local:%H.%M}{_NO_BREAK}uur{where}"
    return f"{date} at {local:%H:%M}{where}"


def _zone(name: str | None) -> ZoneInfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def preferred_language(accepted: str | None, own: str | None, when_unknown: Language) -> Language:
    """The language for a reader who asks over HTTP.

    The best of `accepted`, an Accept-Language header (RFC 9110, 12.5.4), that is spoken here; else their own,
    from a BCP 47 tag; else `when_unknown`.
    """
    ranked = sorted(_ranges(accepted or ""), key=lambda one: -one[1])
    for tag, _ in ranked:
        primary = tag.partition("-")[0]
        if primary in _SPOKEN:
            return _SPOKEN[primary]
    return language_of(own, when_unknown)


def _ranges(accepted: str) -> Iterator[tuple[str, float]]:
    """The tags that are welcome, with their weights; of equal ones the first is meant first."""
    for part in accepted[:1000].split(","):
        tag, *parameters = (piece.strip().lower() for piece in part.split(";"))
        weight = next((one[2:] for one in parameters if one.startswith("q=")), "1")
        if _WEIGHT.fullmatch(weight) and float(weight) > 0:
            yield tag, float(weight)
