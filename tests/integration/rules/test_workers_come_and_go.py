"""A worker is paused for a moment, or gets SIGTERM in the middle of a batch.

Those that join, leave, die and stand still for long: tests/faults/ledger.
"""

from __future__ import annotations

import asyncio
import time

import httpx

from deploy.local.stack import Stack
from tests.integration.rules.input_sender import InputSender
from tests.integration.rules.journal_watch import JournalWatch
from tests.integration.rules.load import in_thread, under_load, until_sent
from tests.waiting import eventually

FENCE_SECONDS = 1.0
STOP_WITHIN_SECONDS = 10.0
FIRST_CASES, MORE_CASES = 2_000, 200
"""Sent before the worker starts, and again and again until it has stopped."""


def held(stack: Stack, name: str) -> int:
    """How many partitions a worker holds, by its metric."""
    try:
        text = httpx.get(f"{stack.http(name)}/metrics", timeout=2).text
    except httpx.HTTPError:
        return 0
    line = next(one for one in text.splitlines() if one.startswith("mandaat_partitions_held "))
    return int(float(line.split()[1]))


async def share(stack: Stack, *names: str) -> None:
    """Wait until these workers hold all six partitions, each at least one."""

    def shared() -> bool:
        numbers = [held(stack, name) for name in names]
        return sum(numbers) == 6 and all(numbers)

    await eventually(lambda: in_thread(shared), seconds=40.0, what=f"{names} share the partitions")


async def test_a_worker_that_was_stopped_for_a_moment_goes_on(
    stack: Stack, sender: InputSender, watch: JournalWatch
) -> None:
    stack.begin("rules")
    await share(stack, "rules")
    async with under_load(sender, watch, 500) as load:
        for number in (100, 300):
            await until_sent(load, number)
            stack.pause("rules")
            await asyncio.sleep(FENCE_SECONDS * 1.5)  # longer than the fence, shorter than the session
            stack.resume("rules")


async def test_sigterm_in_the_middle_of_a_batch_finishes_it_and_exits_0(
    stack: Stack, sender: InputSender, watch: JournalWatch
) -> None:
    sent = 0

    async def send(number: int) -> None:
        nonlocal sent
        await sender.send(*(sender.case(f"c-{sent + n}", amount="12.00") for n in range(number)))
        sent += number

    await send(FIRST_CASES)
    stack.begin("rules")
    await watch.until(lambda: len(watch.events) > 0, seconds=60.0)
    started = time.monotonic()
    stopping = asyncio.ensure_future(in_thread(stack.stop, "rules"))
    while not stopping.done():  # so there are undecided cases, however fast the worker is
        await send(MORE_CASES)
    assert await stopping == 0
    assert time.monotonic() - started < STOP_WITHIN_SECONDS
    await send(MORE_CASES)
    await watch.to_the_end()
    assert len(watch.events) < sent
    stack.begin("rules")
    await watch.until(lambda: len(watch.events) >= sent, seconds=60.0)
    await watch.to_the_end()
    assert len(watch.events) == sent  # what was decided was committed: nothing came again
    assert "taken_over" not in stack.log("rules").read_text().rsplit('"listening"', 1)[1]
