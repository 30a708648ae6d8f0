"""How letters write amounts and dates, and in which language."""

from __future__ import annotations

from datetime import datetime

import pytest

from schemas.language import Language, amount_text, language_of, moment_text

LANGUAGES: tuple[Language, ...] = ("nl", "en")


@pytest.mark.parametrize(
    ("tag", "language"),
    [
        ("nl", "nl"),
        ("nl-BE", "nl"),
        ("NL_nl", "nl"),
        ("en-GB", "en"),
        ("de", "en"),
        ("nds", "en"),
        ("", "nl"),
        (None, "nl"),
    ],
)
def test_a_language_tag_decides_and_without_one_the_setting_does(tag: str | None, language: str) -> None:
    assert language_of(tag, "nl") == language


@pytest.mark.parametrize(
    ("amount", "currency", "dutch", "english"),
    [
        ("45.00", "EUR", "€ 45,00", "€45.00"),
        ("1285.12", "USD", "US$ 1.285,12", "$1,285.12"),
        ("0.5", "EUR", "€ 0,50", "€0.50"),
        ("1000", "JPY", "JP¥ 1.000", "¥1,000"),
        ("12.345", "KWD", "KWD 12,345", "KWD 12.345"),
        ("7", "CHF", "CHF 7,00", "CHF 7.00"),
        ("-3.10", "EUR", "€ -3,10", "-€3.10"),
        ("many", "EUR", "many EUR", "many EUR"),
        ("1", "XXX", "1 XXX", "1 XXX"),
    ],
)
def test_amounts_look_as_each_language_writes_them(
    amount: str, currency: str, dutch: str, english: str
) -> None:
    assert amount_text(amount, currency, "nl").replace("\u00a0", " ") == dutch
    assert amount_text(amount, currency, "en").replace("\u00a0", " ") == english


@pytest.mark.parametrize(
    ("at", "zone", "dutch", "english"),
    [
        ("2026-03-02T23:00:00Z", "Europe/Amsterdam", "dinsdag 3 maart 2026", "Tuesday 3 March 2026"),
        (
            "2026-10-25T22:00:00Z",
            "Europe/Amsterdam",
            "zondag 25 oktober 2026 om 23:00",
            "Sunday 25 October 2026 at 23:00",
        ),
        (
            "2026-03-03T08:05:00+01:00",
            None,
            "dinsdag 3 maart 2026 om 07:05 UTC",
            "Tuesday 3 March 2026 at 07:05 UTC",
        ),
        (
            "2026-03-03T00:00:00Z",
            "Middle/Earth",
            "dinsdag 3 maart 2026 om 00:00 UTC",
            "Tuesday 3 March 2026 at 00:00 UTC",
        ),
        (
            "2026-03-03T00:00:00Z",
            "../etc/passwd",
            "dinsdag 3 maart 2026 om 00:00 UTC",
            "Tuesday 3 March 2026 at 00:00 UTC",
        ),
    ],
)
def test_moments_are_written_in_their_time_zone_or_with_utc(
    at: str, zone: str | None, dutch: str, english: str
) -> None:
    told = {
        language: moment_text(datetime.fromisoformat(at), zone, language).replace("\u00a0", " ")
        for language in LANGUAGES
    }
    assert told == {"nl": dutch, "en": english}
