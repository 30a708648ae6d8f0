"""The HTTP door of a running intake."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from deploy.local.stack import Stack
from schemas.case import Case
from schemas.cloud_event import CloudEvent
from schemas.ids import approval_id
from schemas.reading import read
from schemas.reply import Verdict
from schemas.withdrawal import Withdrawal
from services.chassis.kafka.producer import partition_for
from tests.builders.bodies import as_bytes
from tests.builders.cases import a_case_body, a_request_body
from tests.builders.staff import a_member
from tests.integration.intake.conftest import publish, records_of
from tests.publishing import Publisher
from tests.raw_records import Raw
from tests.waiting import eventually

TENANT = "acme"


@pytest.fixture
async def client(intake: Stack) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {intake.api_key(TENANT)}"}
    async with httpx.AsyncClient(base_url=intake.http("intake"), headers=headers, timeout=20) as opened:
        yield opened


def a_new_case(**changes: Any) -> dict[str, Any]:
    return a_case_body(case_id=f"c-{uuid4().hex}", tenant=TENANT, **changes)


async def cases(intake: Stack) -> dict[str, CloudEvent[Case]]:
    """The published cases, by event id."""
    records = await records_of(intake.bootstrap, "mandaat.cases", TENANT)
    submitted = [record for record in records if b"mandaat.case.submitted" in (record.value or b"")]
    return {event.id: event for event in (read(CloudEvent[Case], record.value) for record in submitted)}


async def test_after_a_202_the_case_is_in_the_log(intake: Stack, client: httpx.AsyncClient) -> None:
    case = a_new_case()
    answer = await client.post("/v1/cases", json=case)
    assert answer.status_code == 202
    assert (await cases(intake))[answer.json()["event_id"]].data.case_id == case["case_id"]


async def test_a_known_request_with_other_content_is_a_conflict_for_all(
    intake: Stack, client: httpx.AsyncClient
) -> None:
    case = a_new_case()
    assert (await client.post("/v1/cases", json=case)).status_code == 202
    assert (await client.post("/v1/cases", json=case)).status_code == 202
    other = {**case, "request": a_request_body(amount="45.01")}
    answer = await client.post("/v1/cases", json=other)
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:mandaat:problem:conflict")


async def test_a_verdict_goes_to_the_partition_of_its_case(intake: Stack, client: httpx.AsyncClient) -> None:
    case_id = f"c-{uuid4().hex}"
    reply = {"agent_id": "lead-01", "reply_id": "rep-1"}
    answer = await client.post(f"/v1/approvals/{approval_id(case_id, 'r1')}/approve", json=reply)
    assert answer.status_code == 202
    key = f"{TENANT}/{case_id}".encode()
    (record,) = [
        one for one in await records_of(intake.bootstrap, "mandaat.replies", TENANT) if one.key == key
    ]
    assert record.partition == partition_for(key, 6)
    assert read(CloudEvent[Verdict], record.value).data.agent_id == "lead-01"


async def test_a_withdrawal_follows_its_case_in_the_same_partition(
    intake: Stack, client: httpx.AsyncClient
) -> None:
    case = a_new_case()
    case_id = case["case_id"]
    assert (await client.post("/v1/cases", json=case)).status_code == 202
    body = {"request_id": "r1", "agent_id": "agent-01", "reason": "sent twice"}
    answer = await client.post(f"/v1/cases/{case_id}/withdrawal", json=body)
    assert answer.status_code == 202
    key = f"{TENANT}/{case_id}".encode()
    first, second = [
        one for one in await records_of(intake.bootstrap, "mandaat.cases", TENANT) if one.key == key
    ]
    assert first.partition == second.partition == partition_for(key, 6)
    event = read(CloudEvent[Withdrawal], second.value)
    assert (event.id, event.data.reason) == (answer.json()["event_id"], "sent twice")


async def test_without_redis_cases_are_still_accepted(intake: Stack, client: httpx.AsyncClient) -> None:
    await asyncio.to_thread(intake.kill, "redis")
    assert (await client.post("/v1/cases", json=a_new_case())).status_code == 202
    assert "mandaat_intake_known_requests_away_total 2.0" in (await client.get("/metrics")).text


async def test_without_kafka_nothing_is_accepted_and_later_cases_are_accepted_again(
    intake: Stack, client: httpx.AsyncClient
) -> None:
    async def not_ready() -> bool:
        return (await client.get("/readyz")).status_code == 503

    intake.pause("kafka")
    try:
        answer, _ = await asyncio.gather(
            client.post("/v1/cases", json=a_new_case()), eventually(not_ready, seconds=8)
        )
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    finally:
        intake.resume("kafka")

    async def accepted() -> bool:
        return (await client.post("/v1/cases", json=a_new_case())).status_code == 202

    await eventually(accepted, seconds=30)


async def test_every_202_before_a_kill_is_in_the_log(intake: Stack, client: httpx.AsyncClient) -> None:
    promised: list[str] = []

    async def submit_for_ever() -> None:
        while True:
            answer = await client.post("/v1/cases", json=a_new_case())
            promised.append(answer.json()["event_id"])

    submitters = [asyncio.create_task(submit_for_ever()) for _ in range(8)]
    await eventually(lambda: len(promised) > 200, seconds=30)
    intake.kill("intake")
    ended = await asyncio.gather(*submitters, return_exceptions=True)
    assert all(isinstance(error, httpx.TransportError) for error in ended)
    assert set(promised) <= set(await cases(intake))


async def test_health_and_metrics_are_served(client: httpx.AsyncClient) -> None:
    await client.post("/v1/cases", json=a_new_case())
    live, ready, metrics = [
        await client.get(path, headers={"Authorization": ""}) for path in ("/livez", "/readyz", "/metrics")
    ]
    assert (live.status_code, ready.status_code, metrics.status_code) == (200, 200, 200)
    for name in (
        'mandaat_intake_outcomes_total{door="http",outcome="accepted"}',
        'mandaat_intake_acceptance_seconds_bucket{door="http",le="0.01"}',
        "mandaat_loop_age_seconds",
    ):
        assert name in metrics.text


async def test_logs_name_the_case_and_no_person(intake: Stack, client: httpx.AsyncClient) -> None:
    private = {"name": "Zwaluw", "email": "zwaluw@example.org", "id": "cu-zwaluw"}
    case = a_new_case(customer=private, subject="zwaluw in de schoorsteen", facts={"zwaluw": "zwaluw"})
    wrong = {**case, "request": a_request_body(amount="zwaluw")}
    assert (await client.post("/v1/cases", json=case)).status_code == 202
    assert (await client.post("/v1/cases", json=wrong)).status_code == 422
    await publish(intake.bootstrap, [Raw(as_bytes(case), None), Raw(as_bytes(wrong), b"acme/another")])

    def both_logged() -> bool:
        lines = [line for line in intake.log("intake").read_text().splitlines() if case["case_id"] in line]
        return len(lines) == 2

    await eventually(both_logged, seconds=20)
    assert "zwaluw" not in intake.log("intake").read_text().lower()


async def test_only_tenants_and_people_that_are_published_are_known_and_at_once(
    intake: Stack, client: httpx.AsyncClient
) -> None:
    person = f"lead-{uuid4().hex}"
    path = f"/v1/approvals/{approval_id('c-1', 'r1')}/approve"
    reply = {"agent_id": person, "reply_id": person}
    refused = await client.post(path, json=reply)
    assert (refused.status_code, refused.json()["type"]) == (422, "urn:mandaat:problem:unknown-agent")
    async with Publisher(intake.bootstrap) as publisher:
        await publisher.hire(a_member(agent_id=person, tenant=TENANT, role="team_lead"))
    assert (await client.post(path, json=reply)).status_code == 202
