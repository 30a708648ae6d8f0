from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI, Request
from pydantic import BaseModel

from schemas.errors import Flaw, Unreadable
from services.chassis.http import middleware
from services.chassis.http import server as http
from services.chassis.http.problems import HttpProblem
from services.chassis.http.server import Health, create_app, ready
from services.chassis.process.errors import TryAgain
from services.chassis.process.metrics import Metrics

LIMIT = 1_000


class Body(BaseModel):
    amount: int
    inner: dict[str, int] = {}


def an_app(health: Health | None = None) -> FastAPI:
    app = create_app("Test", health=health or Health(), metrics=Metrics(), body_limit_bytes=LIMIT)

    @app.post("/things/{number}")
    async def put(number: int, body: Body) -> Body:
        return body

    @app.post("/raw")
    async def raw(request: Request) -> int:
        return len(await request.body())

    @app.get("/problem")
    async def problem() -> None:
        raise HttpProblem(409, "conflict", "Known with other content.", decision="d1")

    @app.get("/unreadable")
    async def unreadable() -> None:
        raise Unreadable("invalid", "The amount is odd.", (Flaw("/request/amount", "is odd"),))

    @app.get("/away")
    async def away() -> None:
        raise TryAgain("redis at 10.0.0.1 is away")

    @app.get("/bug")
    async def bug() -> None:
        raise RuntimeError("secret inside")

    return app


def a_client(app: FastAPI) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://localhost")


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with a_client(an_app()) as client:
        yield client


def is_problem(response: httpx.Response, status: int, slug: str) -> dict[str, object]:
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, object] = response.json()
    assert body["type"] == f"urn:mandaat:problem:{slug}"
    assert body["status"] == status
    assert body["title"]
    return body


async def test_every_error_is_a_problem_detail(client: httpx.AsyncClient) -> None:
    is_problem(await client.get("/nowhere"), 404, "not-found")
    refused = await client.delete("/raw")
    is_problem(refused, 405, "method-not-allowed")
    assert refused.headers["allow"] == "POST"
    assert is_problem(await client.get("/problem"), 409, "conflict")["decision"] == "d1"
    is_problem(
        await client.post("/things/1", content=b"{", headers={"content-type": "application/json"}),
        400,
        "not-json",
    )


async def test_a_mistake_is_named_by_its_pointer_or_parameter(client: httpx.AsyncClient) -> None:
    body = is_problem(await client.post("/things/x", json={"inner": {"a/b": "no"}}), 422, "invalid")
    errors = body["errors"]
    assert isinstance(errors, list)
    assert {error.get("pointer") or error.get("parameter") for error in errors} == {
        "number",
        "/amount",
        "/inner/a~1b",
    }
    unreadable = is_problem(await client.get("/unreadable"), 422, "invalid")
    assert unreadable["errors"] == [{"detail": "is odd", "pointer": "/request/amount"}]


async def test_the_response_to_a_bug_shows_nothing_internal(client: httpx.AsyncClient) -> None:
    response = await client.get("/bug")
    is_problem(response, 500, "internal")
    assert "secret" not in response.text


async def test_try_again_is_503_with_retry_after(client: httpx.AsyncClient) -> None:
    response = await client.get("/away")
    is_problem(response, 503, "try-again")
    assert "10.0.0.1" not in response.text
    assert int(response.headers["retry-after"]) > 0


async def chunks(number: int, size: int = 100) -> AsyncIterator[bytes]:
    for _ in range(number):
        yield b"x" * size


@pytest.mark.parametrize("path", ["/raw", "/nowhere", "/things/1"])
async def test_a_stated_length_above_the_limit_is_413(client: httpx.AsyncClient, path: str) -> None:
    is_problem(await client.post(path, content=b"x" * (LIMIT + 1)), 413, "too-large")


async def test_a_body_above_the_limit_is_413(client: httpx.AsyncClient) -> None:
    is_problem(await client.post("/raw", content=chunks(11)), 413, "too-large")
    is_problem(await client.post("/things/1", content=chunks(11)), 413, "too-large")


async def test_a_body_of_exactly_the_limit_is_accepted(client: httpx.AsyncClient) -> None:
    assert (await client.post("/raw", content=b"x" * LIMIT)).json() == LIMIT
    assert (await client.post("/raw", content=chunks(10))).json() == LIMIT


async def test_a_body_that_does_not_arrive_is_408(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "BODY_SECONDS", 0.05)

    async def never() -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.Event().wait()

    async with a_client(an_app()) as client:
        is_problem(await client.post("/raw", content=never()), 408, "request-timeout")


async def test_readyz_names_failing_checks_and_livez_ignores_them(client: httpx.AsyncClient) -> None:
    async def redis() -> None:
        raise TryAgain("no answer")

    health = Health(ready={"redis": lambda: ready(redis), "kafka": lambda: None})
    async with a_client(an_app(health)) as client:
        body = is_problem(await client.get("/readyz"), 503, "unhealthy")
        assert body["errors"] == [{"parameter": "redis", "detail": "no answer"}]
        assert (await client.get("/livez")).status_code == 200


async def test_a_check_that_hangs_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "CHECK_SECONDS", 0.05)

    async def hang() -> str | None:
        await asyncio.Event().wait()
        return None

    async with a_client(an_app(Health(alive={"loop": hang}))) as client:
        is_problem(await client.get("/livez"), 503, "unhealthy")


async def test_while_stopping_the_service_is_not_ready() -> None:
    async with a_client(an_app(Health(stopping=True))) as client:
        assert (await client.get("/readyz")).status_code == 503
        assert (await client.get("/livez")).status_code == 200


async def test_unknown_addresses_add_no_labels_to_metrics(client: httpx.AsyncClient) -> None:
    for number in range(20):
        await client.get(f"/nowhere/{number}")
        await client.post(f"/things/{number}", json={"amount": 1})
        await client.request(f"M{number}", "/raw")
    lines = [line for line in (await client.get("/metrics")).text.splitlines() if "requests_total{" in line]
    assert len(lines) <= 4
    assert any('route="/things/{number}"' in line for line in lines)


async def test_responses_have_security_headers_and_there_is_no_docs_page(client: httpx.AsyncClient) -> None:
    answer = await client.get("/livez")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert (await client.get("/openapi.json")).status_code == 200
    for page in ("/docs", "/redoc"):
        assert (await client.get(page)).status_code == 404


async def test_the_openapi_document_says_that_errors_are_problems(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    responses = document["paths"]["/things/{number}"]["post"]["responses"]
    assert "application/problem+json" in responses["default"]["content"]
    assert "422" not in responses
