"""Long work beside the event loop."""

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
    """For a process that decides beside a thread that computes; call it once, at its start.

    Each time the loop wakes up it waits until the thread gives the interpreter back: with Python's 5 ms some
    8 ms late, of the 10 in which a decision is promised, and with half a millisecond 0.8. Without such a
    thread it changes nothing, for nobody waits.
    """
    sys.setswitchinterval(SWITCH_SECONDS)


async def in_thread(work: Callable[[], T]) -> T:
    """What `work()` returns or raises, while the loop goes on.

    Nobody waits for the thread when this is cancelled or the process ends: those of `asyncio.to_thread` are
    waited for at the end, which would keep a service from stopping in time.
    """
    future: Future[T] = Future()
    threading.Thread(target=_run, args=(work, future), name="in_thread", daemon=True).start()
    return await asyncio.wrap_future(future)


def _run(work: Callable[[], T], future: Future[T]) -> None:
    future.set_running_or_notify_cancel()
    try:
        future.set_result(work())
    except Exception as error:  # noqa: BLE001 - not handled here: raised again where it is awaited
        future.set_exception(error)
