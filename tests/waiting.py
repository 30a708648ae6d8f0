"""Waiting for a condition with a deadline. Tests wait in no other way."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

POLL_SECONDS = 0.05
Found = TypeVar("Found")


def wait_until(condition: Callable[[], Found], *, seconds: float = 10.0, what: str = "") -> Found:
    """Return the first true value of `condition()`; fail the test if there is none within `seconds`."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what or condition}"
        time.sleep(POLL_SECONDS)
    return found


async def eventually(condition: Callable[[], Any], *, seconds: float = 10.0, what: str = "") -> Any:
    """The same in a running event loop; `condition` may be a coroutine function."""
    deadline = time.monotonic() + seconds
    while True:
        answer = condition()
        found = await answer if isinstance(answer, Awaitable) else answer
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {seconds} s: {what or condition}"
        await asyncio.sleep(POLL_SECONDS)
