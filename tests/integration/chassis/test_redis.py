"""Errors of a real Redis: a temporary one is TryAgain, a wrong call stays an error."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis
from redis.exceptions import NoScriptError, ResponseError

from services.chassis.process.errors import TryAgain
from services.chassis.redis import answering, connect, script_with


@pytest.fixture
async def redis(fresh_redis: str) -> AsyncIterator[Redis]:
    client = connect(fresh_redis)
    yield client
    await client.config_set("maxmemory", 0)
    await client.aclose()


async def do(client: Redis, *command: str | int) -> object:
    with answering("redis"):
        return await client.execute_command(*command)  # type: ignore[no-untyped-call] # redis-py


async def until_it_fails(client: Redis) -> None:
    while True:
        await do(client, "GET", "k")


async def test_a_full_memory_is_try_again(redis: Redis) -> None:
    await redis.config_set("maxmemory", 1)
    with pytest.raises(TryAgain, match="redis did not answer: OutOfMemoryError"):
        await do(redis, "SET", "k", "v")
    with pytest.raises(TryAgain):
        await do(redis, "EVAL", "return redis.call('SET', KEYS[1], 'v')", 1, "k")


async def test_a_running_script_is_try_again(redis: Redis, fresh_redis: str) -> None:
    await redis.config_set("busy-reply-threshold", 10)
    other = connect(fresh_redis, 30)
    running = asyncio.create_task(do(other, "EVAL", "while true do end", 0))
    try:
        async with asyncio.timeout(10):
            with pytest.raises(TryAgain, match="redis did not answer: BUSY"):
                await until_it_fails(redis)
        async with redis.pipeline(transaction=False) as pipe:
            pipe.get("k")
            with pytest.raises(TryAgain, match="BUSY"), answering("redis"):
                await pipe.execute()
    finally:
        await redis.script_kill()
        await asyncio.wait([running])
        await redis.config_set("busy-reply-threshold", 5_000)
        await other.aclose()
    assert isinstance(running.exception(), ResponseError)


async def test_a_missing_redis_is_try_again() -> None:
    with pytest.raises(TryAgain):
        await do(connect("redis://127.0.0.1:1/0"), "GET", "k")


async def test_an_unknown_script_and_a_wrong_call_pass_through(redis: Redis) -> None:
    with pytest.raises(NoScriptError):
        await do(redis, "EVALSHA", "0" * 40, 0)
    with pytest.raises(ResponseError, match="unknown command"):
        await do(redis, "NO_SUCH")


async def test_too_few_replicas_are_try_again(redis: Redis) -> None:
    await redis.config_set("min-replicas-to-write", 1)
    try:
        with pytest.raises(TryAgain, match="redis did not answer: NOREPLICAS"):
            await do(redis, "SET", "k", "v")
        with pytest.raises(TryAgain, match="NOREPLICAS"):
            await do(redis, "EVAL", "return redis.call('SET', KEYS[1], 'v')", 1, "k")
        for transaction in (False, True):
            async with redis.pipeline(transaction=transaction) as pipe:
                pipe.set("k", "v")
                with pytest.raises(TryAgain, match="NOREPLICAS"), answering("redis"):
                    await pipe.execute()
    finally:
        await redis.config_set("min-replicas-to-write", 0)


async def test_a_replica_without_its_master_is_try_again(redis: Redis) -> None:
    await redis.config_set("replica-serve-stale-data", "no")
    await redis.replicaof("127.0.0.1", "1")
    try:
        with pytest.raises(TryAgain, match="redis did not answer: MasterDownError"):
            await do(redis, "GET", "k")
        with pytest.raises(TryAgain):
            await do(redis, "EVAL", "return redis.call('SET', KEYS[1], 'v')", 1, "k")
    finally:
        await redis.replicaof("NO", "ONE")
        await redis.config_set("replica-serve-stale-data", "yes")


def test_a_full_disk_is_try_again() -> None:
    said = "MISCONF Valkey is configured to save RDB snapshots, but it's currently unable to persist to disk."
    with pytest.raises(TryAgain, match="MISCONF"), answering("redis"):
        raise ResponseError(said)


def test_the_nonce_is_in_the_second_line() -> None:
    text = script_with("abc1", "services.rules.ledger", "ledger.lua")
    assert text.split("\n")[1] == "local NONCE = 'abc1'"
    with pytest.raises(ValueError, match="letters and digits"):
        script_with("'; x", "services.rules.ledger", "ledger.lua")
