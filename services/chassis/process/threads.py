"""Long computations in a thread beside the event loop."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Final, TypeVar

T = TypeVar("T")
SWITCH_SECONDS: Final = 0.0005


def shorten_switch_interval() -> None:
    """Call it once, at the start of a process in which a thread computes beside the event loop.

    Whenever the loop wakes up, it waits until the thread releases the interpreter. With Python's default of
    5 ms it wakes up about 8 ms late, of the 10 ms that are promised for a decision; with half a millisecond,
    0.8 ms. Without such a thread it changes nothing.
    """
    sys.setswitchinterval(SWITCH_SECONDS)


async def in_thread(work: Callable[[], T]) -> T:
    """Runs `work()` in a thread while the loop goes on; returns or raises what it does.

    When this is cancelled or the process ends, the thread is abandoned. Python waits for threads of
    `asyncio.to_thread` before it exits, so a service could not stop in time.
    """
    future: Future[T] = Future()
    threading.Thread(target=_run, args=(work, future), name="in_thread", daemon=True).start()
    return await asyncio.wrap_future(future)


def _run(work: Callable[[], T], future: Future[T]) -> None:
    future.set_running_or_notify_cancel()
    try:
        future.set_result(work())
    except Exception as error:  # noqa: BLE001 - raised again where it is awaited
        future.set_exception(error)
