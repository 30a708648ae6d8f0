"""In which language somebody reads, and how figures look in it."""

from __future__ import annotations

from typing import Final, Literal

from schemas.money import exponent, parse_amount

Language = Literal["nl", "en"]

_SIGNS: Final[dict[str, dict[Language, str]]] = {
    "EUR": {"nl": "€", "en": "€"},
    "GBP": {"nl": "£", "en": "£"},
    "USD": {"nl": "US$", "en": "$"},
    "JPY": {"nl": "JP¥", "en": "¥"},
}
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
