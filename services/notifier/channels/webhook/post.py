"""Signed webhooks (Standard Webhooks 1.0): one POST, and the meaning of the answer."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Final

import httpx
from standardwebhooks import Webhook

from schemas.cloud_event import CONTENT_TYPE
from services.notifier.channels.outcome import Delivered, Outcome, Passing, Permanent
from services.notifier.channels.webhook.hooks_file import Hook

ANSWER_SECONDS: Final = 15.0
"""From the first byte that we send to the last that we read; httpx limits only each single read."""
CONNECT_SECONDS: Final = 5.0
MOST_ANSWER_BYTES: Final = 64 * 1024
_PASSING: Final = frozenset({408, 425, 429})


class Hooks:
    """Posts to the tenants' webhooks. It follows no redirects and uses no proxy of the environment.

    `hooks` gives the webhooks by tenant, as they are now.
    """

    def __init__(
        self,
        hooks: Callable[[], Mapping[str, Hook]],
        connections: int,
        verify: ssl.SSLContext | bool = True,
        seconds: float = ANSWER_SECONDS,
    ) -> None:
        self._seconds = seconds
        self._hooks = hooks
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(seconds, connect=CONNECT_SECONDS),
            follow_redirects=False,
            trust_env=False,
            verify=verify,
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
            headers={"user-agent": "mandaat-notifier"},
        )

    async def send(self, tenant: str, webhook_id: str, body: bytes, now: datetime) -> Outcome:
        """Post one event as it is. Every try has the same `webhook_id` and a timestamp of its own."""
        hook = self._hooks().get(tenant)
        if hook is None:
            return Permanent("no_webhook")
        headers = {
            "content-type": CONTENT_TYPE,
            "webhook-id": webhook_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(hook.secret.get_secret_value()).sign(webhook_id, now, body.decode()),
        }
        try:
            async with (
                asyncio.timeout(self._seconds),
                self._client.stream("POST", hook.url, content=body, headers=headers) as answer,
            ):
                await _drain(answer)
                return _meaning(answer, now)
        except (httpx.HTTPError, TimeoutError) as error:
            return Passing(f"webhook: {type(error).__name__}")

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


async def _drain(answer: httpx.Response) -> None:
    """Read a short answer to its end, so that the connection can be kept. A long one is not read."""
    read = 0
    async for chunk in answer.aiter_raw():
        read += len(chunk)
        if read > MOST_ANSWER_BYTES:
            return


def _meaning(answer: httpx.Response, now: datetime) -> Outcome:
    code = answer.status_code
    if 200 <= code <= 299:
        return Delivered()
    if code >= 500 or code in _PASSING:
        return Passing(f"webhook: HTTP {code}", _retry_after(answer.headers.get("retry-after"), now))
    return Permanent(f"webhook: HTTP {code}")


def _retry_after(text: str | None, now: datetime) -> float | None:
    """The seconds of a Retry-After in seconds or as a date (RFC 9110, 10.2.3); None where it is neither."""
    if text is None:
        return None
    if text.strip().isdecimal() and len(text) < 10:
        return float(text)
    try:
        when = parsedate_to_datetime(text)
    except ValueError:
        return None
    return (when - now).total_seconds() if when.tzinfo is not None else None
