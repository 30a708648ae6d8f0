"""`Prefer: wait` with the retail cases, through all services on the real stack."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from deploy.local.stack import Stack
from schemas.request_status import RequestStatus
from tests.retail_cases import TENANT, a_retail_run
from tests.waiting import eventually

WAIT = {"Prefer": "wait=30"}
"""Cut to the ceiling of intake. A machine that is four times slower answers within it too."""


def _client(stack: Stack, service: str = "intake") -> httpx.AsyncClient:
    headers = {"authorization": f"Bearer {stack.api_key(TENANT)}"}
    return httpx.AsyncClient(base_url=stack.http(service), headers=headers, timeout=60.0)


async def _ask(client: httpx.AsyncClient, case: dict[str, Any]) -> RequestStatus:
    """The status in the answer; the call is sent again while the answer is a 202."""
    while True:
        answer = await client.post("/v1/cases", json=case, headers=WAIT)
        if answer.status_code == 200:
            return RequestStatus.model_validate_json(answer.content)
        assert answer.status_code == 202, answer.text


async def _waiting(client: httpx.AsyncClient) -> float:
    text = (await client.get("/metrics")).text
    line = next(line for line in text.splitlines() if line.startswith("mandaat_intake_waiting "))
    return float(line.split()[1])


async def _ask_all(
    clients: Sequence[httpx.AsyncClient], cases: Sequence[dict[str, Any]]
) -> dict[str, RequestStatus]:
    """Ask about all cases, by turns of the clients and up to eight at once."""
    gate = asyncio.Semaphore(8)

    async def ask(number: int, case: dict[str, Any]) -> RequestStatus:
        async with gate:
            return await _ask(clients[number % len(clients)], case)

    found = await asyncio.gather(*(ask(number, case) for number, case in enumerate(cases)))
    return {status.case_id: status for status in found}


async def test_a_call_that_waits_gets_the_decision_and_says_who_is_asked(stack: Stack, retail: None) -> None:
    run = a_retail_run(stack, most=40)
    async with _client(stack) as intake:
        found = await _ask_all([intake], run.cases)
        assert {case_id: status.state for case_id, status in found.items()} == run.expected
        for status in found.values():
            assert status.decision is not None
            assert (status.step is not None) == (status.state == "escalated")
            assert bool(status.approvers) == (status.state == "escalated")
        again = await _ask_all([intake], run.cases)
        assert again == found, "a repeat gets the stored decision"
        assert await _waiting(intake) == 0


async def test_a_poll_gets_the_same_answer_as_the_call_that_waited(stack: Stack, retail: None) -> None:
    run = a_retail_run(stack, most=20)
    async with _client(stack) as intake, _client(stack, "notifier") as notifier:
        found = await _ask_all([intake], run.cases)
        for case in run.cases:
            request_id = case["request"]["request_id"]
            status = found[case["case_id"]].model_copy(
                update={"status_url": None}
            )  # the notifier has no address
            path = f"/v1/cases/{quote(case['case_id'], safe='')}/requests/{quote(request_id, safe='')}"
            await eventually(partial(_is_answered, notifier, path, status), seconds=30)


async def _is_answered(client: httpx.AsyncClient, path: str, status: RequestStatus) -> bool:
    answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    return RequestStatus.model_validate_json(answer.content) == status


async def test_each_of_several_intake_processes_answers_its_own_callers_while_rules_rebalances(
    stack: Stack, retail: None
) -> None:
    run = a_retail_run(stack, most=80)
    await asyncio.to_thread(stack.start, "intake-2")
    try:
        async with _client(stack) as first, _client(stack, "intake-2") as second:
            asking = asyncio.create_task(_ask_all([first, second], run.cases))
            await asyncio.to_thread(stack.start, "rules-2")
            await asyncio.to_thread(stack.stop, "rules-2")
            found = await asking
            assert {case_id: status.state for case_id, status in found.items()} == run.expected
    finally:
        await asyncio.to_thread(stack.stop, "intake-2")


async def test_a_caller_who_goes_away_leaves_nothing_behind(stack: Stack, retail: None) -> None:
    run = a_retail_run(stack, most=3)
    await asyncio.to_thread(stack.pause, "rules")
    try:
        async with _client(stack) as intake:
            for case in run.cases:
                with pytest.raises(httpx.ReadTimeout):
                    await intake.post("/v1/cases", json=case, headers=WAIT, timeout=1.0)
            await eventually(lambda: _nobody_waits(intake), seconds=5.0, what="nobody waits")
    finally:
        await asyncio.to_thread(stack.resume, "rules")
    async with _client(stack) as intake:
        found = await _ask_all([intake], run.cases)
        assert {case_id: status.state for case_id, status in found.items()} == run.expected


async def _nobody_waits(client: httpx.AsyncClient) -> bool:
    return await _waiting(client) == 0


async def test_after_kafka_was_away_callers_get_their_decisions_again(stack: Stack, retail: None) -> None:
    run = a_retail_run(stack, most=5)
    await asyncio.to_thread(stack.kill, "kafka")
    await asyncio.to_thread(stack.start, "kafka")

    async def decided(client: httpx.AsyncClient, case: dict[str, Any]) -> bool:
        answer = await client.post("/v1/cases", json=case, headers=WAIT)
        return answer.status_code == 200

    async with _client(stack) as intake:
        for case in run.cases:
            await eventually(partial(decided, intake, case), seconds=90.0, what="a decision")
