"""The ledger's counters, read beside the rounds: nothing is settled, and no worker waits for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from redis.asyncio import Redis

from services.chassis.errors import TryAgain
from services.chassis.redis import answering
from services.rules.adapters.script import LEDGER, PREFIX


class Reading(NamedTuple):
    """A counter, and the field of it that is wanted; None: all fields."""

    key: str
    field: str | None


class CounterReader:
    """Reads counters at one moment, with what is still tentative."""

    def __init__(self, redis: Redis, *, prefix: str = PREFIX) -> None:
        self._redis = redis
        self._prefix = prefix

    async def read(self, wanted: Sequence[Reading]) -> list[dict[str, int]]:
        """What each counter holds, by field. Raises TryAgain: Redis is away, or being rebuilt."""
        pipeline: Any = self._redis.pipeline(transaction=True)
        pipeline.hget(f"{self._prefix}:meta", "epoch")
        for key, field in wanted:
            name = f"{self._prefix}:b:{key}"
            if field is None:
                pipeline.hgetall(name)
            else:
                pipeline.hmget(name, [field])
        with answering(LEDGER):
            epoch, *found = await pipeline.execute()
        if epoch is None:
            raise TryAgain("the ledger is being rebuilt")
        return [_amounts(one, values) for one, values in zip(wanted, found, strict=True)]


def _amounts(wanted: Reading, values: Any) -> dict[str, int]:
    if wanted.field is None:
        return {field.decode("ascii"): int(amount) for field, amount in values.items()}
    (amount,) = values
    return {} if amount is None else {wanted.field: int(amount)}
