"""In-memory doubles of mail, webhook, staff and policies; each passes the contract tests of the real one."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from deploy.local.sinks.mail import BUSY_DOMAIN, REFUSING_DOMAIN
from schemas.staff import StaffMember
from services.notifier.channels.outcome import Delivered, Outcome, Passing, Permanent
from services.notifier.letters.kind_labels import Labels


class FakeMail:
    """A mail server that keeps its mail. It refuses two domains, and is unreachable while `away`."""

    def __init__(self) -> None:
        self.kept: list[tuple[str, bytes]] = []
        self.away = False

    async def send(self, sender: str, to: str, message: bytes) -> Outcome:
        """One mail for one person."""
        domain = to.rpartition("@")[2]
        if self.away:
            return Passing("smtp_connect: SMTPConnectError")
        if domain == REFUSING_DOMAIN:
            return Permanent("smtp_refused: 550 5.1.1")
        if domain == BUSY_DOMAIN:
            return Passing("smtp_refused: 451 4.3.0")
        self.kept.append((to, message))
        return Delivered()

    async def close(self) -> None:
        """There is no connection."""


class FakeWebhooks:
    """A webhook receiver for some tenants that keeps its requests and answers with `status`."""

    def __init__(self, *tenants: str) -> None:
        self._tenants = tenants
        self.kept: list[tuple[str, bytes]] = []
        self.status = 204
        self.retry_after: float | None = None

    async def send(self, tenant: str, webhook_id: str, body: bytes, now: datetime) -> Outcome:
        """One event as it is."""
        if tenant not in self._tenants:
            return Permanent("no_webhook")
        self.kept.append((webhook_id, body))
        if 200 <= self.status <= 299:
            return Delivered()
        reason = f"webhook: HTTP {self.status}"
        if self.status >= 500 or self.status in (408, 425, 429):
            return Passing(reason, self.retry_after)
        return Permanent(reason)

    async def close(self) -> None:
        """There is no connection."""


class FakeStaff:
    """Staff in a dictionary. A published member is known after the next read to the end."""

    def __init__(self, members: Iterable[StaffMember] = ()) -> None:
        self._known = {one.key: one for one in members}
        self.published: list[StaffMember] = []

    def get(self, key: str) -> StaffMember | None:
        """The member, or None."""
        return self._known.get(key)

    def ready(self) -> str | None:
        """They can be looked up."""
        return None

    async def read_to_end(self) -> None:
        """Knows all that was published."""
        self._known |= {one.key: one for one in self.published}


class FakeLabels:
    """The labels of policies in a dictionary."""

    def __init__(self) -> None:
        self.known: dict[str, Labels] = {}
        self.problem: str | None = None

    def get(self, tenant: str) -> Labels | None:
        """The labels of the tenant, or None."""
        return self.known.get(tenant)

    def ready(self) -> str | None:
        """The problem, if a test set one."""
        return self.problem
