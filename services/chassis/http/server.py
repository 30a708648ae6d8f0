"""The HTTP side of a service: FastAPI on uvicorn, in the event loop that also consumes.

`/livez`, `/readyz` and `/metrics` need no key and say nothing of the inside but names of checks.
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
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from schemas.topics import BODY_LIMIT_BYTES
from services.chassis.http import problems
from services.chassis.http.problems import HttpProblem
from services.chassis.process.errors import ConfigurationError, TryAgain
from services.chassis.process.hosts import is_loopback
from services.chassis.process.log import log
from services.chassis.process.metrics import Metrics

__all__ = ["Health", "HttpProblem", "create_app", "ready", "serving"]

Check = Callable[[], str | Awaitable[str | None] | None]
"""Says what is wrong in a few words, or None. May raise TryAgain."""

CHECK_SECONDS: Final = 2.5
BODY_SECONDS: Final = 15.0
DRAIN_SECONDS: Final = 3.0
DRAIN_BYTES: Final = 16 * 1024 * 1024
HEADER_SECONDS: Final = 15.0
KEEP_ALIVE_SECONDS: Final = 15
CONNECTIONS: Final = 1_000
SECURITY_HEADERS: Final = {
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
}
"""Set unless the route set its own."""
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


@dataclass
class Health:
    """The checks by name. `alive`: start me anew if it fails. `ready`: send me nothing while it fails."""

    alive: dict[str, Check] = field(default_factory=dict)
    ready: dict[str, Check] = field(default_factory=dict)
    stopping: bool = False


def create_app(
    title: str, *, health: Health, metrics: Metrics, body_limit_bytes: int = BODY_LIMIT_BYTES
) -> FastAPI:
    """An application with health, metrics, problem details, limits; add routes to it."""
    app = FastAPI(
        title=title,
        version="1",
        docs_url=None,  # its page loads scripts from elsewhere
        redoc_url=None,
        responses=problems.RESPONSES,
        redirect_slashes=False,
    )
    problems.install(app)
    app.add_middleware(_LimitedBody, limit_bytes=body_limit_bytes)
    app.add_middleware(_SecurityHeaders)
    app.add_middleware(_Measured, metrics=metrics)

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
    """Serves while the block runs; gives the port. On the way out requests in hand are answered.

    Listens on the given host only; on the loopback, only to requests that name it (a web page elsewhere
    could otherwise reach us under its own name). Raises ConfigurationError when the port is taken.
    """
    listener = _listen(host, port)
    server = _Server(
        uvicorn.Config(
            _LoopbackOnly(app) if is_loopback(host) else app,
            http=_ImpatientProtocol,
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
    """A check out of a call that raises TryAgain when the outside is away."""
    try:
        await ask()
    except TryAgain as outside:
        return str(outside)
    return None


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=512)
        # asyncio sets it only on sockets made with their protocol named. Without it head and body of an
        # answer go apart, and the second waits 40 ms for the reader's delayed acknowledgement.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listener
    except OSError as error:
        raise ConfigurationError(
            f"MANDAAT_HTTP_HOST {host}, MANDAAT_HTTP_PORT {port}: cannot listen ({error.strerror})"
        ) from error


async def _answer(checks: Mapping[str, Check]) -> Response:
    said = await asyncio.gather(*(_ask(check) for check in checks.values()))
    failing = {name: text for name, text in zip(checks, said, strict=True) if text is not None}
    return _unhealthy(failing) if failing else Response('{"status":"ok"}', media_type="application/json")


async def _ask(check: Check) -> str | None:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            said = check()
            return await said if inspect.isawaitable(said) else said
    except TryAgain as outside:
        return str(outside)
    except TimeoutError:
        return "no answer in time"


def _unhealthy(failing: Mapping[str, str]) -> Response:
    errors: list[problems.Flawed] = [{"parameter": name, "detail": text} for name, text in failing.items()]
    return HttpProblem(503, "unhealthy", "Failing: " + ", ".join(failing) + ".", errors=errors).response()


class _Server(uvicorn.Server):
    """Signals are ours (services.chassis.process.run)."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


class _ImpatientProtocol(H11Protocol):
    """Closes a connection on which no whole request head came in time, however slowly it drips."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's
        super().connection_made(transport)
        self._busy = time.monotonic()
        self._watch = self.loop.call_later(HEADER_SECONDS / 3, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        self._watch.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        self._busy = time.monotonic()  # else a kept connection is cut, perhaps in the middle of a request
        super().on_response_complete()

    def _look(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self._busy = time.monotonic()
        if time.monotonic() - self._busy > HEADER_SECONDS:
            self.transport.close()
            return
        self._watch = self.loop.call_later(HEADER_SECONDS / 3, self._look)


class _LimitedBody:
    """413 for a body that is too large, by its word and by its bytes; 408 for one that does not come."""

    def __init__(self, app: ASGIApp, limit_bytes: int) -> None:
        self._app = app
        self._limit = limit_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        said = Headers(scope=scope).get("content-length", "0")
        if not said.isdecimal() or int(said[:20]) > self._limit:
            if "expect" not in Headers(scope=scope):
                await _drain(receive)
            await self._too_large().response()(scope, receive, send)
            return
        deadline = time.monotonic() + BODY_SECONDS
        taken, complete = 0, False

        async def counted() -> Message:
            nonlocal taken, complete
            if complete:
                return await receive()  # waits for the disconnect
            try:
                async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                    message = await receive()
            except TimeoutError:
                raise HttpProblem(408, "request-timeout", "The body did not come in time.") from None
            taken += len(message.get("body", b""))
            complete = message["type"] != "http.request" or not message.get("more_body", False)
            if taken > self._limit:
                if not complete:
                    await _drain(receive)
                raise self._too_large()
            return message

        await self._app(scope, counted, send)

    def _too_large(self) -> HttpProblem:
        return HttpProblem(
            413, "too-large", f"The body is larger than {self._limit} bytes.", headers={"Connection": "close"}
        )


async def _drain(receive: Receive) -> None:
    """Takes the rest of a body within bounds: a caller that is still sending would not read the answer."""
    taken = 0
    try:
        async with asyncio.timeout(DRAIN_SECONDS):
            while taken < DRAIN_BYTES:
                message = await receive()
                taken += len(message.get("body", b""))
                if message["type"] != "http.request" or not message.get("more_body", False):
                    return
    except TimeoutError:
        return


class _SecurityHeaders:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, with_headers)


class _Measured:
    """Counts and times requests by the route's template, so that labels stay few."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.monotonic(), 500

        async def seen(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, seen)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            method = scope["method"] if scope["method"] in METHODS else "other"
            self._metrics.http_requests.labels(method, route, str(status)).inc()
            self._metrics.http_seconds.labels(route).observe(time.monotonic() - started)


class _LoopbackOnly:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            named = Headers(scope=scope).get("host", "localhost").rsplit("@", 1)[-1]
            host = named[1:].partition("]")[0] if named.startswith("[") else named.partition(":")[0]
            if not is_loopback(host):
                refusal = HttpProblem(
                    421, "misdirected-request", "This service listens to this machine only."
                )
                await refusal.response()(scope, receive, send)
                return
        await self._app(scope, receive, send)
