"""Sends cases and verdicts as intake does, straight into mandaat.cases and mandaat.replies."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from deploy.local.stack import Stack
from schemas import topics
from schemas.cloud_event import HEADERS
from schemas.ids import approval_id, derived_id, uuid7
from schemas.staff import staff_key
from services.chassis.kafka.producer import Outgoing, Producer, partition_for
from tests.builders.bodies import as_bytes
from tests.builders.cases import a_case_body, a_request_body
from tests.builders.events import a_submitted_event, a_verdict_event, a_withdrawn_event
from tests.builders.policies import a_budget, a_mandate, a_policy, a_policy_record
from tests.raw_records import Raw, produce_raw

PARTITIONS = 6
A_LOT = 10_000_000
"""More than any test asks for, so charges are counted and change no outcome."""
MANDATES = (
    a_mandate(id="small", limit=40, budgets=["day", a_budget(per="customer", window="30d", cap=A_LOT)]),
    a_mandate(id="lead", grants="*", to="team_lead", limit=500, budgets=["day"]),
)
BUDGETS = {"day": a_budget(cap=A_LOT)}
PEOPLE = {
    "agent-01": ("agent", "north"),
    "lead-north": ("team_lead", "north"),
    "lead-south": ("team_lead", "south"),
}


@dataclass(frozen=True)
class RecordPosition:
    """The topic, partition and offset of a record."""

    topic: str
    partition: int
    offset: int


class InputSender:
    """Sends for one tenant: up to 40.00 is approved on the spot, more needs the lead of team north."""

    def __init__(self, stack: Stack, tenant: str) -> None:
        self.stack = stack
        self.tenant = tenant
        self._producer = Producer(stack.bootstrap, client_id="sender")

    async def __aenter__(self) -> InputSender:
        await self._producer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._producer.stop()

    async def open(self) -> None:
        """Publish the policy and the staff."""
        await self.activate()
        for agent_id, (role, team) in PEOPLE.items():
            record = {
                "agent_id": agent_id,
                "tenant": self.tenant,
                "name": agent_id,
                "role": role,
                "team": team,
            }
            await self.put(topics.STAFF, staff_key(self.tenant, agent_id), as_bytes(record))

    async def activate(self, *, tenant: str | None = None, **changes: Any) -> None:
        """Publish a policy."""
        name = tenant or self.tenant
        rest = {"budgets": BUDGETS, "timezone": "Europe/Amsterdam", **changes}
        text = a_policy(*MANDATES, policy=name, **rest)
        record = a_policy_record(text)
        for key in (name, f"{name}/{record['digest']}"):
            await self.put(topics.POLICIES, key, as_bytes(record))

    def case(
        self, case_id: str, request_id: str = "r1", *, amount: str = "45.00", **changes: Any
    ) -> Outgoing:
        """The record of a case, with a new event id."""
        request = a_request_body(request_id=request_id, amount=amount)
        case = a_case_body(case_id=case_id, tenant=self.tenant, request=request, **changes)
        event = a_submitted_event(case, id=uuid7(), tenant=case["tenant"])
        return self._record(topics.CASES, case["tenant"], case_id, event)

    def verdict(
        self, case_id: str, said: str = "approve", *, reply_id: str = "reply-1", **data: Any
    ) -> Outgoing:
        """The record of a verdict by the lead of team north. The same reply id gives the same event id."""
        about = {"case_id": case_id, "approval_id": approval_id(case_id, "r1"), "reply_id": reply_id, **data}
        event = a_verdict_event(
            said, subject=case_id, tenant=self.tenant, data=about, id=derived_id(case_id, reply_id, said)
        )
        return self._record(topics.REPLIES, self.tenant, case_id, event)

    def withdrawal(self, case_id: str) -> Outgoing:
        """The record that withdraws the request of a case."""
        about = {"tenant": self.tenant, "case_id": case_id}
        event = a_withdrawn_event(
            subject=case_id, tenant=self.tenant, data=about, id=derived_id(case_id, "gone")
        )
        return self._record(topics.CASES, self.tenant, case_id, event)

    async def send(self, *records: Outgoing) -> list[RecordPosition]:
        """Append these records; answers their positions."""
        offsets = await self._producer.send_all(records)
        return [
            RecordPosition(record.topic, record.partition or 0, offset)
            for record, offset in zip(records, offsets, strict=True)
        ]

    async def put(self, topic: str, key: str, value: bytes | None) -> None:
        """Write one record of a table."""
        await self._producer.send_all([Outgoing(topic, None, key.encode(), value)])

    async def put_raw(self, topic: str, partition: int, records: Sequence[Raw]) -> list[RecordPosition]:
        """Write any bytes, in one record batch."""
        first = await produce_raw(self.stack.bootstrap, topic, records, partition=partition)
        return [RecordPosition(topic, partition, first + number) for number in range(len(records))]

    def _record(self, topic: str, tenant: str, case_id: str, event: dict[str, Any]) -> Outgoing:
        key = f"{tenant}/{case_id}".encode()
        return Outgoing(topic, partition_for(key, PARTITIONS), key, json.dumps(event).encode(), HEADERS)


def case_ids_in_partition(tenant: str, partition: int, number: int) -> list[str]:
    """Ids of cases whose records go to this partition."""
    found: list[str] = []
    attempt = 0
    while len(found) < number:
        case_id = f"c-{attempt}"
        if partition_for(f"{tenant}/{case_id}".encode(), PARTITIONS) == partition:
            found.append(case_id)
        attempt += 1
    return found
