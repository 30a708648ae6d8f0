"""Tells one notice: who is it for, in which language, over which channel."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple, Protocol, assert_never

from schemas.case import Case
from schemas.decision import Decision
from schemas.language import Language, language_of
from schemas.staff import StaffMember, staff_key
from services.notifier.channels.mail.address import mailbox
from services.notifier.channels.mail.message import FromAddress, compose, message_id, thread_id
from services.notifier.channels.outcome import Outcome, Passing, Permanent
from services.notifier.letters.letters import Letters
from services.notifier.planning.notice import PendingNotice
from services.notifier.planning.reading import DecisionEvent, read_decision

READ_AGAIN_SECONDS: Final = 2.0
NOTE_TRIES: Final = 4
"""A person's decision and their words are two events, one after the other; the second is here in a moment."""


class Mail(Protocol):
    """Hands mail to a server."""

    async def send(self, sender: str, to: str, message: bytes) -> Outcome:
        """One mail for one person."""
        ...


class Webhooks(Protocol):
    """Posts to the tenants' webhooks."""

    async def send(self, tenant: str, webhook_id: str, body: bytes, now: datetime) -> Outcome:
        """One event as it is."""
        ...


class Staff(Protocol):
    """Who works where, by `<tenant>/<agent_id>`."""

    def get(self, key: str) -> StaffMember | None:
        """The member, None where unknown."""
        ...

    def ready(self) -> str | None:
        """Why they cannot be looked up yet, or None."""
        ...

    async def read_to_end(self) -> None:
        """Returns when all that was published is known. Raises TryAgain."""
        ...


@dataclass(frozen=True)
class Material:
    """What the desk holds of a notice, None where it is not there: the case as submitted, the event, and
    what the person wrote who decided."""

    case: bytes | None
    event: bytes | None
    note: bytes | None = None


class DeliveryAttempt(NamedTuple):
    """How one try ended, and what is known of the message."""

    outcome: Outcome
    message_id: str
    language: Language | None = None


class Reader(NamedTuple):
    """Who reads a mail."""

    name: str | None
    email: str | None
    language: Language


class NoticeDelivery:
    """Finds the reader, writes the letter, hands it over."""

    def __init__(
        self,
        *,
        mail: Mail,
        webhooks: Webhooks,
        staff: Staff,
        letters: Letters,
        sender: FromAddress,
        when_unknown: Language,
    ) -> None:
        self._mail = mail
        self._webhooks = webhooks
        self._staff = staff
        self._letters = letters
        self._sender = sender
        self._when_unknown = when_unknown
        self._read_again = 0.0

    def ready(self) -> str | None:
        """Why nobody can be told yet, or None."""
        return self._staff.ready()

    async def tell(self, pending: PendingNotice, material: Material, now: datetime) -> DeliveryAttempt:
        """One try. Raises TryAgain when the staff cannot be looked up now."""
        seen = read_decision(material.event) if material.event is not None else None
        if seen is None:
            return self.unsent(pending, Permanent("case_gone"))
        match pending.told.channel:
            case "webhook":
                outcome = await self._webhooks.send(pending.tenant, pending.notice_id, seen.raw, now)
                return DeliveryAttempt(outcome, pending.notice_id)
            case "mail":
                if material.case is None:
                    return self.unsent(pending, Permanent("case_gone"))
                if (
                    pending.told.audience != "customer"
                    and _awaits_note(seen, material)
                    and pending.attempts <= NOTE_TRIES
                ):
                    return self.unsent(pending, Passing("awaits_note"))
                case, note = Case.model_validate_json(material.case), (material.note or b"").decode()
                return await self._tell_by_mail(pending, seen, case, note)
        assert_never(pending.told.channel)

    def unsent(
        self, pending: PendingNotice, why: Outcome, language: Language | None = None
    ) -> DeliveryAttempt:
        """Nothing was sent."""
        webhook = pending.told.channel == "webhook"
        id_ = pending.notice_id if webhook else message_id(pending.notice_id, self._sender)
        return DeliveryAttempt(why, id_, language)

    async def _tell_by_mail(
        self, pending: PendingNotice, seen: DecisionEvent, case: Case, note: str
    ) -> DeliveryAttempt:
        reader = await self._reader(pending, case)
        if reader is None:
            return self.unsent(pending, Permanent("unknown_person"))
        if not reader.email:
            return self.unsent(pending, Permanent("no_address"), reader.language)
        to = mailbox(reader.email)
        if to is None:
            return self.unsent(pending, Permanent("bad_address"), reader.language)
        letter = self._letters.write(
            pending, seen.event, case, reader.name, reader.language, self._member_of(pending.tenant), note
        )
        message = compose(
            letter,
            to=to,
            name=reader.name,
            sender=self._sender,
            notice_id=pending.notice_id,
            thread=thread_id(pending.tenant, pending.case_id, self._sender),
            date=seen.event.time,
        )
        outcome = await self._mail.send(self._sender.address, to, message)
        return DeliveryAttempt(outcome, message_id(pending.notice_id, self._sender), reader.language)

    async def _reader(self, pending: PendingNotice, case: Case) -> Reader | None:
        if pending.told.audience == "customer":
            customer = case.customer
            return Reader(customer.name, customer.email, language_of(customer.language, self._when_unknown))
        find = self._member_of(pending.tenant)
        member = find(pending.told.person or "")
        if member is None and time.monotonic() - self._read_again > READ_AGAIN_SECONDS:
            await self._staff.read_to_end()
            self._read_again = time.monotonic()
            member = find(pending.told.person or "")
        if member is None:
            return None
        return Reader(member.name, member.email, language_of(member.language, self._when_unknown))

    def _member_of(self, tenant: str) -> Callable[[str], StaffMember | None]:
        return lambda agent_id: self._staff.get(staff_key(tenant, agent_id))


def _awaits_note(seen: DecisionEvent, material: Material) -> bool:
    data = seen.event.data
    by_verdict = isinstance(data, Decision) and data.by == "person" and data.outcome != "withdrawn"
    return by_verdict and material.note is None
