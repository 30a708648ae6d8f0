"""Runs the main coroutine of a service: signals, exit codes, and a limit on the time that stopping takes."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any, Final

from services.chassis.process.errors import ConfigurationError
from services.chassis.process.garbage_collection import raise_thresholds
from services.chassis.process.log import configure, log
from services.chassis.process.settings import LogSettings

STOP_SECONDS: Final = 8.5
"""From the signal on; then the process exits, even if it is not done."""


class Stop:
    """Tells main to stop: after a signal, or after a bug that was reported with `fail`."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self._bug: BaseException | None = None
        self.reached = False

    def ask(self) -> None:
        """A signal came: finish the current batch and stop."""
        self.asked.set()

    def fail(self, bug: BaseException) -> None:
        """Report a bug: stop, with exit code 1. Pass this to Subscription as `on_bug`."""
        self._bug = self._bug or bug
        self.asked.set()

    @property
    def bug(self) -> BaseException | None:
        """The first bug that was reported."""
        return self._bug

    async def wait(self) -> None:
        """Returns when the service should stop. Before main waits here, a signal cancels it."""
        self.reached = True
        await self.asked.wait()


Main = Callable[[Stop], Coroutine[Any, Any, None]]


def run(service: str, main: Main) -> None:
    """Runs `main(stop)` until it returns, and exits: 0 after a signal, 1 after a bug, 2 for wrong settings.

    `main` opens its clients in an AsyncExitStack, awaits `stop.wait()`, and returns; the stack closes them in
    reverse order.
    """
    sys.exit(exit_code(service, main))


def exit_code(service: str, main: Main) -> int:
    """Like `run`, but returns the exit code."""
    try:
        configure(service, LogSettings().log_level)
        raise_thresholds()
        return asyncio.run(_until_stopped(main))
    except ConfigurationError as error:
        return _refuse(service, str(error))


def _refuse(service: str, text: str) -> int:
    sys.stderr.write(f"{service}: {text}\n")
    return 2


async def _until_stopped(main: Main) -> int:
    stop, loop = Stop(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.ask)
    task = asyncio.create_task(main(stop), name="main")
    stopping = asyncio.create_task(stop.asked.wait(), name="stop")
    await asyncio.wait([task, stopping], return_when=asyncio.FIRST_COMPLETED)
    log.info("stopping")
    stopping.cancel()
    if not stop.reached:
        task.cancel()
    _, pending = await asyncio.wait([task], timeout=STOP_SECONDS)
    if pending:
        log.error("stopped_too_slowly", seconds=STOP_SECONDS)
        sys.stdout.flush()
        os._exit(1 if stop.bug is not None else 3)
    return _code_of(task, stop)


def _code_of(task: asyncio.Task[None], stop: Stop) -> int:
    error = None if task.cancelled() else task.exception()  # cancelled: it was stopped before it had started
    if isinstance(error, ConfigurationError):
        raise error
    bug = error or stop.bug
    if bug is not None:
        log.error("stopped_by_a_bug", exc_info=bug)
        return 1
    log.info("stopped")
    return 0
