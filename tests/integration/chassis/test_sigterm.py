from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from tests.integration.chassis.conftest import Rig

SERVICE = """
import asyncio, os, sys
from contextlib import AsyncExitStack
from services.chassis.kafka.dead_letters import DeadLetters
from services.chassis.http.server import Health, create_app, serving
from services.chassis.process.metrics import Metrics
from services.chassis.kafka.producer import Producer
from services.chassis.process.run import run
from services.chassis.kafka.subscriber import Subscription

bootstrap, topic, group = sys.argv[1:]

def say(*words):
    print(*words, flush=True)

async def slow(records):
    say("batch", len(records))
    await asyncio.sleep(float(os.environ["BATCH_SECONDS"]))
    say("handled", len(records))

async def revoked(partitions):
    say("revoked")

async def main(stop):
    metrics, health = Metrics(), Health()
    async with AsyncExitStack() as stack:
        stack.callback(say, "closed-last")
        producer = Producer(bootstrap, client_id="t", metrics=metrics)
        await producer.start()
        stack.push_async_callback(producer.stop)
        subscription = Subscription(topic, bootstrap=bootstrap, group=group, handler=slow, on_revoked=revoked,
            dead_letters=DeadLetters(producer, "t"), metrics=metrics, on_bug=stop.fail)
        await stack.enter_async_context(subscription)
        app = create_app("t", health=health, metrics=metrics)
        @app.get("/slow")
        async def answer() -> str:
            say("asked")
            await asyncio.sleep(1.0)
            return "answered"
        port = await stack.enter_async_context(serving(app, "127.0.0.1", 0, health))
        say("port", port)
        await stop.wait()

run("t", main)
"""


class Running:
    """A service in a process of its own, with the lines that it prints."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.said: list[str] = []

    async def says(self, word: str) -> str:
        """Waits for a line that begins with a word."""
        assert self.process.stdout is not None
        async with asyncio.timeout(20):
            while True:
                line = (await self.process.stdout.readline()).decode().strip()
                assert line or not self.process.stdout.at_eof(), f"{word} never came: {self.said}"
                self.said.append(line)
                if line.startswith(word):
                    return line

    async def ends(self) -> int:
        """Waits for its exit code."""
        assert self.process.stdout is not None
        rest = (await self.process.stdout.read()).decode()
        self.said += rest.splitlines()
        return await self.process.wait()


@asynccontextmanager
async def running(
    bootstrap: str, topic: str, group: str, batch_seconds: float = 1.5
) -> AsyncIterator[Running]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVICE, bootstrap, topic, group,
        stdout=asyncio.subprocess.PIPE, env=os.environ | {"BATCH_SECONDS": str(batch_seconds)},
    )  # fmt: skip
    try:
        yield Running(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_sigterm_finishes_the_batch_and_running_requests_and_exits_0(rig: Rig) -> None:
    topic = await rig.topic(partitions=1)
    await rig.put(topic, *[b"x"] * 7)
    async with running(rig.bootstrap, topic, rig.group) as service, httpx.AsyncClient(timeout=10) as client:
        port = (await service.says("port")).split()[1]
        asking = asyncio.create_task(client.get(f"http://127.0.0.1:{port}/slow"))
        await service.says("batch")
        if "asked" not in service.said:
            await service.says("asked")
        started = time.monotonic()
        service.process.terminate()
        assert (await asking).json() == "answered"
        assert await service.ends() == 0
        assert time.monotonic() - started < 10
        order = [line for line in service.said if line.startswith(("handled", "revoked", "closed-last"))]
        assert order == ["handled 7", "revoked", "closed-last"]
    assert await rig.committed(topic) == 7


async def test_sigterm_abandons_a_batch_that_does_not_end_and_another_handles_it(rig: Rig) -> None:
    topic = await rig.topic(partitions=1)
    await rig.put(topic, b"1")
    async with running(rig.bootstrap, topic, rig.group, batch_seconds=60) as service:
        await service.says("batch")
        started = time.monotonic()
        service.process.terminate()
        assert await service.ends() == 0
        assert time.monotonic() - started < 10
    assert await rig.committed(topic) is None
    await rig.subscribe(topic)
    while rig.values != [b"1"]:
        assert time.monotonic() - started < 25
        await asyncio.sleep(0.05)


async def test_after_a_kill_another_service_handles_the_batch(rig: Rig) -> None:
    topic = await rig.topic(partitions=1)
    await rig.put(topic, b"1", b"2")
    async with running(rig.bootstrap, topic, rig.group) as service:
        await service.says("batch")
        service.process.kill()
        await service.process.wait()
    assert await rig.committed(topic) is None
    await rig.subscribe(topic)
    started = time.monotonic()
    while rig.values != [b"1", b"2"]:
        assert time.monotonic() - started < 25
        await asyncio.sleep(0.05)
