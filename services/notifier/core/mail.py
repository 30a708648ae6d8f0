"""A mail as it goes over the wire (RFC 5322, RFC 2046): the same notice, the same bytes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Final

from schemas.ids import derived_id
from services.notifier.core.clean import clean_line
from services.notifier.core.letters import Letter

_POLICY: Final = SMTP.clone(raise_on_defect=False)


@dataclass(frozen=True)
class Sender:
    """Who our mail comes from, and where answers go."""

    name: str
    address: str
    reply_to: str | None = None

    @property
    def domain(self) -> str:
        """The domain of our Message-IDs."""
        return self.address.rpartition("@")[2]


def message_id(notice_id: str, sender: Sender) -> str:
    """The Message-ID of a notice: as stable as its id, so that whoever gets it twice can tell."""
    return f"<{notice_id}@{sender.domain}>"


def thread_id(tenant: str, case_id: str, sender: Sender) -> str:
    """What all mails about a case refer to, so that a mail program shows them together."""
    return f"<{derived_id('thread', tenant, case_id)}@{sender.domain}>"


def compose(
    letter: Letter, *, to: str, name: str | None, sender: Sender, notice_id: str, thread: str, date: datetime
) -> bytes:
    """The bytes to send, in ASCII: text with an HTML alternative, marked as written by no person (RFC 3834).

    `to` is an address that :func:`services.notifier.core.address.mailbox` made; `date` is that of the event.
    """
    message = EmailMessage(_POLICY)
    message["From"] = Address(display_name=sender.name, addr_spec=sender.address)
    message["To"] = Address(display_name=clean_line(name or "", 100), addr_spec=to)
    if sender.reply_to is not None:
        message["Reply-To"] = Address(addr_spec=sender.reply_to)
    message["Subject"] = letter.subject
    message["Date"] = format_datetime(date)
    message["Message-ID"] = message_id(notice_id, sender)
    message["In-Reply-To"] = thread
    message["References"] = thread
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    message.set_content(letter.text, cte="quoted-printable")
    message.add_alternative(letter.html, subtype="html", cte="quoted-printable")
    message["Content-Language"] = letter.language
    message.set_boundary(f"={notice_id}=")
    return message.as_bytes()
