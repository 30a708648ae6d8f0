"""What intake does: read, publish, await the acknowledgement, and only then say that it was accepted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

from schemas.case import Case
from schemas.cloud_event import HEADERS, CloudEvent
from schemas.errors import Unreadable
from schemas.ids import RequestKey, derived_id, record_key, split_approval_id, uuid7
from schemas.request_digest import request_digest
from schemas.topics import CASES, REPLIES
from schemas.withdrawal import Withdrawal
from services.chassis.http.problems import HttpProblem
from services.chassis.kafka.dead_letters import ConsumedRecord
from services.chassis.kafka.dead_letters import about as about_record
from services.chassis.kafka.producer import Outgoing
from services.chassis.process.log import log
from services.intake.events import accepted_at, case_submitted, case_withdrawn, verdict_given
from services.intake.metrics import Door, IntakeMetrics
from services.intake.reading.inbound import Received, read_inbound, well_formed
from services.intake.reading.replies import read_verdict
from services.intake.reading.submission import is_case_id, read_submission, read_withdrawal

InboundEvent: TypeAlias = CloudEvent[Case] | CloudEvent[Withdrawal]
ANSWER_SECONDS: Final = 5.0
"""How long a caller waits for the broker before a 503; what was sent may still be in the log."""


class Publisher(Protocol):
    """Publishes records; returns when every one is acknowledged. Raises TryAgain."""

    async def send_all(self, records: Sequence[Outgoing], *, timeout_seconds: float = ...) -> list[int]:
        """The offsets, in the order given."""


class KnownDigests(Protocol):
    """The digests of requests that were accepted lately; it never fails, but may know nothing."""

    async def digest_of(self, key: RequestKey) -> str | None:
        """The digest that was noted first."""

    async def note(self, digests: Mapping[RequestKey, str]) -> None:
        """Notes digests; one that is there stays as it is."""


class Letters(Protocol):
    """Keeps what cannot be read; returns when every letter is acknowledged. Raises TryAgain."""

    async def put_all(self, letters: Sequence[tuple[ConsumedRecord, Unreadable]]) -> None:
        """One dead letter a record."""


class Accepted(NamedTuple):
    """What was published and acknowledged."""

    event_id: str
    case_id: str
    request_id: str


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Intake:
    """The doors of Mandaat: cases, withdrawals and replies over HTTP, the first two from mandaat.inbound."""

    publisher: Publisher
    known: KnownDigests
    dead_letters: Letters
    metrics: IntakeMetrics
    now: Callable[[], datetime] = _now

    async def accept_case(
        self, body: bytes, *, tenant: str, backfill: bool = False, traceparent: str | None = None
    ) -> Accepted:
        """Accepts the case in the body of a request. With `backfill` its clock is `opened_at`.

        Raises Unreadable (also for a conflict), Problem 403 for another tenant's case, TryAgain.
        """
        began = self.now()
        with self._counting_refusals(tenant=tenant) as about:
            submitted = read_submission(body)
            _check_tenant(tenant, submitted.tenant)
            case = submitted.of(tenant, origin=None)
            about |= {"case_id": case.case_id, "request_id": case.request.request_id}
            digest = request_digest(case)
            _check_known(await self.known.digest_of(case.key), digest, case)
        event = case_submitted(
            case,
            event_id=uuid7(),
            accepted_at=case.opened_at if backfill else began,
            traceparent=well_formed(traceparent),
        )
        await self.publisher.send_all(
            [_outgoing(CASES, tenant, case.case_id, event)], timeout_seconds=ANSWER_SECONDS
        )
        await self.known.note({case.key: digest})
        return self._accepted("http", event, case.case_id, case.request.request_id, began)

    async def accept_withdrawal(
        self, case_id: str, body: bytes, *, tenant: str, traceparent: str | None = None
    ) -> Accepted:
        """Accepts the withdrawal of a request; what it takes back is for rules to say.

        Raises Unreadable, Problem 403 for another tenant's case, TryAgain.
        """
        began = self.now()
        named = {"case_id": case_id} if is_case_id(case_id) else {}
        with self._counting_refusals(tenant=tenant, **named) as about:
            submitted = read_withdrawal(case_id, body)
            about |= {"request_id": submitted.request_id}
            _check_tenant(tenant, submitted.tenant)
        event = case_withdrawn(
            submitted.of(tenant), event_id=uuid7(), accepted_at=began, traceparent=well_formed(traceparent)
        )
        await self.publisher.send_all(
            [_outgoing(CASES, tenant, case_id, event)], timeout_seconds=ANSWER_SECONDS
        )
        return self._accepted("http", event, case_id, submitted.request_id, began)

    async def accept_verdict(
        self, verb: str, approval: str, body: bytes, *, tenant: str, traceparent: str | None = None
    ) -> Accepted:
        """Accepts a verdict on an approval; whether it stands is for rules to say.

        Raises Unreadable, TryAgain.
        """
        began = self.now()
        with self._counting_refusals(tenant=tenant, **_named(approval)):
            verdict = read_verdict(verb, approval, body)
        event = verdict_given(
            verdict,
            verb,
            tenant=tenant,
            event_id=uuid7(),
            accepted_at=began,
            traceparent=well_formed(traceparent),
        )
        await self.publisher.send_all(
            [_outgoing(REPLIES, tenant, verdict.case_id, event)], timeout_seconds=ANSWER_SECONDS
        )
        return self._accepted("http", event, verdict.case_id, verdict.request_id, began)

    async def accept_records(self, records: Sequence[ConsumedRecord]) -> None:
        """Accepts a batch of mandaat.inbound: each record is published or a dead letter when this returns.

        Raises TryAgain; then the batch comes again, and its events have the same ids.
        """
        events, unreadable = self._read(records)
        await self.publisher.send_all(
            [_outgoing(CASES, event.data.tenant, event.data.case_id, event) for event in events]
        )
        await self.dead_letters.put_all(unreadable)
        await self.known.note(_first_digests(events))
        for event in events:
            self._accepted("kafka", event, event.data.case_id, event.data.key.request_id, event.time)
        for record, flaw in unreadable:
            self._refused("kafka", flaw.reason, about_record(record))

    def _read(
        self, records: Sequence[ConsumedRecord]
    ) -> tuple[list[InboundEvent], list[tuple[ConsumedRecord, Unreadable]]]:
        events: list[InboundEvent] = []
        unreadable: list[tuple[ConsumedRecord, Unreadable]] = []
        for record in records:
            try:
                received = read_inbound(record.key, record.value, record.headers)
            except Unreadable as flaw:
                unreadable.append((record, flaw))
                continue
            events.append(self._event(record, received))
        return events, unreadable

    def _event(self, record: ConsumedRecord, received: Received) -> InboundEvent:
        event_id = derived_id(record.topic, record.partition, record.offset)
        at = accepted_at(record.timestamp, record.timestamp_type, self.now())
        data, trace = received
        if isinstance(data, Withdrawal):
            return case_withdrawn(data, event_id=event_id, accepted_at=at, traceparent=trace)
        return case_submitted(data, event_id=event_id, accepted_at=at, traceparent=trace)

    def _accepted(
        self, door: Door, event: CloudEvent[Any], case_id: str, request_id: str, since: datetime
    ) -> Accepted:
        accepted = Accepted(event.id, case_id, request_id)
        self.metrics.outcomes.labels(door, "accepted").inc()
        self.metrics.acceptance_seconds.labels(door).observe(max(0.0, (self.now() - since).total_seconds()))
        log.info("accepted", door=door, type=event.type, tenant=event.tenant, **accepted._asdict())
        return accepted

    @contextmanager
    def _counting_refusals(self, **about: str) -> Iterator[dict[str, str]]:
        """Gives what the log says it is about, to be added to as that becomes known."""
        try:
            yield about
        except Unreadable as flaw:
            self._refused("http", flaw.reason, about)
            raise
        except HttpProblem:
            self._refused("http", "other_tenant", about)
            raise

    def _refused(self, door: Door, reason: str, about: Mapping[str, str]) -> None:
        outcome = reason if reason in ("conflict", "other_tenant") else "unreadable"
        self.metrics.outcomes.labels(door, outcome).inc()
        if outcome == "unreadable":
            self.metrics.unreadable.labels(door, reason).inc()
        log.info("refused", door=door, reason=reason, **about)


def _check_tenant(tenant: str, named: str | None) -> None:
    if named not in (None, tenant):
        raise HttpProblem(
            403,
            "other-tenant",
            "The case is of another tenant than the key; leave the tenant out, or use that tenant's key.",
            errors=[{"pointer": "/tenant", "detail": "is not the tenant of the key"}],
        )


def _named(approval: str) -> dict[str, str]:
    try:
        case_id, request_id = split_approval_id(approval)
    except ValueError:
        return {}
    return {"case_id": case_id, "request_id": request_id}


def _check_known(noted: str | None, digest: str, case: Case) -> None:
    if noted not in (None, digest):
        raise Unreadable(
            "conflict",
            f"Request {case.request.request_id!r} of case {case.case_id!r} is known with another agent,"
            " customer, kind, amount, currency or discretion. What changes a request needs a new request_id.",
        )


def _first_digests(events: Sequence[InboundEvent]) -> dict[RequestKey, str]:
    digests: dict[RequestKey, str] = {}
    for event in events:
        if isinstance(event.data, Case):
            digests.setdefault(event.data.key, request_digest(event.data))
    return digests


def _outgoing(topic: str, tenant: str, case_id: str, event: CloudEvent[Any]) -> Outgoing:
    """Without a partition: the hash of the key chooses, and is the same for cases and replies."""
    key = record_key(tenant, case_id).encode()
    return Outgoing(topic=topic, key=key, value=event.to_bytes(), headers=HEADERS)
