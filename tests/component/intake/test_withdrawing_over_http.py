"""`POST /v1/cases/{case_id}/withdrawal`."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from schemas.cloud_event import CloudEvent
from schemas.reading import read
from schemas.withdrawal import Withdrawal
from tests.builders.bodies import nested
from tests.builders.cases import a_case_body
from tests.component.intake.conftest import World

WITHDRAWAL = {"request_id": "r1", "agent_id": "agent-01", "reason": "the customer changed their mind"}


async def post(
    client: httpx.AsyncClient, body: Any, case_id: str = "c-1", key: str = "key-acme"
) -> httpx.Response:
    written = quote(case_id, safe="").replace("..", "%2E%2E")
    path = f"/v1/cases/{written}/withdrawal"
    return await client.post(path, json=body, headers={"Authorization": f"Bearer {key}"})


@pytest.mark.parametrize("case_id", ["c-1", "2026/c 1", "c-1/withdrawal", "..", "\u20ac" * 200])
async def test_a_withdrawal_is_published_under_the_key_of_its_case(
    client: httpx.AsyncClient, world: World, case_id: str
) -> None:
    answer = await post(client, WITHDRAWAL, case_id)
    (record,) = world.publisher.sent
    event = read(CloudEvent[Withdrawal], record.value)
    assert answer.status_code == 202
    assert answer.headers["location"] == answer.json().pop("status_url")
    assert answer.json() | {"status_url": None} == {
        "case_id": case_id,
        "request_id": "r1",
        "event_id": event.id,
        "status_url": None,
    }
    assert (record.topic, record.key, record.partition) == (
        "mandaat.cases",
        f"acme/{case_id}".encode(),
        None,
    )
    assert (event.type, event.source) == ("mandaat.case.withdrawn.v1", "/mandaat/intake")
    assert (event.subject, event.tenant, event.data.case_id) == (case_id, "acme", case_id)
    assert event.data.model_dump(exclude={"tenant", "case_id"}) == WITHDRAWAL


async def test_only_the_request_id_is_required(client: httpx.AsyncClient, world: World) -> None:
    assert (await post(client, {"request_id": "r1"})).status_code == 202
    data = read(CloudEvent[Withdrawal], world.publisher.sent[0].value).data
    assert (data.agent_id, data.reason) == (None, None)


async def test_a_request_that_never_came_can_be_withdrawn(client: httpx.AsyncClient, world: World) -> None:
    assert (await post(client, {"request_id": "never"})).status_code == 202
    assert world.known.digests == {}


async def test_after_a_withdrawal_the_request_may_be_sent_again(client: httpx.AsyncClient) -> None:
    await client.post("/v1/cases", json=a_case_body())
    await post(client, WITHDRAWAL)
    assert (await client.post("/v1/cases", json=a_case_body())).status_code == 202


async def test_the_tenant_is_that_of_the_key(client: httpx.AsyncClient, world: World) -> None:
    assert (await post(client, WITHDRAWAL, key="key-globex")).status_code == 202
    assert world.publisher.sent[0].key == b"globex/c-1"
    answer = await post(client, {**WITHDRAWAL, "tenant": "globex"})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (403, "/tenant")
    assert len(world.publisher.sent) == 1


async def test_the_traceparent_is_passed_on(client: httpx.AsyncClient, world: World) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    await client.post("/v1/cases/c-1/withdrawal", json=WITHDRAWAL, headers={"traceparent": trace})
    assert read(CloudEvent[Withdrawal], world.publisher.sent[0].value).traceparent == trace


@pytest.mark.parametrize("key", ["key-reader", "nobody"])
async def test_the_scope_submit_is_required(client: httpx.AsyncClient, world: World, key: str) -> None:
    assert (await post(client, WITHDRAWAL, key=key)).status_code == (403 if key == "key-reader" else 401)
    assert world.publisher.sent == []


@pytest.mark.parametrize(
    ("body", "status", "pointers"),
    [
        ({}, 422, ["/request_id"]),
        ({"request_id": ""}, 422, ["/request_id"]),
        ({"request_id": "a\nb"}, 422, ["/request_id"]),
        ({**WITHDRAWAL, "agent_id": 7}, 422, ["/agent_id"]),
        ({**WITHDRAWAL, "reason": ["x"]}, 422, ["/reason"]),
        ({**WITHDRAWAL, "tenant": "Not A Tenant"}, 422, ["/tenant"]),
        ([], 422, [""]),
        ({**WITHDRAWAL, "more": nested(32)}, 400, []),
    ],
)
async def test_an_error_has_the_path_of_its_field(
    client: httpx.AsyncClient, world: World, body: Any, status: int, pointers: list[str]
) -> None:
    answer = await post(client, body)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert [error["pointer"] for error in answer.json().get("errors", [])] == pointers
    assert world.publisher.sent == []
    assert world.value("mandaat_intake_outcomes_total", door="http", outcome="unreadable") == 1


@pytest.mark.parametrize("case_id", ["c" * 201, "\x00"])
async def test_an_id_that_no_case_can_have_is_not_found(
    client: httpx.AsyncClient, world: World, case_id: str
) -> None:
    answer = await post(client, WITHDRAWAL, case_id)
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:mandaat:problem:unknown-case")
    assert world.publisher.sent == []


async def test_without_the_broker_a_withdrawal_is_not_accepted(
    client: httpx.AsyncClient, world: World
) -> None:
    world.publisher.away = True
    answer = await post(client, WITHDRAWAL)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")


async def test_a_body_that_is_not_json_is_refused(client: httpx.AsyncClient) -> None:
    path, content = "/v1/cases/c-1/withdrawal", json.dumps(WITHDRAWAL).encode()
    wrong = await client.post(path, content=content, headers={"Content-Type": "text/plain"})
    assert wrong.status_code == 415
    assert (
        await client.post(path, content=b"{", headers={"Content-Type": "application/json"})
    ).status_code == 400
