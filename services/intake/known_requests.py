"""Requests that intake has accepted lately, in Redis: a courtesy, so that a conflict is told at the door.

Rules is the authority on conflicts. So whatever Redis does here, the case is accepted (LEDGER.md, Intake).
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
"""A caller waits this long for a courtesy, twice at most."""


class KnownRequests:
    """The digest of each request under `intake:` + a hash of what identifies it, for seven days."""

    def __init__(self, redis: Redis, away: Counter) -> None:
        self._redis = redis
        self._away = away

    async def digest_of(self, key: RequestKey) -> str | None:
        """The digest that was noted first; None where there is none, or Redis does not answer."""
        try:
            noted = await self._redis.get(_name(key))
        except (RedisError, OSError, TimeoutError) as error:
            self._missed(error)
            return None
        return noted.decode() if isinstance(noted, bytes) else noted

    async def note(self, digests: Mapping[RequestKey, str]) -> None:
        """Notes the digests of accepted requests; one that is there stays as it is."""
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
