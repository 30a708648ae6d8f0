"""Mail addresses that are accepted and refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.mailbox import mailbox


@pytest.mark.parametrize(
    ("written", "taken"),
    [
        ("a@example.org", "a@example.org"),
        (" a.b+c@example.org ", "a.b+c@example.org"),
        ("jan@münchen.example", "jan@xn--mnchen-3ya.example"),
        ("a@localhost", "a@localhost"),
        ("a@mail.company.local", "a@mail.company.local"),
        ("jan@faß.de", "jan@xn--fa-hia.de"),
        ("jan@XN--FA-HIA.de", "jan@xn--fa-hia.de"),
        ("jan@straße.example", "jan@xn--strae-oqa.example"),
        ("jan@strasse.example", "jan@strasse.example"),
        ("jan@ｅｘａｍｐｌｅ.org", "jan@example.org"),
        ("jan@ｆａß.de", "jan@xn--fa-hia.de"),
        ("jan@ＸＮ－－ｆａ－ｈｉａ.de", "jan@xn--fa-hia.de"),
        ("jan@example。org", "jan@example.org"),
        ("jan@exam\u00adple.org", "jan@example.org"),
        ("jan@stra\u00adße.example", "jan@xn--strae-oqa.example"),
        ("jan@example.org.\u00ad", "jan@example.org"),
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
        "a@xn--.de",
        "a@xn--99999.de",
        "a@xn--fa-hia.xn--zzzzzz",
        "a@xn--faß.de",
        "a@xn--ls8h.example",  # decodes to an emoji, which IDNA 2008 does not allow
        "a@xn--exmple-cua-.example",
        "a@\u00ad.org",
        "a@\u00ad",
        "a@example\u200d.org",
        "a＠example.org",
        "ｊａｎ@example.org",
        "a@127.0.0.1",
        "a@１２７.０.０.１",
    ],
)
def test_addresses_that_are_refused(written: str) -> None:
    assert mailbox(written) is None


@given(st.text())
def test_an_address_is_one_word_in_ascii_or_none(written: str) -> None:
    taken = mailbox(written)
    assert taken is None or (taken.isascii() and taken.isprintable() and len(taken.split()) == 1)
