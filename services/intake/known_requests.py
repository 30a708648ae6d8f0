"""Requests that intake accepted lately, in Redis, so that the caller hears of a conflict at once.

Rules decides about conflicts. So a case is accepted whatever happens to Redis (docs/ledger.md, Intake and
notifier).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from prometheus_client import Counter
from redis.asyncio import Redis
from redis.exceptions import RedisError

from schemas.ids import RequestKey, derived_id
from services.chassis.process.log import log

REMEMBERED: Final = timedelta(days=7)
ANSWER_SECONDS: Final = 0.25
"""The longest wait for one look-up or note in Redis. A caller waits for two."""


class RedisKnownRequests:
    """The digest of each request, for seven days, under `intake:` and a hash of the request's key."""

    def __init__(self, redis: Redis, away: Counter) -> None:
        self._redis = redis
        self._away = away

    async def digest_of(self, key: RequestKey) -> str | None:
        """The digest that was noted first; None if there is none or Redis does not answer."""
        try:
            noted = await self._redis.get(_name(key))
        except (RedisError, OSError, TimeoutError) as error:
            self._missed(error)
            return None
        return noted.decode() if isinstance(noted, bytes) else noted

    async def note(self, digests: Mapping[RequestKey, str]) -> None:
        """Notes the digests of accepted requests. A digest that is already noted stays as it is."""
        if not digests:
            return
        try:
            async with self._redis.pipeline(transaction=False) as pipeline:
                for key, digest in digests.items():
                    pipeline.set(_name(key), digest, nx=True, ex=REMEMBERED)
                await pipeline.execute()
        except (RedisError, OSError, TimeoutError) as error:
            self._missed(error)

    def _missed(self, error: Exception) -> None:
        self._away.inc()
        log.warning("known_requests_away", error=type(error).__name__)


def _name(key: RequestKey) -> str:
    return f"intake:{derived_id(*key)}"
