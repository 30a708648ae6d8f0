"""Sends cases to the two doors of intake: `POST /v1/cases`, and CloudEvents on mandaat.inbound."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import httpx
from aiokafka import AIOKafkaProducer

from deploy.local.demo.retail import RetailCase
from schemas.cloud_event import HEADERS
from schemas.ids import record_key, uuid7
from schemas.topics import INBOUND
from schemas.types import CASE_SUBMITTED

CONCURRENT = 16
TIMEOUT_SECONDS = 30.0
SOURCE = "/demo/contact-centre"


class RefusedError(Exception):
    """Intake refused a case that it must accept."""


OnAccepted = Callable[[], None]
"""Called after each case that was accepted."""


async def over_http(intake: str, key: str, cases: Sequence[RetailCase], on_accepted: OnAccepted) -> None:
    """Posts each case. Raises RefusedError at the first response that is not 202."""
    waiting = iter(cases)
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=intake, headers=headers, timeout=TIMEOUT_SECONDS) as client:

        async def send_waiting() -> None:
            for case in waiting:
                answer = await client.post("/v1/cases", json=case.body)
                if answer.status_code != 202:
                    raise RefusedError(
                        f"{case.case_id}: intake answered {answer.status_code}: {answer.text[:500]}"
                    )
                on_accepted()

        async with asyncio.TaskGroup() as group:
            for _ in range(CONCURRENT):
                group.create_task(send_waiting())


async def over_kafka(bootstrap: str, cases: Sequence[RetailCase], on_accepted: OnAccepted) -> None:
    """Publishes each case as a CloudEvent in structured mode. Raises KafkaError."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True, linger_ms=5)
    await producer.start()
    try:
        await asyncio.gather(*[_acknowledged(await _send(producer, case), on_accepted) for case in cases])
    finally:
        await producer.stop()


async def _send(producer: AIOKafkaProducer, case: RetailCase) -> Awaitable[object]:
    acknowledgement: Awaitable[object] = await producer.send(
        INBOUND,
        key=record_key(case.body["tenant"], case.case_id).encode(),
        value=json.dumps(_cloud_event(case)).encode(),
        headers=list(HEADERS),
    )
    return acknowledgement


async def _acknowledged(acknowledgement: Awaitable[object], on_accepted: OnAccepted) -> None:
    await acknowledgement
    on_accepted()


def _cloud_event(case: RetailCase) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": uuid7(),
        "source": SOURCE,
        "type": CASE_SUBMITTED,
        "subject": case.case_id,
        "time": datetime.now(UTC).isoformat(),
        "tenant": case.body["tenant"],
        "data": case.body,
    }
