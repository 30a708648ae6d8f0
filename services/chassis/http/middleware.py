"""Middleware of every service: limits, security headers, metrics."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.chassis.http.problems import HttpProblem
from services.chassis.process.hosts import is_loopback
from services.chassis.process.metrics import Metrics

BODY_SECONDS: Final = 15.0
DRAIN_SECONDS: Final = 3.0
DRAIN_BYTES: Final = 16 * 1024 * 1024
SECURITY_HEADERS: Final = {
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
}
"""Set unless the route has set the header."""
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class LimitedBody:
    """413 for a body that is too large, by its stated length or its bytes; 408 for one that is too slow."""

    def __init__(self, app: ASGIApp, limit_bytes: int) -> None:
        self._app = app
        self._limit = limit_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        stated = Headers(scope=scope).get("content-length", "0")
        if not stated.isdecimal() or int(stated[:20]) > self._limit:
            if "expect" not in Headers(scope=scope):
                await _drain(receive)
            await self._too_large().response()(scope, receive, send)
            return
        deadline = time.monotonic() + BODY_SECONDS
        received, complete = 0, False

        async def counted() -> Message:
            nonlocal received, complete
            if complete:
                return await receive()  # waits until the caller disconnects
            try:
                async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                    message = await receive()
            except TimeoutError:
                raise HttpProblem(408, "request-timeout", "The body did not arrive in time.") from None
            received += len(message.get("body", b""))
            complete = message["type"] != "http.request" or not message.get("more_body", False)
            if received > self._limit:
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
    """Reads the rest of a body, within limits: a caller that is still sending would not read the response."""
    received = 0
    try:
        async with asyncio.timeout(DRAIN_SECONDS):
            while received < DRAIN_BYTES:
                message = await receive()
                received += len(message.get("body", b""))
                if message["type"] != "http.request" or not message.get("more_body", False):
                    return
    except TimeoutError:
        return


class SecurityHeaders:
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


class Measured:
    """Counts and times requests by the template of their route, so that there are few labels."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.monotonic(), 500

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, observed)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            method = scope["method"] if scope["method"] in METHODS else "other"
            self._metrics.http_requests.labels(method, route, str(status)).inc()
            self._metrics.http_seconds.labels(route).observe(time.monotonic() - started)


class LoopbackOnly:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            named = Headers(scope=scope).get("host", "localhost").rsplit("@", 1)[-1]
            host = named[1:].partition("]")[0] if named.startswith("[") else named.partition(":")[0]
            if not is_loopback(host):
                refusal = HttpProblem(
                    421, "misdirected-request", "This service accepts requests from this machine only."
                )
                await refusal.response()(scope, receive, send)
                return
        await self._app(scope, receive, send)
