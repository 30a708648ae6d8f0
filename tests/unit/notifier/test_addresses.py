"""Mail addresses that are accepted and refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notifier.channels.mail.address import mailbox


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
def test_addresses_that_are_accepted(written: str, taken: str) -> None:
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
