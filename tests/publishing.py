"""Publishing events into Kafka as intake and rules do."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from aiokafka import AIOKafkaProducer

from schemas import topics, types
from schemas.case import Case
from schemas.cloud_event import HEADERS, CloudEvent
from schemas.ids import record_key, uuid7
from schemas.staff import StaffMember
from services.chassis.kafka.producer import partition_for


class Publisher:
    """Puts all events of a case into the same partition number, with timestamps of now."""

    def __init__(self, bootstrap: str, partitions: int = 6) -> None:
        self._producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", linger_ms=0)
        self._partitions = partitions

    async def __aenter__(self) -> Publisher:
        await self._producer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._producer.stop()

    async def submit(self, *cases: Case) -> None:
        """Publish case.submitted in mandaat.cases."""
        await self._send(topics.CASES, [_submitted(case) for case in cases])

    async def settle(self, *events: Any) -> None:
        """Publish events of rules in mandaat.decisions."""
        await self._send(topics.DECISIONS, events)

    async def hire(self, *members: StaffMember) -> None:
        """Publish members of staff in mandaat.staff."""
        for one in members:
            value = one.model_dump_json(by_alias=True).encode()
            await self._producer.send_and_wait(topics.STAFF, value, key=one.key.encode())

    async def put(self, topic: str, partition: int, value: bytes | None, key: bytes | None = None) -> None:
        """Publish any bytes."""
        await self._producer.send_and_wait(topic, value, key=key, partition=partition)

    def partition_of(self, tenant: str, case_id: str) -> int:
        """The partition number of everything about a case."""
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


def _submitted(case: Case) -> CloudEvent[Case]:
    return CloudEvent[Case](
        id=uuid7(),
        source="/mandaat/intake",
        type=types.CASE_SUBMITTED,
        subject=case.case_id,
        time=datetime.now(UTC),
        tenant=case.tenant,
        data=case,
    )
