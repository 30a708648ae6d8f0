"""The retail cases, sent as contact-centre software would send them.

A case that got no answer is sent again, as any careful client does; a case in mandaat.inbound is sent once.
"""

from __future__ import annotations

import asyncio
import csv
import json
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from deploy.local.stack import Stack
from tests.waiting import eventually

RETAIL = Path(__file__).parents[1] / "deploy" / "local" / "retail"
TENANT = "retail"
GIVE_UP_SECONDS = 90.0


def expected_outcomes() -> dict[str, str]:
    """Case id -> outcome, of expected.csv."""
    with (RETAIL / "expected.csv").open(newline="") as file:
        return {row["case_id"]: row["expected"] for row in csv.DictReader(file)}


@dataclass
class RetailRun:
    """One run of the retail cases, with its own case ids."""

    stack: Stack
    cases: list[dict[str, Any]]
    expected: dict[str, str]
    accepted: set[str] = field(default_factory=set)

    @property
    def case_ids(self) -> set[str]:
        """The ids of all its cases."""
        return set(self.expected)


def a_retail_run(stack: Stack, most: int | None = None) -> RetailRun:
    """The retail cases (the first `most` of them), their ids made unique."""
    mark = uuid.uuid4().hex[:10]
    outcomes, cases, expected = expected_outcomes(), [], {}
    for line in (RETAIL / "cases.jsonl").read_text().splitlines()[:most]:
        case = json.loads(line)
        outcome = outcomes[case["case_id"]]
        case["case_id"] += f"~{mark}"
        cases.append(case)
        expected[case["case_id"]] = outcome
    return RetailRun(stack, cases, expected)


async def send(
    run: RetailRun,
    *,
    per_second: float | None = None,
    on_accepted: Callable[[int], Awaitable[None]] | None = None,
) -> None:
    """Send all cases, half over HTTP and half to mandaat.inbound; return when all are accepted.

    `on_accepted` is told how many are, and may disturb the stack meanwhile.
    """
    http, kafka = run.cases[::2], run.cases[1::2]
    pace = None if per_second is None else per_second / 2
    async with asyncio.timeout(GIVE_UP_SECONDS), asyncio.TaskGroup() as group:
        group.create_task(_over_http(run, http, pace))
        group.create_task(_over_kafka(run, kafka, pace))
        if on_accepted is not None:
            group.create_task(_watch(run, on_accepted))


async def _watch(run: RetailRun, on_accepted: Callable[[int], Awaitable[None]]) -> None:
    while len(run.accepted) < len(run.cases):
        await on_accepted(len(run.accepted))
        await asyncio.sleep(0.02)


async def _over_http(run: RetailRun, cases: Sequence[dict[str, Any]], per_second: float | None) -> None:
    headers = {"authorization": f"Bearer {run.stack.api_key(TENANT)}", "content-type": "application/json"}
    places = asyncio.Semaphore(8)
    async with httpx.AsyncClient(base_url=run.stack.http("intake"), headers=headers, timeout=10.0) as client:

        async def send_one(case: dict[str, Any]) -> None:
            async with places:
                await eventually(partial(_post, client, case), seconds=GIVE_UP_SECONDS)
                run.accepted.add(case["case_id"])

        async with asyncio.TaskGroup() as group:
            for case in cases:
                group.create_task(send_one(case))
                if per_second is not None:
                    await asyncio.sleep(1 / per_second)


async def _post(client: httpx.AsyncClient, case: dict[str, Any]) -> bool:
    try:
        answer = await client.post("/v1/cases", content=json.dumps(case))
    except httpx.TransportError:
        return False
    assert answer.status_code in (202, 503), answer.text
    return answer.status_code == 202


async def _over_kafka(run: RetailRun, cases: Sequence[dict[str, Any]], per_second: float | None) -> None:
    producer = AIOKafkaProducer(
        bootstrap_servers=run.stack.bootstrap, acks="all", enable_idempotence=True, linger_ms=0
    )
    await producer.start()
    try:
        for case in cases:
            await _produce(producer, case)
            run.accepted.add(case["case_id"])
            if per_second is not None:
                await asyncio.sleep(1 / per_second)
    finally:
        await producer.stop()


async def _produce(producer: AIOKafkaProducer, case: dict[str, Any]) -> None:
    """Publish until it succeeds. A repeat after a failure may be a second record, which is harmless."""
    while True:
        try:
            await producer.send_and_wait(
                "mandaat.inbound",
                json.dumps(as_event(case)).encode(),
                key=f"{TENANT}/{case['case_id']}".encode(),
                headers=[("content-type", b"application/cloudevents+json")],
            )
            return
        except KafkaError:
            await asyncio.sleep(0.2)


def as_event(case: dict[str, Any]) -> dict[str, Any]:
    """The case in a CloudEvent, structured mode."""
    return {
        "specversion": "1.0",
        "id": uuid.uuid4().hex,
        "source": "/shop/contact-centre",
        "type": "mandaat.case.submitted.v1",
        "subject": case["case_id"],
        "time": datetime.now(UTC).isoformat(),
        "tenant": TENANT,
        "data": case,
    }
