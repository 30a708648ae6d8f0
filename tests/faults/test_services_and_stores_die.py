"""The 1,166 retail cases, while services and stores are killed or stopped.

Whatever it was: afterwards all are decided as expected, none is lost, none is decided twice, everybody was
told. Read from the topics, from outside.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from deploy.local.stack import Stack
from tests.retail_cases import RetailRun, a_retail_run, send
from tests.topic_watcher import DEAD_LETTERS, DECISIONS, NOTICES, TopicWatcher, assert_decided_once

PER_SECOND = 200.0
SETTLED_WITHIN_SECONDS = 60.0
TOLD_WITHIN_SECONDS = 120.0

Disturb = Callable[[Stack], Awaitable[None]]


async def kill_intake(stack: Stack) -> None:
    await _kill_and_start(stack, "intake")


async def kill_rules(stack: Stack) -> None:
    await _kill_and_start(stack, "rules")


async def kill_notifier(stack: Stack) -> None:
    await _kill_and_start(stack, "notifier")


async def restart_kafka(stack: Stack) -> None:
    await asyncio.to_thread(stack.stop, "kafka")
    await asyncio.to_thread(stack.start, "kafka")


async def restart_redis(stack: Stack) -> None:
    await asyncio.to_thread(stack.stop, "redis")
    await asyncio.to_thread(stack.start, "redis")


async def kill_redis(stack: Stack) -> None:
    await _kill_and_start(stack, "redis")


async def _kill_and_start(stack: Stack, name: str) -> None:
    stack.kill(name)
    await asyncio.to_thread(stack.begin, name)


DISTURBANCES = (kill_intake, kill_rules, kill_notifier, restart_kafka, restart_redis, kill_redis)


@pytest.mark.parametrize("disturb", DISTURBANCES, ids=lambda one: one.__name__)
@pytest.mark.timeout(400)
async def test_every_case_is_decided_once_and_its_notices_sent_whatever_dies(
    stack: Stack, retail: None, disturb: Disturb
) -> None:
    run = a_retail_run(stack)
    await send(run, per_second=PER_SECOND, on_accepted=_once_in_the_middle(run, disturb))
    async with TopicWatcher(stack.bootstrap, run.case_ids, (DECISIONS, NOTICES, DEAD_LETTERS)) as watcher:
        await watcher.wait_until(
            lambda one: len(one.decided()) == len(run.cases),
            seconds=SETTLED_WITHIN_SECONDS,
            what="a decision on every case",
        )
        await watcher.wait_until(
            TopicWatcher.all_notices_ended, seconds=TOLD_WITHIN_SECONDS, what="every notice"
        )
        assert watcher.decided() == run.expected
        assert_decided_once(watcher.seen)
        assert not [one for one in watcher.seen if one.record.topic == DEAD_LETTERS]
        assert all(how == "notice.delivered" for told in watcher.ended_notices().values() for *_, how in told)


def _once_in_the_middle(run: RetailRun, disturb: Disturb) -> Callable[[int], Awaitable[None]]:
    done = False

    async def watch(accepted: int) -> None:
        nonlocal done
        if not done and accepted >= len(run.cases) // 2:
            done = True
            await disturb(run.stack)

    return watch


@pytest.mark.parametrize("service", ["intake", "rules", "notifier"])
async def test_a_service_that_is_stopped_finishes_its_batch(stack: Stack, retail: None, service: str) -> None:
    run = a_retail_run(stack, most=300)
    exits: list[int | None] = []

    async def stop(one: Stack) -> None:
        exits.append(await asyncio.to_thread(one.stop, service))
        await asyncio.to_thread(one.begin, service)

    await send(run, per_second=PER_SECOND, on_accepted=_once_in_the_middle(run, stop))
    async with TopicWatcher(stack.bootstrap, run.case_ids, (DECISIONS, NOTICES)) as watcher:
        await watcher.wait_until(
            lambda one: len(one.decided()) == len(run.cases),
            seconds=SETTLED_WITHIN_SECONDS,
            what="a decision on every case",
        )
        await watcher.wait_until(
            TopicWatcher.all_notices_ended, seconds=TOLD_WITHIN_SECONDS, what="every notice"
        )
        assert_decided_once(watcher.seen)
    assert exits == [0], "SIGTERM ends with exit code 0, within the bound that the stack gives it"
