"""A mail as it goes over the wire (RFC 5322, RFC 2046). Every copy of a notice is the same bytes."""

from __future__ import annotations

from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from typing import Final

from schemas.ids import derived_id
from services.notifier.channels.mail.sender import Logo, Sender
from services.notifier.letters.clean import clean_line
from services.notifier.letters.letter_writer import Letter

LONGEST_SUBJECT: Final = 300
LONGEST_NAME: Final = 100
LOGO_ID: Final = "logo@mandaat"
LOGO_ADDRESS: Final = f"cid:{LOGO_ID}"
"""The address of the logo in the HTML (RFC 2392)."""


def message_id(notice_id: str, sender: Sender) -> str:
    """The Message-ID of a notice. A reader who gets a second copy can recognise it by this."""
    return f"<{notice_id}@{sender.domain}>"


def thread_id(tenant: str, case_id: str, sender: Sender) -> str:
    """The id to which all mails about a case refer, so that a mail program shows them together."""
    return f"<{derived_id('thread', tenant, case_id)}@{sender.domain}>"


def compose(
    letter: Letter,
    *,
    to: str,
    name: str | None,
    sender: Sender,
    notice_id: str,
    message_id: str,
    thread: str,
    date: datetime,
) -> bytes:
    """The mail in ASCII: text with an HTML alternative, marked as sent by a machine (RFC 3834).

    `to` is an address that `address.mailbox` made; `date` is the time of the event.
    """
    mail = EmailMessage(policy=SMTP)
    mail["From"] = Address(_phrase(sender.name, LONGEST_NAME), addr_spec=sender.address)
    mail["To"] = Address(_phrase(name or "", LONGEST_NAME), addr_spec=to)
    if sender.reply_to is not None:
        mail["Reply-To"] = sender.reply_to
    mail["Subject"] = _phrase(letter.subject, LONGEST_SUBJECT)
    mail["Date"] = date
    mail["Message-ID"] = message_id
    mail["In-Reply-To"] = thread
    mail["References"] = thread
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"
    mail.set_content(letter.text, cte="quoted-printable")
    mail.add_alternative(letter.html, subtype="html", cte="quoted-printable")
    if sender.logo is not None:
        _add_logo(mail, sender.logo, f"=_{notice_id}_r=")
    mail["Content-Language"] = letter.language  # the library would move an earlier one into the first part
    # Not the library's random boundary. In quoted-printable text no `=` stands before these letters.
    mail.set_boundary(f"=_{notice_id}_=")
    return mail.as_bytes()


def _add_logo(mail: EmailMessage, logo: Logo, boundary: str) -> None:
    """Put the logo beside the HTML (RFC 2387), which finds it by its Content-ID."""
    _, html = mail.iter_parts()
    html.add_related(
        logo.content,
        "image",
        logo.subtype,
        cid=f"<{LOGO_ID}>",
        disposition="inline",
        filename=f"logo.{logo.subtype}",
    )
    html.set_boundary(boundary)


def _phrase(text: str, longest: int) -> str:
    """Text of people for a header, on one line.

    The library decodes an encoded word (RFC 2047) in what it is given, so `=?` is broken up: somebody could
    hide in it what `clean_line` takes out.
    """
    return clean_line(text, longest).replace("=?", "= ?")
