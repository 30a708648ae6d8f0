"""Events as rules publishes them, with good defaults: a test of telling shows only what matters to it."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from aiokafka import AIOKafkaProducer

from schemas import topics, types
from schemas.approval import Approval, ApprovalEvent, Closing, without_personal_data
from schemas.case import Case
from schemas.cloud_event import HEADERS, CloudEvent
from schemas.decision import AgentRef, Decision, PolicyRef, Reason
from schemas.ids import approval_id, derived_id, record_key, uuid7
from schemas.request_digest import request_digest
from schemas.staff import StaffMember
from services.chassis.kafka.producer import partition_for
from services.notifier.planning.notice import PendingNotice, Recipient, notice_id
from services.notifier.planning.reading import NotifiableEvent, read_event

POLICY = PolicyRef(name="acme", version="2026-03-01", digest="d" * 64)


def a_case(case_id: str = "c-1", **changes: Any) -> Case:
    """A case as intake publishes it; `email`, `name` and `language` are the customer's."""
    customer = {"id": "cu-1", "name": "A. Bakker", "email": "a@example.org", "language": "nl"}
    request = {"request_id": "r1", "kind": "refund", "amount": "45.00", "currency": "EUR"}
    customer |= {key: changes.pop(key) for key in ("name", "email", "language") if key in changes}
    for key in ("request_id", "kind", "amount", "currency", "reason"):
        if key in changes:
            request[key] = changes.pop(key)
    case = {
        "case_id": case_id,
        "tenant": "acme",
        "opened_at": datetime(2026, 3, 2, 8, tzinfo=UTC),
        "customer": customer | changes.pop("customer", {}),
        "agent_id": "agent-01",
        "category": "delivery",
        "subject": "parcel six days late",
        "facts": {"days_late": 6, "order_value": 90.0},
        "request": request,
        **changes,
    }
    return Case.model_validate(case)


def a_decision(case: Case, outcome: str = "approved", **changes: Any) -> Decision:
    """A decision on the request of a case."""
    escalated = outcome == "escalated"
    fields: dict[str, Any] = {
        "decision_id": derived_id(
            types.DECISION_TYPES[outcome], case.tenant, case.case_id, case.request.request_id
        ),
        "case_id": case.case_id,
        "request_id": case.request.request_id,
        "outcome": outcome,
        "final": not escalated,
        "by": None if escalated else "mandate",
        "mandate": "late-delivery" if outcome == "approved" else None,
        "amount": case.request.amount,
        "currency": case.request.currency,
        "agent_id": case.agent_id,
        "customer_id": case.customer.id,
        "policy": POLICY,
        "reasons": (over_limit(),) if escalated else (),
        "request_digest": request_digest(case),
        "agent": AgentRef(role="agent", team="north"),
        "approval_id": approval_id(case.case_id, case.request.request_id) if escalated else None,
    }
    return Decision.model_validate(fields | changes)


def over_limit(limit: str = "40.00") -> Reason:
    """More was asked than a mandate lets grant."""
    return Reason(code="over_limit", text="Over.", mandate="late-delivery", figures={"limit": limit})


def an_approval(case: Case, *approvers: str, version: int = 1, **changes: Any) -> Approval:
    """The approval of an escalated request."""
    fields: dict[str, Any] = {
        "approval_id": approval_id(case.case_id, case.request.request_id),
        "tenant": case.tenant,
        "case_id": case.case_id,
        "request_id": case.request.request_id,
        "state": "open",
        "version": version,
        "opened_at": datetime.now(UTC),
        "case": without_personal_data(case),
        "agent": AgentRef(role="agent", team="north"),
        "step": "team_lead",
        "approvers": approvers,
        "escalation": a_decision(case, "escalated").decision_id,
        "policy": POLICY,
        "request_digest": request_digest(case),
    }
    return Approval.model_validate(fields | changes)


def closed(case: Case, *approvers: str, by: str = "lead-01", outcome: str = "approved") -> Approval:
    """The same approval after a verdict."""
    closing = Closing.model_validate(
        {"outcome": outcome, "decision_id": "dec-2", "decided_by": by, "reply_id": "reply-1"}
    )
    return an_approval(case, *approvers, version=2, state="closed", closing=closing)


def decided(decision: Decision, tenant: str = "acme", at: datetime | None = None) -> Any:
    """decision.approved, .refused or .escalated."""
    return _event(
        types.DECISION_TYPES[decision.outcome], decision.decision_id, decision.case_id, tenant, decision, at
    )


