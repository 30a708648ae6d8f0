"""Compares the live ledger with one that is rebuilt from the journal (docs/ledger.md, Promises)."""

from __future__ import annotations

from typing import Any

import redis

from deploy.local.stack import SIZES, Stack
from services.chassis.kafka.producer import Producer
from services.chassis.redis import connect
from services.rules.journal.journal import Journal
from services.rules.ledger.client import Ledger
from services.rules.ledger.cold_start import cold_start
from services.rules.ledger.take_over import Fence
from services.rules.worker.effects import effects_of
from tests.waiting import eventually

ELSEWHERE = "{VERIFY}"


async def assert_ledger_equals_journal(stack: Stack) -> None:
    """Fail unless index, counters and states equal the journal's. No worker may decide meanwhile."""
    with redis.Redis.from_url(stack.redis_url) as store:
        await eventually(lambda: not list(store.scan_iter("{L0}:pend:*")), what="nothing pending")
        for key in store.scan_iter(f"{ELSEWHERE}:*", count=1000):
            store.delete(key)
        await _rebuild(stack)
        live, rebuilt = _contents(store, "{L0}"), _contents(store, ELSEWHERE)
    assert live.keys() == rebuilt.keys()
    for key, content in live.items():
        assert content == rebuilt[key], f"{key} differs"


async def _rebuild(stack: Stack) -> None:
    producer = Producer(stack.bootstrap, client_id="verify")
    journal = Journal(stack.bootstrap, producer)
    client = connect(stack.redis_url)
    try:
        fence = Fence(SIZES.fence_ms / 1000, SIZES.clock_ms / 1000)
        ledger = Ledger(client, prefix=ELSEWHERE)
        await cold_start(ledger=ledger, journal=journal, effects_of=effects_of, fence=fence)
    finally:
        await journal.stop()
        await client.aclose()
        await producer.stop()


def _contents(store: Any, prefix: str) -> dict[str, dict[bytes, bytes]]:
    """Index, counters and states by key, without the prefix."""
    keys = [key for kind in ("i", "b", "s") for key in store.scan_iter(f"{prefix}:{kind}:*", count=1000)]
    pipe = store.pipeline(transaction=False)
    for key in keys:
        pipe.hgetall(key)
    contents = pipe.execute()
    return {key.decode().removeprefix(prefix): one for key, one in zip(keys, contents, strict=True)}
