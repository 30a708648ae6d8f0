"""The HTTP server: which hosts it accepts, its time limits, and how it stops."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from fastapi import FastAPI

from services.chassis.http import middleware
from services.chassis.http import server as http
from services.chassis.http.server import Health, create_app, serving
from services.chassis.process.errors import ConfigurationError
from services.chassis.process.metrics import Metrics


@pytest.fixture
def health() -> Health:
    return Health()


@pytest.fixture
def app(health: Health) -> FastAPI:
    app = create_app("Test", health=health, metrics=Metrics())

    @app.get("/slow")
    async def slow() -> str:
        await asyncio.sleep(0.8)  # the test needs a slow response
        return "answered"

    @app.post("/raw")
    async def raw(body: dict[str, int]) -> dict[str, int]:
        return body

    return app


@pytest.fixture
async def port(app: FastAPI, health: Health) -> AsyncIterator[int]:
    async with serving(app, "127.0.0.1", 0, health) as port:
        yield port


def client(port: int) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20)


async def test_the_server_responds_without_a_server_header(port: int) -> None:
    async with client(port) as caller:
        answer = await caller.get("/livez")
    assert answer.status_code == 200
    assert "server" not in answer.headers


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:80", 200),
        ("localhost", 200),
        ("[::1]:8080", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost@evil.example", 421),
        ("10.0.0.1", 421),
    ],
)
async def test_on_the_loopback_only_requests_that_name_it_are_accepted(
    port: int, host: str, status: int
) -> None:
    async with client(port) as caller:
        answer = await caller.get("/livez", headers={"host": host})
    assert answer.status_code == status


async def test_a_taken_port_is_a_configuration_error(port: int, app: FastAPI) -> None:
    with pytest.raises(ConfigurationError, match=f"MANDAAT_HTTP_PORT {port}"):
        async with serving(app, "127.0.0.1", port, Health()):
            pass


async def closed_after(port: int, drip: Callable[[int], bytes], every: float) -> float:
    """Seconds until the server closes a connection on which bytes arrive slowly."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    started = time.monotonic()
    try:
        for number in range(1_000):
            writer.write(drip(number))
            await writer.drain()
            try:
                async with asyncio.timeout(every):
                    if await reader.read(65536) == b"":
                        return time.monotonic() - started
            except TimeoutError:
                assert time.monotonic() - started < 10, "the connection is still open"
    except ConnectionError:
        return time.monotonic() - started
    finally:
        writer.close()
    return time.monotonic() - started


async def test_a_connection_with_a_slow_head_is_closed(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "HEADER_SECONDS", 0.6)
    seconds = await closed_after(port, lambda n: b"G" if n == 0 else b"ET /livez"[n : n + 1] or b"x", 0.05)
    assert seconds < 3


async def test_a_silent_connection_is_closed(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "HEADER_SECONDS", 0.6)
    assert await closed_after(port, lambda _: b"", 0.1) < 3


async def test_a_slow_body_is_408(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "BODY_SECONDS", 0.4)

    async def drip() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" "
            await asyncio.sleep(0.05)

    async with client(port) as caller:
        answer = await caller.post("/raw", content=drip(), headers={"content-type": "application/json"})
    assert answer.status_code == 408
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_slow_response_is_not_mistaken_for_a_slow_head(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "HEADER_SECONDS", 0.3)
    async with client(port) as caller:
        assert (await caller.get("/slow")).json() == "answered"


@pytest.mark.parametrize("size", [200_000, 3_000_000])
async def test_a_caller_that_is_still_sending_can_read_the_413(port: int, size: int) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(size // 10_000):
            yield b"x" * 10_000

    async with client(port) as caller:
        assert (await caller.post("/raw", content=b"x" * size)).status_code == 413
        answer = await caller.post("/raw", content=chunks(), headers={"content-type": "application/json"})
        assert answer.status_code == 413


async def test_a_stopping_server_is_not_ready_and_finishes_running_requests(
    app: FastAPI, health: Health
) -> None:
    async with client(0) as caller:
        async with serving(app, "127.0.0.1", 0, health, drain_seconds=0.5) as port:
            address = f"http://127.0.0.1:{port}"
            assert (await caller.get(f"{address}/readyz")).status_code == 200
            asking = asyncio.create_task(caller.get(f"{address}/slow"))
            while not asking.done() and not health.stopping:
                await asyncio.sleep(0.05)
                if not health.stopping:
                    health.stopping = True
            assert (await caller.get(f"{address}/readyz")).status_code == 503
        assert (await asking).json() == "answered"
        with pytest.raises(httpx.TransportError):
            await caller.get(f"{address}/livez")


async def test_bytes_that_are_not_http_are_refused(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"\x16\x03\x01 not http\r\n\r\n")
    async with asyncio.timeout(5):
        assert (await reader.read()).startswith(b"HTTP/1.1 400")
    writer.close()
