"""`POST /v1/cases`: a case is accepted, or the caller gets a problem detail."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from schemas.case import Case
from schemas.cloud_event import CloudEvent
from schemas.reading import read
from tests.builders.bodies import LEFT_OUT, nested
from tests.builders.cases import a_case_body, a_request_body
from tests.component.intake.conftest import World


def only_event(world: World) -> CloudEvent[Case]:
    (record,) = world.publisher.sent
    return read(CloudEvent[Case], record.value)


async def post(client: httpx.AsyncClient, case: Any, key: str = "key-acme") -> httpx.Response:
    return await client.post("/v1/cases", json=case, headers={"Authorization": f"Bearer {key}"})


async def test_an_accepted_case_is_published_and_its_status_url_returned(
    client: httpx.AsyncClient, world: World
) -> None:
    before = datetime.now(UTC)
    answer = await post(client, a_case_body(case_id="2026/c 1"))
    event = only_event(world)
    assert answer.status_code == 202
    assert answer.json() == {
        "case_id": "2026/c 1",
        "request_id": "r1",
        "event_id": event.id,
        "status_url": "http://notifier.example/v1/cases/2026%2Fc%201",
        "request_url": "http://notifier.example/v1/cases/2026%2Fc%201/requests/r1",
    }
    assert answer.headers["location"] == answer.json()["status_url"]
    (record,) = world.publisher.sent
    assert (record.topic, record.key, record.partition) == ("mandaat.cases", b"acme/2026/c 1", None)
    assert tuple(record.headers) == (("content-type", b"application/cloudevents+json"),)
    assert (event.type, event.source, event.subject, event.tenant) == (
        "mandaat.case.submitted.v1",
        "/mandaat/intake",
        "2026/c 1",
        "acme",
    )
    assert before <= event.time <= datetime.now(UTC)
    assert event.data.customer.email == "a@example.org"


async def test_the_key_implies_the_tenant(client: httpx.AsyncClient, world: World) -> None:
    assert (await post(client, a_case_body(tenant=LEFT_OUT), "key-globex")).status_code == 202
    assert only_event(world).data.tenant == "globex"


async def test_another_tenants_case_is_forbidden(client: httpx.AsyncClient, world: World) -> None:
    answer = await post(client, a_case_body(), "key-globex")
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (403, "/tenant")
    assert world.publisher.sent == []
    assert world.value("mandaat_intake_outcomes_total", door="http", outcome="other_tenant") == 1


async def test_a_backfill_runs_on_the_clock_of_its_cases(client: httpx.AsyncClient, world: World) -> None:
    await post(client, a_case_body(opened_at="2025-01-02T08:00:00Z"), "key-backfill")
    assert only_event(world).time == datetime(2025, 1, 2, 8, tzinfo=UTC)


async def test_the_traceparent_is_passed_on(client: httpx.AsyncClient, world: World) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    await client.post("/v1/cases", json=a_case_body(), headers={"traceparent": trace})
    assert only_event(world).traceparent == trace


async def test_a_known_request_is_published_again(client: httpx.AsyncClient, world: World) -> None:
    first = await post(client, a_case_body())
    again = await post(client, a_case_body(facts={"days_late": 7}))
    assert (first.status_code, again.status_code) == (202, 202)
    assert len(world.publisher.sent) == 2


async def test_a_known_request_with_other_content_is_a_conflict(
    client: httpx.AsyncClient, world: World
) -> None:
    await post(client, a_case_body())
    answer = await post(client, a_case_body(request=a_request_body(amount="45.01")))
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:mandaat:problem:conflict")
    assert len(world.publisher.sent) == 1
    assert world.value("mandaat_intake_outcomes_total", door="http", outcome="conflict") == 1


async def test_the_same_request_id_of_another_case_or_tenant_is_another_request(
    client: httpx.AsyncClient, world: World
) -> None:
    await post(client, a_case_body())
    assert (
        await post(client, a_case_body(request=a_request_body(amount="1.00"), case_id="c-2"))
    ).status_code == 202
    other = a_case_body(request=a_request_body(amount="1.00"), tenant=LEFT_OUT)
    assert (await post(client, other, "key-globex")).status_code == 202


async def test_a_case_that_is_not_acknowledged_is_not_noted(client: httpx.AsyncClient, world: World) -> None:
    world.publisher.away = True
    answer = await post(client, a_case_body())
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    world.publisher.away = False
    assert (await post(client, a_case_body(request=a_request_body(amount="1.00")))).status_code == 202


async def test_without_redis_cases_are_accepted(client: httpx.AsyncClient, world: World) -> None:
    world.known.away = True
    await post(client, a_case_body())
    assert (await post(client, a_case_body(request=a_request_body(amount="1.00")))).status_code == 202


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        (b"hello", 400, None),
        (b"", 400, None),
        (b"\xff\xfe{}", 400, None),
        (json.dumps(a_case_body(facts=nested(32))).encode(), 400, None),
        (json.dumps(a_case_body(facts={"n": float("nan")})).encode(), 400, None),
        (b"[]", 422, ""),
        (json.dumps(a_case_body(case_id=LEFT_OUT)).encode(), 422, "/case_id"),
        (json.dumps(a_case_body(customer={"name": "x"})).encode(), 422, "/customer/id"),
        (json.dumps(a_case_body(request=a_request_body(amount="1e3"))).encode(), 422, "/request/amount"),
        (json.dumps(a_case_body(request=a_request_body(amount="-5"))).encode(), 422, "/request/amount"),
        (json.dumps(a_case_body(request=a_request_body(amount="12,50"))).encode(), 422, "/request/amount"),
        (json.dumps(a_case_body(request=a_request_body(amount="45.001"))).encode(), 422, "/request/amount"),
        (json.dumps(a_case_body(request=a_request_body(currency="XXY"))).encode(), 422, "/request/currency"),
    ],
)
async def test_an_error_is_a_problem_with_the_path_of_its_field(
    client: httpx.AsyncClient, world: World, body: bytes, status: int, pointer: str | None
) -> None:
    answer = await client.post("/v1/cases", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"]
    assert [error["pointer"] for error in answer.json().get("errors", [])] == (
        [] if pointer is None else [pointer]
    )
    assert world.publisher.sent == []
    assert world.value("mandaat_intake_outcomes_total", door="http", outcome="unreadable") == 1


async def test_a_body_that_is_too_large_is_refused(client: httpx.AsyncClient, world: World) -> None:
    answer = await post(client, a_case_body(subject="x" * 2 * 1024 * 1024))
    assert (answer.status_code, answer.headers["content-type"]) == (413, "application/problem+json")
    assert world.publisher.sent == []


@pytest.mark.parametrize("media", ["text/plain", "application/cloudevents+json", "application/xml"])
async def test_another_media_type_is_refused(client: httpx.AsyncClient, media: str) -> None:
    answer = await client.post("/v1/cases", content=b"{}", headers={"Content-Type": media})
    assert answer.status_code == 415


@pytest.mark.parametrize("media", ["application/json; charset=utf-8", "Application/JSON"])
async def test_json_with_any_charset_parameter_is_accepted(client: httpx.AsyncClient, media: str) -> None:
    content = json.dumps(a_case_body()).encode()
    answer = await client.post("/v1/cases", content=content, headers={"Content-Type": media})
    assert answer.status_code == 202


@pytest.mark.parametrize(
    ("header", "status"),
    [("", 401), ("Bearer nobody", 401), ("Basic key-acme", 401), ("Bearer key-reader", 403)],
)
async def test_a_key_with_the_scope_is_required(
    client: httpx.AsyncClient, world: World, header: str, status: int
) -> None:
    answer = await client.post("/v1/cases", json=a_case_body(), headers={"Authorization": header})
    assert answer.status_code == status
    assert world.publisher.sent == []


async def test_a_422_lists_every_mistake_and_not_only_the_first_kind(client: httpx.AsyncClient) -> None:
    answer = await post(
        client,
        a_case_body(
            case_id=" c-1",
            opened_at="soon",
            customer={"id": "cu-1 ", "language": 7},
            request=a_request_body(request_id="r1\u00a0", kind="BAD KIND", currency="XXY"),
        ),
    )
    assert answer.status_code == 422
    assert {error["pointer"] for error in answer.json()["errors"]} == {
        "/case_id",
        "/opened_at",
        "/customer/id",
        "/customer/language",
        "/request/request_id",
        "/request/kind",
        "/request/currency",
    }


async def test_an_amount_beside_another_mistake_is_checked_too(client: httpx.AsyncClient) -> None:
    answer = await post(client, a_case_body(request=a_request_body(kind="BAD KIND", amount="45.001")))
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/request/kind", "/request/amount"]


async def test_a_currency_that_left_iso_4217_is_refused_with_its_successor(client: httpx.AsyncClient) -> None:
    answer = await post(client, a_case_body(request=a_request_body(currency="BGN")))
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:mandaat:problem:unknown-currency")
    assert "on 2026-01-01; use EUR" in answer.json()["detail"]
