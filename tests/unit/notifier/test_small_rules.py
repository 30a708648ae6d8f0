"""Language, amounts, addresses, cleaning, patience, webhooks file: small rules of telling."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.language import Language, amount_text, language_of, moment_text
from services.notifier.channels.mail.address import mailbox
from services.notifier.channels.webhook.hooks_file import read_hooks
from services.notifier.letters.clean import clean_code, clean_line, clean_text
from services.notifier.outbox.retry import beyond_memory, given_up, pause_seconds, too_old

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
LANGUAGES: tuple[Language, ...] = ("nl", "en")
SECRET = "whsec_" + base64.b64encode(b"x" * 24).decode()


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
def test_dutch_is_for_who_reads_it_and_for_who_says_nothing(tag: str | None, language: str) -> None:
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
def test_moments_are_told_in_their_time_zone_and_never_without_one(
    at: str, zone: str | None, dutch: str, english: str
) -> None:
    told = {
        language: moment_text(datetime.fromisoformat(at), zone, language).replace("\u00a0", " ")
        for language in LANGUAGES
    }
    assert told == {"nl": dutch, "en": english}


@pytest.mark.parametrize(
    ("written", "taken"),
    [
        ("a@example.org", "a@example.org"),
        (" a.b+c@example.org ", "a.b+c@example.org"),
        ("jan@münchen.example", "jan@xn--mnchen-3ya.example"),
        ("a@localhost", "a@localhost"),
        ("a@mail.company.local", "a@mail.company.local"),
        ("jan@faß.de", "jan@xn--fa-hia.de"),
        ("o'brien@example.org.", "o'brien@example.org"),
    ],
)
def test_addresses_that_can_be_written_to(written: str, taken: str) -> None:
    assert mailbox(written) == taken


@pytest.mark.parametrize(
    "written",
    [
        "",
        "nobody",
        "@example.org",
        "a@",
        "a b@example.org",
        "a@example.org, b@example.org",
        "a@example.org\r\nRCPT TO:<b@example.org>",
        '"a b"@example.org',
        "a@[127.0.0.1]",
        "<a@example.org>",
        "a@b@example.org",
        "a..b@example.org",
        "a@-x.example",
        "ä@example.org",
        "a" * 65 + "@example.org",
        "a@" + "x." * 130 + "org",
        "a@ex ample.org",
        "a@ex<ample.org",
        "a@example.org>",
        "a@example_.org",
        "a@example.org:25",
        "a\x00@example.org",
        "a@ex\x00ample.org",
        "Jan <a@example.org>",
        "a(comment)@example.org",
        "a@xn--zzzzzz.de",
    ],
)
def test_addresses_that_are_refused(written: str) -> None:
    assert mailbox(written) is None


@given(st.text())
def test_an_address_is_one_word_in_ascii_or_none(written: str) -> None:
    taken = mailbox(written)
    assert taken is None or (taken.isascii() and taken.isprintable() and len(taken.split()) == 1)


@given(st.text(), st.integers(1, 50))
def test_a_clean_line_is_one_line_and_no_longer_than_asked(text: str, limit: int) -> None:
    line = clean_line(text, limit)
    assert len(line) <= limit
    assert len(line.splitlines()) <= 1
    assert clean_line(line, limit) == line


@given(st.text())
def test_clean_text_holds_no_control_character_but_line_ends(text: str) -> None:
    assert all(char == "\n" or char.isprintable() or ord(char) > 0x9F for char in clean_text(text))


def test_names_of_every_script_stay_as_they_are() -> None:
    for name in ("Åke Ñandú", "Nguyễn Thị Hương", "يوسف", "李小龍", "Zoë van 't Hoff", "👩‍👩‍👧"):
        assert clean_line(name) == name


def test_an_id_keeps_its_inner_spaces_and_signs() -> None:
    assert clean_code("a  b/<c>%2F") == "a  b/<c>%2F"


def test_pauses_double_from_a_second_to_five_minutes() -> None:
    assert [pause_seconds(attempts, 0.0) for attempts in (1, 2, 3, 9, 10, 10**6)] == [1, 2, 4, 256, 300, 300]
    assert pause_seconds(3, 1.0) == 2


def test_what_the_other_side_asks_for_is_honoured_within_an_hour() -> None:
    assert pause_seconds(1, 0.5, 40.0) == 40
    assert pause_seconds(1, 0.0, 10**9) == 3600
    assert pause_seconds(1, 0.0, -5.0) == 1


def test_patience_ends_after_some_hours_but_never_before_the_third_try() -> None:
    hours = timedelta(hours=6)
    assert not given_up(NOW - timedelta(hours=5), NOW, hours, 50)
    assert given_up(NOW - timedelta(hours=7), NOW, hours, 3)
    assert not given_up(NOW - timedelta(days=2), NOW, hours, 2)
    assert given_up(NOW - timedelta(days=8), NOW, hours, 1)


def test_after_a_week_nothing_is_told_and_after_two_nothing_is_known() -> None:
    assert not too_old(NOW - timedelta(days=7), NOW)
    assert too_old(NOW - timedelta(days=7, seconds=1), NOW)
    assert not beyond_memory(NOW - timedelta(days=14), NOW)
    assert beyond_memory(NOW - timedelta(days=14, seconds=1), NOW)


def hook(**changes: str) -> str:
    return json.dumps({"tenant": "acme", "url": "https://hooks.example/x", "secret": SECRET} | changes)


def test_a_webhook_may_be_plain_http_to_this_machine_only() -> None:
    for url in ("http://127.0.0.1:8/x", "http://localhost/x", "http://[::1]/x", "https://a.example/x"):
        assert read_hooks(hook(url=url))["acme"].url == url


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (hook(url="http://hooks.example/x"), "https"),
        (hook(url="ftp://hooks.example/x"), "https"),
        (hook(url="https://u:p@hooks.example/x"), "user or password"),
        (hook(url="https://[::bad/x"), "url"),
        (hook(secret="whsec_c2hvcnQ="), "16 bytes"),
        (hook(secret="whsec_%%%"), "secret"),
        (hook(tenant="Not A Tenant"), "tenant"),
        ("{", "line 1"),
        (hook() + "\n" + hook(), "line 2: tenant acme has a webhook already"),
    ],
)
def test_a_webhooks_file_is_refused_by_line_without_repeating_its_secret(line: str, problem: str) -> None:
    with pytest.raises(ValueError, match="line") as refusal:
        read_hooks(line)
    assert problem in str(refusal.value)
    assert SECRET not in str(refusal.value)
    assert "c2hvcnQ" not in str(refusal.value)


def test_a_secret_does_not_show() -> None:
    assert SECRET not in repr(read_hooks(hook()))
