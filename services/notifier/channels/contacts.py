"""Whom a notice is for: the name, address and language of a customer or a colleague."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

from schemas.case import Case
from schemas.language import Language, language_of
from schemas.staff import StaffMember, staff_key
from services.notifier.planning.notice import PendingNotice

READ_AGAIN_SECONDS: Final = 2.0


class StaffTable(Protocol):
    """The staff, by `<tenant>/<agent_id>`."""

    def get(self, key: str) -> StaffMember | None:
        """The member, None where unknown."""
        ...

    def ready(self) -> str | None:
        """Why they cannot be looked up yet, or None."""
        ...

    async def read_to_end(self) -> None:
        """Return when everything that was published is known. Raises TryAgain."""
        ...


class Contact(NamedTuple):
    """A person as a channel needs to know them."""

    name: str | None
    email: str | None
    language: Language


class Contacts:
    """Looks people up: a customer in the case, a colleague in the staff."""

    def __init__(self, staff: StaffTable, when_unknown: Language) -> None:
        self._staff = staff
        self._when_unknown = when_unknown
        self._read_at = 0.0

    def ready(self) -> str | None:
        """Why nobody can be looked up yet, or None."""
        return self._staff.ready()

    async def find(self, notice: PendingNotice, case: Case) -> Contact | None:
        """The contact of a notice; None where nobody of the staff has that id. Raises TryAgain.

        Somebody may have been hired a moment ago, so an unknown id makes it read the staff to the end, at
        most once in READ_AGAIN_SECONDS.
        """
        if notice.recipient.audience == "customer":
            customer = case.customer
            return Contact(customer.name, customer.email, language_of(customer.language, self._when_unknown))
        find = self.members_of(notice.tenant)
        member = find(notice.recipient.person or "")
        if member is None and time.monotonic() - self._read_at > READ_AGAIN_SECONDS:
            await self._staff.read_to_end()
            self._read_at = time.monotonic()
            member = find(notice.recipient.person or "")
        if member is None:
            return None
        return Contact(member.name, member.email, language_of(member.language, self._when_unknown))

    def members_of(self, tenant: str) -> Callable[[str], StaffMember | None]:
        """How to look up a colleague of this tenant by their id."""
        return lambda agent_id: self._staff.get(staff_key(tenant, agent_id))
