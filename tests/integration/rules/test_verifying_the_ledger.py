"""`mandaat ledger verify` beside a worker that decides."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import redis

from deploy.local.stack import Stack
from tests.integration.rules.input_sender import InputSender
from tests.integration.rules.journal_watch import JournalWatch

COMMAND = [sys.executable, "-c", "from services.cli.app import main; main()", "ledger", "verify"]


def called(stack: Stack, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    settings = os.environ | {
        "MANDAAT_KAFKA_BOOTSTRAP": stack.bootstrap,
        "MANDAAT_REDIS_URL": stack.redis_url,
        **environment,
    }
    return subprocess.run([*COMMAND, *options], capture_output=True, text=True, env=settings, check=False)


async def verified(stack: Stack) -> tuple[int, dict[str, Any]]:
    """The exit code, and what is printed."""
    done = await asyncio.to_thread(called, stack, "--json")
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, json.loads(done.stdout)


@asynccontextmanager
async def deciding(sender: InputSender) -> AsyncIterator[None]:
    """Cases that charge, are withdrawn, wait and are answered; returns when all are decided."""
    stop = asyncio.Event()

    async def send() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            some = [f"busy-{number}-{n}" for n in range(10)]
            await sender.send(*(sender.case(one, amount=f"{15 * n}.00") for n, one in enumerate(some)))
            await sender.send(sender.withdrawal(some[1]), sender.withdrawal(some[8]), sender.verdict(some[9]))

    sending = asyncio.create_task(send())
    try:
        yield
    finally:
        stop.set()
        await sending


async def test_verify_finds_the_ledger_equal_while_a_worker_decides_and_names_changes(
    worker: Stack, sender: InputSender, watch: JournalWatch, ledger_store: redis.Redis
) -> None:
    await sender.send(*(sender.case(f"c-{n}", amount=f"{10 * n}.00") for n in range(12)))
    await sender.send(sender.withdrawal("c-1"), sender.withdrawal("c-11"), sender.withdrawal("c-99"))
    await watch.until(lambda: len({one.event["id"] for one in watch.events}) >= 12 + 7 + 3 + 1)
    async with deciding(sender):
        code, said = await verified(worker)
    assert (code, said["equal"], said["differences"]) == (0, True, 0)
    assert all(said["compared"][what] > 0 for what in ("requests", "counters", "states"))

    store: Any = ledger_store
    key = min(key for key in store.scan_iter("{L0}:b:*") if sender.tenant in key.decode())
    field = min(store.hgetall(key))
    store.hincrby(key, field, 5)
    code, said = await verified(worker)
    (found,) = said["examples"]
    assert (code, said["differences"], found["key"]) == (1, 1, key.decode().removeprefix("{L0}:"))
    assert int(found["ledger"]) == int(found["journal"]) + 5
    done = await asyncio.to_thread(called, worker)
    assert done.returncode == 1, done.stderr
    assert f"{found['key']} {field.decode()}: the ledger has " in done.stdout
    store.hincrby(key, field, -5)
    assert (await verified(worker))[0] == 0


async def test_verify_says_in_one_line_why_it_cannot_compare(running: Stack) -> None:
    done = await asyncio.to_thread(called, running, MANDAAT_REDIS_URL="redis://127.0.0.1:1/0")
    assert (done.returncode, done.stdout) == (2, "")
    assert "the ledger did not answer" in done.stderr
    assert "Traceback" not in done.stderr
