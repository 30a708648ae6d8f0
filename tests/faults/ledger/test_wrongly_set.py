"""Settings: rules is not ready if a setting breaks a promise, and names it (docs/ledger.md, Topics)."""

from __future__ import annotations

import httpx
import redis

from deploy.local.stack import Stack
from tests.faults.ledger.conftest import only_in_faults
from tests.faults.ledger.topic_settings import add_partitions, set_topic
from tests.waiting import eventually

WEEK_MS = 7 * 24 * 60 * 60 * 1000
WRONG = {
    "cleanup.policy": "compact",
    "retention.ms": str(WEEK_MS),
    "message.timestamp.before.max.ms": str(2**63 - 1),
}


@only_in_faults
async def test_every_setting_that_differs_is_named_and_nothing_is_decided(spoiled_stack: Stack) -> None:
    await set_topic(spoiled_stack.bootstrap, "mandaat.decisions", WRONG)
    await add_partitions(spoiled_stack.bootstrap, "mandaat.replies", 7)
    with redis.Redis.from_url(spoiled_stack.redis_url) as store:
        store.config_set("maxmemory-policy", "allkeys-lru")
    spoiled_stack.stop("rules")
    spoiled_stack.begin("rules")

    def lives() -> bool:
        return httpx.get(f"{spoiled_stack.http('rules')}/livez", timeout=4).status_code == 200

    def said() -> str:
        try:
            answer = httpx.get(f"{spoiled_stack.http('rules')}/readyz", timeout=4)
        except httpx.HTTPError:
            return ""
        errors = {error["parameter"]: error["detail"] for error in answer.json().get("errors", ())}
        return str(errors.get("settings", "")) if "started" in errors else ""

    wanted = [
        *(f"mandaat.decisions: {name} is {value}, must be" for name, value in WRONG.items()),
        "mandaat.replies has 7",
        "redis: maxmemory-policy is allkeys-lru, must be noeviction",
    ]
    await eventually(lambda: all(one in said() for one in wanted), seconds=30.0, what=f"{wanted} in {said()}")
    assert lives()
