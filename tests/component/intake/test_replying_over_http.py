"""`POST /v1/approvals/{id}/approve|reject`."""

from __future__ import annotations

import httpx
import pytest

from schemas.cloud_event import CloudEvent
from schemas.ids import approval_id
from schemas.reading import read
from schemas.reply import Verdict
from tests.component.intake.conftest import World

APPROVAL = approval_id("c-1", "r1")
REPLY = {"agent_id": "lead-01", "reply_id": "rep-1", "reason": "fair"}


@pytest.mark.parametrize("verb", ["approve", "reject"])
async def test_a_verdict_is_published_under_the_key_of_its_case(
    client: httpx.AsyncClient, world: World, verb: str
) -> None:
    answer = await client.post(f"/v1/approvals/{APPROVAL}/{verb}", json=REPLY)
    (record,) = world.publisher.sent
    event = read(CloudEvent[Verdict], record.value)
    assert answer.status_code == 202
    assert answer.json() == {
        "approval_id": APPROVAL,
        "case_id": "c-1",
        "request_id": "r1",
        "event_id": event.id,
    }
    assert (record.topic, record.key, record.partition) == ("mandaat.replies", b"acme/c-1", None)
    assert (event.type, event.subject, event.tenant) == (f"mandaat.verdict.{verb}.v1", "c-1", "acme")
    assert (event.data.agent_id, event.data.reply_id, event.data.reason) == ("lead-01", "rep-1", "fair")


async def test_the_longest_ids_have_an_approval_too(client: httpx.AsyncClient, world: World) -> None:
    longest = approval_id("\u20ac" * 200, "r" * 200)
    answer = await client.post(f"/v1/approvals/{longest}/approve", json=REPLY)
    assert answer.status_code == 202
    assert read(CloudEvent[Verdict], world.publisher.sent[0].value).data.approval_id == longest


async def test_the_tenant_is_that_of_the_key(client: httpx.AsyncClient, world: World) -> None:
    headers = {"Authorization": "Bearer key-globex"}
    await client.post(f"/v1/approvals/{APPROVAL}/approve", json=REPLY, headers=headers)
    assert world.publisher.sent[0].key == b"globex/c-1"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"/v1/approvals/{APPROVAL}/burn", 404),
        ("/v1/approvals/apr_zzz/approve", 404),
        ("/v1/approval", 404),
        (f"/v1/approvals/{APPROVAL}", 404),
        ("/v1/events", 404),
    ],
)
async def test_an_unknown_address_is_a_problem(client: httpx.AsyncClient, path: str, status: int) -> None:
    answer = await client.post(path, json=REPLY)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


async def test_an_unsupported_method_is_a_problem(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"/v1/approvals/{APPROVAL}/approve")
    assert (answer.status_code, answer.headers["content-type"]) == (405, "application/problem+json")


async def test_the_scope_reply_is_required(client: httpx.AsyncClient) -> None:
    headers = {"Authorization": "Bearer key-backfill"}
    assert (
        await client.post(f"/v1/approvals/{APPROVAL}/approve", json=REPLY, headers=headers)
    ).status_code == 403


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, ["/agent_id", "/reply_id"]),
        ({**REPLY, "amount": "1e3"}, ["/amount"]),
        ({**REPLY, "amount": 30}, ["/amount"]),
        ({**REPLY, "reply_id": ""}, ["/reply_id"]),
    ],
)
async def test_an_error_in_a_reply_has_the_path_of_its_field(
    client: httpx.AsyncClient, world: World, body: dict[str, object], pointers: list[str]
) -> None:
    answer = await client.post(f"/v1/approvals/{APPROVAL}/approve", json=body)
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == pointers
    assert world.publisher.sent == []


async def test_without_the_broker_a_verdict_is_not_accepted(client: httpx.AsyncClient, world: World) -> None:
    world.publisher.away = True
    assert (await client.post(f"/v1/approvals/{APPROVAL}/approve", json=REPLY)).status_code == 503
