"""The channel `mail`: a letter in the reader's language, over SMTP."""

from __future__ import annotations

from datetime import datetime
from typing import Final, Protocol

from schemas.case import Case
from schemas.mailbox import mailbox
from schemas.notice import ChannelName
from services.notifier.channels.channel import DeliveryAttempt, Material
from services.notifier.channels.contacts import Contact, Contacts
from services.notifier.channels.mail.message import LOGO_ADDRESS, compose, message_id, thread_id
from services.notifier.channels.mail.sender import Sender, Senders
from services.notifier.channels.outcome import Outcome, Permanent
from services.notifier.letters.kind_labels import NO_LABELS, LabelTable
from services.notifier.letters.letter_writer import LetterWriter
from services.notifier.letters.tenant_style import TenantStyle
from services.notifier.planning.notice import PendingNotice


class MailTransport(Protocol):
    """Hands mail to a server."""

    async def send(self, sender: str, to: str, message: bytes) -> Outcome:
        """Send one mail to one person."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


class MailChannel:
    """Finds the contact, writes the letter, and hands over the mail."""

    name: Final[ChannelName] = "mail"
    needs_case: Final = True

    def __init__(
        self,
        transport: MailTransport,
        contacts: Contacts,
        letters: LetterWriter,
        labels: LabelTable,
        senders: Senders,
        concurrency: int,
    ) -> None:
        self._transport = transport
        self._contacts = contacts
        self._letters = letters
        self._labels = labels
        self._senders = senders
        self.concurrency: Final = concurrency

    def serves(self, tenant: str) -> bool:
        """Everybody can have mail."""
        return True

    def share_of_tenant(self, places: int) -> int:
        """One mail server takes the mail of all tenants, so no tenant can hold up another."""
        return places

    def message_id(self, notice: PendingNotice) -> str:
        """The Message-ID of the mail."""
        return message_id(notice.notice_id, self._senders.default)

    def ready(self) -> str | None:
        """Why nobody can be addressed yet, or no letter written, or None."""
        return self._contacts.ready() or self._labels.ready()

    async def send(
        self,
        notice: PendingNotice,
        material: Material,
        now: datetime,
    ) -> DeliveryAttempt:
        """Send one mail. Raises TryAgain when the staff cannot be looked up now."""
        case = material.case
        if case is None:
            return DeliveryAttempt(Permanent("case_gone"))
        contact = await self._contacts.find(notice, case)
        if contact is None:
            return DeliveryAttempt(Permanent("unknown_person"))
        if not contact.email:
            return DeliveryAttempt(Permanent("no_address"), contact.language)
        to = mailbox(contact.email)
        if to is None:
            return DeliveryAttempt(Permanent("bad_address"), contact.language)
        sender = self._senders.of(notice.tenant)
        mail = self._compose(notice, material, case, contact, to, sender)
        return DeliveryAttempt(await self._transport.send(sender.address, to, mail), contact.language)

    async def close(self) -> None:
        """Close the connections to the mail server."""
        await self._transport.close()

    def _compose(
        self,
        notice: PendingNotice,
        material: Material,
        case: Case,
        contact: Contact,
        to: str,
        sender: Sender,
    ) -> bytes:
        event = material.event.event
        letter = self._letters.write(
            notice,
            event,
            case,
            contact.name,
            contact.language,
            self._contacts.members_of(notice.tenant),
            material.remark or "",
            TenantStyle(
                self._labels.get(notice.tenant) or NO_LABELS,
                sender.signature,
                LOGO_ADDRESS if sender.logo is not None else "",
            ),
        )
        return compose(
            letter,
            to=to,
            name=contact.name,
            sender=sender,
            notice_id=notice.notice_id,
            message_id=self.message_id(notice),
            thread=thread_id(notice.tenant, notice.case_id, self._senders.default),
            date=event.time,
        )
