"""In-memory doubles of Kafka, Redis and the dead letters, for the component tests of intake.

tests/integration/intake/{test_known_requests,test_publishing}.py hold them to the contract of the real ones.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from schemas.errors import Unreadable
from schemas.ids import RequestKey
from services.chassis.kafka.dead_letters import ConsumedRecord
from services.chassis.kafka.producer import Outgoing
from services.chassis.process.errors import TryAgain
from services.intake.directory import most_alike


class FakePublisher:
    """Keeps published records. While `away`, nothing is acknowledged."""

    def __init__(self) -> None:
        self.sent: list[Outgoing] = []
        self.away = False

    async def send_all(self, records: Sequence[Outgoing], *, timeout_seconds: float = 10.0) -> list[int]:
        """The offsets, as of one partition."""
        if not records:
            return []
        if self.away:
            raise TryAgain("kafka is away")
        first = len(self.sent)
        self.sent.extend(records)
        return list(range(first, len(self.sent)))


class FakeKnownRequests:
    """Keeps digests in a dictionary. While `away`, it knows and notes nothing."""

    def __init__(self) -> None:
        self.digests: dict[RequestKey, str] = {}
        self.away = False

    async def digest_of(self, key: RequestKey) -> str | None:
        """The digest that was noted first."""
        return None if self.away else self.digests.get(key)

    async def note(self, digests: Mapping[RequestKey, str]) -> None:
        """Notes the digests that are not there yet."""
        if not self.away:
            self.digests = {**digests, **self.digests}


class FakeDeadLetters:
    """Keeps dead letters and their reasons."""

    def __init__(self) -> None:
        self.letters: list[tuple[ConsumedRecord, Unreadable]] = []

    async def put_all(self, letters: Sequence[tuple[ConsumedRecord, Unreadable]]) -> None:
        """One dead letter a record."""
        self.letters.extend(letters)


class FakeDirectory:
    """Knows some tenants and people. What is in `coming` is known once the topics are read to their ends."""

    def __init__(self) -> None:
        self.tenants = {"acme", "globex"}
        self.people = {"acme": {"lead-01", "lead-02", "manager-01"}, "globex": {"lead-01"}}
        self.coming: set[str] = set()
        self.away = False

    async def unknown_tenants(self, tenants: Collection[str]) -> set[str]:
        """Those of the tenants that have no active policy."""
        if not set(tenants) <= self.tenants:
            self._read_on()
        return set(tenants) - self.tenants

    async def knows_person(self, tenant: str, agent_id: str) -> bool:
        """Whether the person is on the staff of the tenant."""
        return agent_id in self.people.get(tenant, set())

    def alike(self, tenant: str, agent_id: str) -> str | None:
        """The id on the staff of the tenant that is most like this one, if one is."""
        return most_alike(agent_id, self.people.get(tenant, set()))

    def _read_on(self) -> None:
        if self.away:
            raise TryAgain("mandaat.policies is not open")
        self.tenants |= self.coming
