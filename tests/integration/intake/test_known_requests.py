"""The contract of known requests, for the real one and for its double."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Counter

from schemas.ids import RequestKey
from services.chassis.redis import connect
from services.intake.accepting import KnownRequests
from services.intake.known_requests import RedisKnownRequests
from tests.doubles.intake import FakeKnownRequests

ONE = RequestKey("acme", "c-1", "r1")
OTHER = RequestKey("acme", "c-1", "r2")


def a_counter() -> Counter:
    return Counter("away", "away", registry=CollectorRegistry())


@pytest.fixture(params=["real", "double"])
async def known(request: pytest.FixtureRequest) -> AsyncIterator[KnownRequests]:
    if request.param == "double":
        yield FakeKnownRequests()
        return
    address: str = request.getfixturevalue("fresh_redis")
    redis = connect(address)
    yield RedisKnownRequests(redis, a_counter())
    await redis.aclose()


async def test_a_request_that_was_never_noted_is_not_known(known: KnownRequests) -> None:
    assert await known.digest_of(ONE) is None


async def test_the_first_digest_stays(known: KnownRequests) -> None:
    await known.note({ONE: "aaaaaaaa", OTHER: "bbbbbbbb"})
    await known.note({ONE: "cccccccc"})
    assert (await known.digest_of(ONE), await known.digest_of(OTHER)) == ("aaaaaaaa", "bbbbbbbb")


async def test_noting_nothing_changes_nothing(known: KnownRequests) -> None:
    await known.note({})


async def test_a_note_is_kept_seven_days_under_a_name_without_ids(fresh_redis: str) -> None:
    redis = connect(fresh_redis)
    await RedisKnownRequests(redis, a_counter()).note({ONE: "aaaaaaaa"})
    (name,) = await redis.keys()
    assert str(name).startswith("b'intake:")
    assert "c-1" not in str(name)
    assert 7 * 86_400 - 60 < await redis.ttl(name) <= 7 * 86_400
    await redis.aclose()


@pytest.mark.parametrize("call", [lambda known: known.digest_of(ONE), lambda known: known.note({ONE: "a"})])
async def test_a_redis_that_is_away_is_only_counted(call: Callable[[KnownRequests], Any]) -> None:
    away, redis = a_counter(), connect("redis://127.0.0.1:1/0")
    assert await call(RedisKnownRequests(redis, away)) is None
    assert away._value.get() == 1
    await redis.aclose()
