"""The demonstration counts a case as published only when the broker has acknowledged it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiokafka.errors import KafkaError, KafkaTimeoutError

from deploy.local.demo import doors
from deploy.local.demo.retail import retail_cases


class LosesTheSecond:
    """A producer whose second record is never acknowledged."""

    def __init__(self, **_settings: Any) -> None:
        self._sent = 0

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def flush(self) -> None: ...

    async def send(self, *_where: Any, **_what: Any) -> asyncio.Future[None]:
        self._sent += 1
        future = asyncio.get_running_loop().create_future()
        if self._sent == 2:
            future.set_exception(KafkaTimeoutError())
        else:
            future.set_result(None)
        return future


async def test_a_case_that_the_broker_refuses_is_reported_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doors, "AIOKafkaProducer", LosesTheSecond)
    published: list[None] = []

    with pytest.raises(KafkaError):
        await doors.over_kafka("nowhere:1", retail_cases()[:3], lambda: published.append(None))

    assert len(published) == 2
