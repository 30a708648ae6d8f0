"""The HTTP server of a service: FastAPI on uvicorn, in the event loop that also consumes.

`/livez`, `/readyz` and `/metrics` need no key. They show no more of the inside than names of checks.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Final

import uvicorn
from fastapi import FastAPI, Response
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from schemas.topics import BODY_LIMIT_BYTES
from services.chassis.http import problems
from services.chassis.http.middleware import LimitedBody, LoopbackOnly, Measured, SecurityHeaders
from services.chassis.http.problems import HttpProblem
from services.chassis.process.errors import ConfigurationError, TryAgain
from services.chassis.process.hosts import is_loopback
from services.chassis.process.log import log
from services.chassis.process.metrics import Metrics

__all__ = ["Health", "HttpProblem", "create_app", "ready", "serving"]

Check = Callable[[], str | Awaitable[str | None] | None]
"""Returns what is wrong in a few words, or None. May raise TryAgain."""

CHECK_SECONDS: Final = 2.5
HEADER_SECONDS: Final = 15.0
KEEP_ALIVE_SECONDS: Final = 15
CONNECTIONS: Final = 1_000


@dataclass
class Health:
    """Checks by name.

    When one of `alive` fails, the service has to be restarted. While one of `ready` fails, it should get no
    requests.
    """

    alive: dict[str, Check] = field(default_factory=dict)
    ready: dict[str, Check] = field(default_factory=dict)
    stopping: bool = False


def create_app(
    title: str, *, health: Health, metrics: Metrics, body_limit_bytes: int = BODY_LIMIT_BYTES
) -> FastAPI:
    """An application with health checks, metrics, problem details and limits, to which routes are added."""
    app = FastAPI(
        title=title,
        version="1",
        docs_url=None,  # that page loads scripts from another site
        redoc_url=None,
        responses=problems.RESPONSES,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,  # of operations, in generated clients
    )
    problems.install(app)
    problems.describe(app)
    app.add_middleware(LimitedBody, limit_bytes=body_limit_bytes)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(Measured, metrics=metrics)

    @app.get("/livez", include_in_schema=False)
    async def livez() -> Response:
        return await _answer(health.alive)

    @app.get("/readyz", include_in_schema=False)
    async def readyz() -> Response:
        if health.stopping:
            return _unhealthy({"stopping": "the service is stopping"})
        return await _answer(health.alive | health.ready)

    @app.get("/metrics", include_in_schema=False)
    async def exposition() -> Response:
        return Response(metrics.exposition(), media_type=CONTENT_TYPE_LATEST)

    return app


@contextlib.asynccontextmanager
async def serving(
    app: ASGIApp, host: str, port: int, health: Health, *, drain_seconds: float = 0.2
) -> AsyncIterator[int]:
    """Serves while the block runs, and yields the port. At the end, running requests are still answered.

    Listens on the given host only. On the loopback it accepts only requests that name the loopback as host;
    otherwise any web page could reach it under a name of its own (DNS rebinding). Raises ConfigurationError
    when the port is taken.
    """
    listener = _listen(host, port)
    server = _Server(
        uvicorn.Config(
            LoopbackOnly(app) if is_loopback(host) else app,
            http=_HeaderTimeoutProtocol,
            loop="none",
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=2,
            limit_concurrency=CONNECTIONS,
        )
    )
    task = asyncio.create_task(server.serve(sockets=[listener]), name="http")
    try:
        await server.listening.wait()
        bound: int = listener.getsockname()[1]
        log.info("listening", host=host, port=bound)
        yield bound
    finally:
        health.stopping = True
        await asyncio.sleep(drain_seconds)
        server.should_exit = True
        await asyncio.wait([task], timeout=3.0)


async def ready(ask: Callable[[], Awaitable[object]]) -> str | None:
    """Turns a call that may raise TryAgain into a check."""
    try:
        await ask()
    except TryAgain as outside:
        return str(outside)
    return None


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=512)
        # asyncio sets this only on sockets created with an explicit protocol. Without it, head and body of a
        # response are sent apart, and the body waits 40 ms for the reader's delayed acknowledgement.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listener
    except OSError as error:
        raise ConfigurationError(
            f"MANDAAT_HTTP_HOST {host}, MANDAAT_HTTP_PORT {port}: cannot listen ({error.strerror})"
        ) from error


async def _answer(checks: Mapping[str, Check]) -> Response:
    answers = await asyncio.gather(*(_ask(check) for check in checks.values()))
    failing = {name: text for name, text in zip(checks, answers, strict=True) if text is not None}
    return _unhealthy(failing) if failing else Response('{"status":"ok"}', media_type="application/json")


async def _ask(check: Check) -> str | None:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            answer = check()
            return await answer if inspect.isawaitable(answer) else answer
    except TryAgain as outside:
        return str(outside)
    except TimeoutError:
        return "no answer in time"


def _unhealthy(failing: Mapping[str, str]) -> Response:
    errors: list[problems.ErrorItem] = [{"parameter": name, "detail": text} for name, text in failing.items()]
    return HttpProblem(503, "unhealthy", "Failing: " + ", ".join(failing) + ".", errors=errors).response()


class _Server(uvicorn.Server):
    """Leaves signals to services.chassis.process.run."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


class _HeaderTimeoutProtocol(H11Protocol):
    """Closes a connection on which no complete request head arrives in time."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # the same as in uvicorn
        super().connection_made(transport)
        self._busy = time.monotonic()
        self._watch = self.loop.call_later(HEADER_SECONDS / 3, self._check)

    def connection_lost(self, exc: Exception | None) -> None:
        self._watch.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        self._busy = (
            time.monotonic()
        )  # else a connection is closed, perhaps in the middle of its next request
        super().on_response_complete()

    def _check(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self._busy = time.monotonic()
        if time.monotonic() - self._busy > HEADER_SECONDS:
            self.transport.close()
            return
        self._watch = self.loop.call_later(HEADER_SECONDS / 3, self._check)
