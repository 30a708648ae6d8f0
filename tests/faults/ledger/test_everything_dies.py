"""Kept: every accepted input is decided or becomes a dead letter, whatever is killed."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaProducer

from deploy.local.stack import Stack
from tests.audit.evidence import Request
from tests.audit.topics import DEAD_LETTERS, letter_place
from tests.faults.ledger.competing_requests import CompetingRequests
from tests.faults.ledger.conftest import REQUESTS, WHOLE
from tests.faults.ledger.load_run import HEADERS, LoadRun
from tests.faults.ledger.workers import Workers
from tests.waiting import eventually

SECONDS = 60.0 if WHOLE else 15.0
OTHERS = ("intake", "notifier") if WHOLE else ("intake",)
EVERY_SECONDS = 2.0
KAFKA_AWAY_SECONDS = 7.0
DECIDED_WITHIN_SECONDS = 60.0
TENANT = "acme"
"""A tenant for which the local stack has a key."""


class Callers:
    """Send each case three times, over HTTP and to mandaat.inbound, until it is accepted each time."""

    def __init__(self, stack: Stack, one: LoadRun) -> None:
        self._stack = stack
        self._one = one
        self.accepted: set[Request] = set()
        self.places: dict[tuple[int, int], Request] = {}
        self.sent = 0

    async def run(self, seconds: float) -> None:
        """Send all cases, evenly over some seconds."""
        cases = [case for case in self._one.requests.cases() for _ in range(3)]
        random.Random(1).shuffle(cases)
        headers = {
            "authorization": f"Bearer {self._stack.api_key(TENANT)}",
            "content-type": "application/json",
        }
        producer = AIOKafkaProducer(
            bootstrap_servers=self._stack.bootstrap, acks="all", enable_idempotence=True, linger_ms=0
        )
        await producer.start()
        async with (
            httpx.AsyncClient(base_url=self._stack.http("intake"), headers=headers, timeout=10.0) as client,
            asyncio.TaskGroup() as group,
        ):
            for number, case in enumerate(cases):
                group.create_task(self._post(client, case) if number % 2 else self._put(producer, case))
                self.sent += 1
                await asyncio.sleep(seconds / len(cases))
        await producer.stop()

    async def _post(self, client: httpx.AsyncClient, case: dict[str, Any]) -> None:
        async def taken() -> bool:
            try:
                answer = await client.post("/v1/cases", content=json.dumps(case))
            except httpx.TransportError:
                return False
            assert answer.status_code in (202, 503), answer.text
            return answer.status_code == 202

        await eventually(taken, seconds=120.0, what="202")
        self.accepted.add(_request(case))

    async def _put(self, producer: AIOKafkaProducer, case: dict[str, Any]) -> None:
        key = f"{TENANT}/{case['case_id']}".encode()
        event = {
            "specversion": "1.0",
            "id": f"{case['case_id']}-{case['request']['request_id']}",
            "source": "/caller",
            "type": "mandaat.case.submitted.v1",
            "time": "2026-03-02T08:00:01Z",
            "data": case,
        }
        value = json.dumps(event).encode()
        placed = await producer.send_and_wait("mandaat.inbound", value, key=key, headers=HEADERS)
        self.accepted.add(_request(case))
        self.places[placed.partition, placed.offset] = _request(case)


def _request(case: dict[str, Any]) -> Request:
    return Request(case["case_id"], case["request"]["request_id"])


@pytest.fixture
async def everybody(workers: Workers) -> AsyncIterator[Workers]:
    """Intake, and in `make faults` the notifier, beside the four workers."""
    await asyncio.to_thread(workers.stack.up, [*(["sinks"] if "notifier" in OTHERS else []), *OTHERS])
    yield workers
    for name in OTHERS:
        await asyncio.to_thread(workers.stack.stop, name)


async def disturb(stack: Stack, names: tuple[str, ...], seconds: float) -> None:
    """Kill a service every 2 s and restart it at once; kill Redis; stop Kafka for a while."""
    dice, since = random.Random(7), time.monotonic()
    left = [("redis", seconds / 4), ("kafka", seconds / 2)]
    while (passed := time.monotonic() - since) < seconds:
        if left and passed > left[0][1]:
            await away(stack, left.pop(0)[0])
        name = dice.choice(names)
        stack.kill(name)
        stack.begin(name)
        await asyncio.sleep(EVERY_SECONDS)  # the pace of the faults


async def away(stack: Stack, name: str) -> None:
    """SIGKILL of Redis; Kafka away for seven seconds."""
    if name == "redis":
        stack.kill("redis")
    else:
        await asyncio.to_thread(stack.stop, "kafka")
        await asyncio.sleep(KAFKA_AWAY_SECONDS)  # how long the fault lasts
    await asyncio.to_thread(stack.start, name)


@pytest.mark.timeout(600)
async def test_every_accepted_input_is_decided_or_a_dead_letter_whatever_dies(
    everybody: Workers,
) -> None:
    stack = everybody.stack
    requests = CompetingRequests(TENANT, max(150, REQUESTS // 20), span=1)
    async with LoadRun(stack, requests) as one:
        await one.open()
        callers = Callers(stack, one)
        sending = asyncio.create_task(callers.run(SECONDS))
        await disturb(stack, (*OTHERS, *everybody.names), SECONDS)
        calm = time.monotonic()
        await sending
        missing = await until_kept(one, callers, calm + DECIDED_WITHIN_SECONDS)
        assert not missing, f"neither decided nor a dead letter: {len(missing)}, such as {min(missing)}"
        await everybody.wait_until_shared(*everybody.names)
        await one.wait_until_settled()
        one.check_promises()


async def until_kept(one: LoadRun, callers: Callers, deadline: float) -> set[Request]:
    """The requests that are neither decided nor a dead letter, once there are none or at the deadline."""
    while True:
        await one.answer(await one.reader.read_on())
        letters = {letter_place(record) for record in one.reader.topics.of(DEAD_LETTERS)}
        dead = {callers.places.get((place.partition, place.offset)) for place in letters
                if place.topic == "mandaat.inbound"}  # fmt: skip
        missing = callers.accepted - one.evidence().decisions.keys() - dead
        if not missing or time.monotonic() > deadline:
            return missing