def about_approval(type_: str, approval: Approval, at: datetime | None = None, **changes: Any) -> Any:
    """approval.requested, .closed, .late or .not_entitled."""
    data = ApprovalEvent(approval=approval, **changes)
    number = changes.get("reply_id", approval.version)
    id_ = derived_id(type_, approval.tenant, approval.case_id, approval.request_id, number)
    return _event(type_, id_, approval.case_id, approval.tenant, data, at)


def submitted(case: Case) -> CloudEvent[Case]:
    """case.submitted."""
    return CloudEvent[Case](
        id=uuid7(),
        source="/mandaat/intake",
        type=types.CASE_SUBMITTED,
        subject=case.case_id,
        time=datetime.now(UTC),
        tenant=case.tenant,
        data=case,
    )


def a_member(agent_id: str = "agent-01", **changes: Any) -> StaffMember:
    """Somebody of the staff."""
    fields: dict[str, Any] = {
        "agent_id": agent_id,
        "tenant": "acme",
        "name": f"Name of {agent_id}",
        "role": "agent",
        "team": "north",
        "email": f"{agent_id}@example.org",
        "language": "nl",
    }
    return StaffMember.model_validate(fields | changes)


def seen(event: Any) -> NotifiableEvent:
    """As the notifier reads it."""
    read = read_event(event.to_bytes())
    assert read is not None
    return read


def a_pending(
    event: Any, audience: str = "customer", person: str | None = "cu-1", **changes: Any
) -> PendingNotice:
    """A notice about an event."""
    channel = "webhook" if audience == "webhook" else "mail"
    told = Recipient.model_validate({"audience": audience, "person": person, "channel": channel})
    fields: dict[str, Any] = {
        "notice_id": notice_id(event.id, told),
        "tenant": event.tenant,
        "case_id": event.subject,
        "request_id": "r1",
        "request_digest": "digest",
        "about": event.id,
        "about_type": event.type,
        "about_time": event.time,
        "settled_us": int(event.sequence),
        "told": told,
    }
    return PendingNotice.model_validate(fields | changes)


class Journal:
    """Publishes as intake and rules do: the same partition number for all of a case, timestamps of now."""

    def __init__(self, bootstrap: str, partitions: int = 6) -> None:
        self._producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", linger_ms=0)
        self._partitions = partitions

    async def __aenter__(self) -> Journal:
        await self._producer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._producer.stop()

    async def submit(self, *cases: Case) -> None:
        """To mandaat.cases."""
        await self._send(topics.CASES, [submitted(case) for case in cases])

    async def settle(self, *events: Any) -> None:
        """To mandaat.decisions."""
        await self._send(topics.DECISIONS, events)

    async def hire(self, *members: StaffMember) -> None:
        """To mandaat.staff."""
        for one in members:
            key = one.key.encode()
            await self._producer.send_and_wait(
                topics.STAFF, one.model_dump_json(by_alias=True).encode(), key=key
            )

    async def put(self, topic: str, partition: int, value: bytes | None, key: bytes | None = None) -> None:
        """Any bytes."""
        await self._producer.send_and_wait(topic, value, key=key, partition=partition)

    def partition_of(self, tenant: str, case_id: str) -> int:
        """Where everything about a case goes."""
        return partition_for(record_key(tenant, case_id).encode(), self._partitions)

    async def _send(self, topic: str, events: Any) -> None:
        waiting = []
        for event in events:
            key = record_key(event.tenant, event.subject)
            partition = self.partition_of(event.tenant, event.subject)
            waiting.append(
                await self._producer.send(
                    topic, event.to_bytes(), key=key.encode(), partition=partition, headers=list(HEADERS)
                )
            )
        for one in waiting:
            await one


def _event(type_: str, id_: str, case_id: str, tenant: str, data: Any, at: datetime | None) -> Any:
    settled = time.time_ns() // 1000
    model: Any = CloudEvent[Decision] if isinstance(data, Decision) else CloudEvent[ApprovalEvent]
    return model(
        id=id_,
        source="/mandaat/rules",
        type=type_,
        subject=case_id,
        time=at or datetime.now(UTC),
        datacontenttype="application/json",
        tenant=tenant,
        sequence=f"{settled:016d}",
        cause="input-1",
        data=data,
    )
