"""Mails as bytes."""

from __future__ import annotations

import email
import email.policy
from dataclasses import replace
from datetime import UTC, datetime
from email.message import EmailMessage

from hypothesis import given
from hypothesis import strategies as st

from services.notifier.channels.mail.message import LOGO_ADDRESS, compose, message_id, thread_id
from services.notifier.channels.mail.sender import Logo, Sender
from services.notifier.letters.letter_writer import Letter

SENDER = Sender("Mandaat", "no-reply@mandaat.example", "help@mandaat.example")
LETTER = Letter("Over uw verzoek: €\u00a045,00", "Beste Åke,\n\nDag\n-- \n.\n.punt\n", "<p>Dag</p>", "nl")
LINE = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=250),
    st.text(st.sampled_from('é,;:<>@"\\()=?utf-8qb. \r\n'), max_size=250),
)


PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))


def composed(name: str | None = "A. Bakker", letter: Letter = LETTER, sender: Sender = SENDER) -> bytes:
    return compose(
        letter,
        to="a@example.org",
        name=name,
        sender=sender,
        notice_id="abc",
        message_id=message_id("abc", SENDER),
        thread=thread_id("acme", "c-1", SENDER),
        date=datetime(2026, 3, 2, 8, tzinfo=UTC),
    )


def read(message: bytes) -> EmailMessage:
    return email.message_from_bytes(message, policy=email.policy.default)


def test_every_copy_of_a_notice_is_the_same_bytes() -> None:
    assert composed() == composed()


def test_a_mail_names_its_sender_its_thread_and_that_a_machine_sent_it() -> None:
    mail = read(composed())
    assert mail["From"] == "Mandaat <no-reply@mandaat.example>"
    assert mail["Reply-To"] == "help@mandaat.example"
    assert mail["Message-ID"] == message_id("abc", SENDER) == "<abc@mandaat.example>"
    assert mail["References"] == mail["In-Reply-To"] == thread_id("acme", "c-1", SENDER)
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Date"] == "Mon, 02 Mar 2026 08:00:00 +0000"
    assert mail["Content-Language"] == "nl"


def test_a_logo_is_sent_within_the_mail_and_found_by_the_html() -> None:
    sender = replace(SENDER, logo=Logo(PNG, "png"))
    raw = composed(letter=replace(LETTER, html=f'<img src="{LOGO_ADDRESS}">'), sender=sender)
    assert raw == composed(letter=replace(LETTER, html=f'<img src="{LOGO_ADDRESS}">'), sender=sender)
    mail = read(raw)
    kinds = [part.get_content_type() for part in mail.walk()]
    related = ["multipart/related", "text/html", "image/png"]
    assert kinds == ["multipart/alternative", "text/plain", *related]
    picture = list(mail.walk())[-1]
    assert picture["Content-ID"] == "<" + LOGO_ADDRESS.removeprefix("cid:") + ">"
    assert picture["Content-Disposition"].startswith("inline")
    assert picture.get_content() == PNG
    assert mail["Content-Language"] == "nl"
    assert max(map(len, raw.split(b"\r\n"))) <= 998


@given(name=LINE)
def test_a_senders_name_stays_a_name(name: str) -> None:
    mail = read(composed(sender=replace(SENDER, name=name)))
    assert [one.addr_spec for one in mail["From"].addresses] == [SENDER.address]
    assert mail.keys() == read(composed()).keys()


def test_text_and_html_can_be_read_back() -> None:
    mail = read(composed())
    plain, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert plain is not None
    assert html is not None
    assert plain.get_content().replace("\r\n", "\n").rstrip("\n") == LETTER.text.rstrip("\n")
    assert html.get_content().replace("\r\n", "\n").rstrip("\n") == LETTER.html
    assert mail["Subject"] == LETTER.subject


def test_a_name_that_looks_like_an_encoded_word_is_not_decoded() -> None:
    name = "=?utf-8?q?=E2=80=AE?= Bakker"
    raw = composed(name)
    assert b"=?utf-8?q?=E2=80=AE?= Bakker" not in raw.split(b"\r\n\r\n")[0]
    assert read(raw)["To"].addresses[0].display_name == "= ?utf-8?q?=E2=80=AE?= Bakker"


@given(name=LINE, subject=LINE)
def test_no_name_or_subject_adds_a_header_or_a_recipient(name: str, subject: str) -> None:
    raw = composed(name, Letter(subject, "text", "<p>html</p>", "nl"))
    raw.decode("ascii")
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    mail = read(raw)
    assert mail.keys() == read(composed()).keys()
    assert [address.addr_spec for address in mail["To"].addresses] == ["a@example.org"]
    assert mail.get_content_type() == "multipart/alternative"
    assert len(list(mail.iter_parts())) == 2


@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=400))
def test_no_text_ends_its_part(text: str) -> None:
    mail = read(composed(letter=Letter("s", text, "<p></p>", "nl")))
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
