"""Accepting a message: check it, publish it, await the acknowledgement, note it. Every door uses this."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple, Protocol

from schemas.case import Case
from schemas.cloud_event import HEADERS
from schemas.errors import Flaw, Unreadable
from schemas.ids import RequestKey, record_key
from schemas.request_digest import request_digest
from services.chassis.kafka.producer import Outgoing
from services.chassis.process.log import log
from services.intake.directory import Directory
from services.intake.events import Content, Message, event_of, publication_of
from services.intake.metrics import IntakeMetrics
from services.intake.reading.replies import Reply


class Door(NamedTuple):
    """A way into intake. `name` is its label in metrics and in the log.

    `tells_conflicts`: the caller waits for the answer, so a request known with other content is refused at
    once. At other doors, rules finds the conflict.
    """

    name: str
    timeout_seconds: float
    tells_conflicts: bool


HTTP: Final = Door("http", timeout_seconds=5.0, tells_conflicts=True)
"""After the timeout the caller gets a 503; the record may still be in the log."""
INBOUND: Final = Door("kafka", timeout_seconds=10.0, tells_conflicts=False)
"""The topic mandaat.inbound."""


class Publisher(Protocol):
    """Publishes records; returns when every one is acknowledged. Raises TryAgain."""

    async def send_all(self, records: Sequence[Outgoing], *, timeout_seconds: float = ...) -> list[int]:
        """The offsets, in the order given."""


class KnownRequests(Protocol):
    """The digests of requests that were accepted lately. It never fails, but may know nothing."""

    async def digest_of(self, key: RequestKey) -> str | None:
        """The digest that was noted first."""

    async def note(self, digests: Mapping[RequestKey, str]) -> None:
        """Notes digests. A digest that is already noted stays as it is."""


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Intake:
    """Accepts messages, and counts and logs the results."""

    publisher: Publisher
    known_requests: KnownRequests
    metrics: IntakeMetrics
    directory: Directory
    now: Callable[[], datetime] = _now

    async def accept(self, messages: Sequence[Message], door: Door) -> None:
        """Accept messages that came through a door; when this returns, all of them are in the log.

        Raises Unreadable for a conflict, if the door tells conflicts. Raises TryAgain if the broker does not
        acknowledge in time: nothing is noted then, but some messages may be in the log.
        """
        if door.tells_conflicts:
            await self._check_conflicts(messages, door)
        records = [_record_of(message) for message in messages]
        await self.publisher.send_all(records, timeout_seconds=door.timeout_seconds)
        await self.known_requests.note(_first_digests(messages))
        for message in messages:
            self._report(message, door)

    async def check_known(self, content: Content) -> None:
        """Check that the tenant has a policy, and that the person of a reply is on the staff.

        Raises Unreadable: unknown_tenant, unknown_agent. Raises TryAgain if this cannot be told.
        """
        if await self.of_unknown_tenants([content]):
            raise unknown_tenant(content.tenant)
        if isinstance(content, Reply):
            agent = content.verdict.agent_id
            if not await self.directory.knows_person(content.tenant, agent):
                raise _unknown_agent(self.directory.alike(content.tenant, agent))

    async def of_unknown_tenants(self, contents: Sequence[Content]) -> list[Content]:
        """Those contents whose tenant has no active policy. Raises TryAgain.

        A known case is none of them: rules repeats its decision even without a policy.
        """
        tenants = await self.directory.unknown_tenants({content.tenant for content in contents})
        return [
            content for content in contents if content.tenant in tenants and not await self._is_known(content)
        ]

    async def _is_known(self, content: Content) -> bool:
        return isinstance(content, Case) and await self.known_requests.digest_of(content.key) is not None

    def refuse(self, door: Door, reason: str, about: Mapping[str, str]) -> None:
        """Count and log a refusal. `about` names tenant, case and request, as far as they are known."""
        outcome = reason if reason in ("conflict", "other_tenant", "other_agent") else "unreadable"
        self.metrics.outcomes.labels(door.name, outcome).inc()
        if outcome == "unreadable":
            self.metrics.unreadable.labels(door.name, reason).inc()
        log.info("refused", door=door.name, reason=reason, **about)

    async def _check_conflicts(self, messages: Sequence[Message], door: Door) -> None:
        for message in messages:
            case = message.content
            if not isinstance(case, Case):
                continue
            if await self.known_requests.digest_of(case.key) not in (None, request_digest(case)):
                self.refuse(door, "conflict", message.about)
                raise _conflict(case)

    def _report(self, message: Message, door: Door) -> None:
        waited = (self.now() - message.received_at).total_seconds()
        self.metrics.outcomes.labels(door.name, "accepted").inc()
        self.metrics.acceptance_seconds.labels(door.name).observe(max(0.0, waited))
        published = publication_of(message.content)
        log.info(
            "accepted",
            door=door.name,
            type=published.event_type,
            event_id=message.event_id,
            **published.about,
        )


def unknown_tenant(tenant: str) -> Unreadable:
    """The refusal of content whose tenant has no active policy."""
    return Unreadable(
        "unknown_tenant",
        f"No policy is active for the tenant {tenant!r}. Publish one (mandaat publish policy), then send"
        " this again.",
        (Flaw("/tenant", "has no active policy"),),
    )


def _unknown_agent(alike: str | None) -> Unreadable:
    hint = f"; did you mean {alike!r}?" if alike else ""
    text = f"is not the id of anybody on the staff{hint}"
    return Unreadable("unknown_agent", f"/agent_id: {text}", (Flaw("/agent_id", text),))


def _conflict(case: Case) -> Unreadable:
    return Unreadable(
        "conflict",
        f"Request {case.request.request_id!r} of case {case.case_id!r} is known with another agent,"
        " customer, kind, amount, currency or discretion. A changed request needs a new request_id.",
    )


def _first_digests(messages: Sequence[Message]) -> dict[RequestKey, str]:
    digests: dict[RequestKey, str] = {}
    for message in messages:
        if isinstance(message.content, Case):
            digests.setdefault(message.content.key, request_digest(message.content))
    return digests


def _record_of(message: Message) -> Outgoing:
    """No partition: the hash of the key chooses it, so cases and replies have the same partition number."""
    published = publication_of(message.content)
    return Outgoing(
        topic=published.topic,
        key=record_key(message.content.tenant, published.subject).encode(),
        value=event_of(message).to_bytes(),
        headers=HEADERS,
    )
