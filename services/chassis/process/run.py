"""Runs a service's main coroutine: signals, exit codes, and a bound on how long the end may take."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any, Final

from pydantic import ValidationError

from services.chassis.process.errors import ConfigurationError
from services.chassis.process.garbage_collection import raise_thresholds
from services.chassis.process.log import configure, log
from services.chassis.process.settings import LogSettings

STOP_SECONDS: Final = 8.5
"""After this the process ends, finished or not."""


class Stop:
    """Why the service ends: a signal, or a bug that somebody reported with `fail`."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self._bug: BaseException | None = None
        self.reached = False

    def ask(self) -> None:
        """A signal came: finish the batch in hand and end."""
        self.asked.set()

    def fail(self, bug: BaseException) -> None:
        """A bug: end, with exit code 1. Give it to Subscription as `on_bug`."""
        self._bug = self._bug or bug
        self.asked.set()

    @property
    def bug(self) -> BaseException | None:
        """The first bug that was reported."""
        return self._bug

    async def wait(self) -> None:
        """Returns when the service should end. Until a main gets here, a signal cancels it."""
        self.reached = True
        await self.asked.wait()


Main = Callable[[Stop], Coroutine[Any, Any, None]]


def run(service: str, main: Main) -> None:
    """Runs `main(stop)` until it returns and exits: 0 after a signal, 1 after a bug, 2 for settings.

    `main` opens its clients in an AsyncExitStack, then awaits `stop.wait()`, then returns; the stack closes
    them in reverse order.
    """
    sys.exit(exit_code(service, main))


def exit_code(service: str, main: Main) -> int:
    """As `run`, but gives the exit code."""
    try:
        configure(service, LogSettings().log_level)
        raise_thresholds()
        return asyncio.run(_until_stopped(main))
    except ConfigurationError as error:
        return _refuse(service, str(error))
    except ValidationError as error:
        flaws = error.errors(include_input=False, include_url=False)
        named = ("MANDAAT_" + "_".join(map(str, flaw["loc"])).upper() + ": " + flaw["msg"] for flaw in flaws)
        if not error.title.endswith("Settings"):
            raise
        return _refuse(service, "; ".join(named))


def _refuse(service: str, text: str) -> int:
    sys.stderr.write(f"{service}: {text}\n")
    return 2


async def _until_stopped(main: Main) -> int:
    stop, loop = Stop(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.ask)
    task = asyncio.create_task(main(stop), name="main")
    bell = asyncio.create_task(stop.asked.wait(), name="stop")
    await asyncio.wait([task, bell], return_when=asyncio.FIRST_COMPLETED)
    log.info("stopping")
    bell.cancel()
    if not stop.reached:
        task.cancel()
    _, pending = await asyncio.wait([task], timeout=STOP_SECONDS)
    if pending:
        log.error("stopped_too_slowly", seconds=STOP_SECONDS)
        sys.stdout.flush()
        os._exit(1 if stop.bug is not None else 3)
    return _code_of(task, stop)


def _code_of(task: asyncio.Task[None], stop: Stop) -> int:
    error = None if task.cancelled() else task.exception()  # cancelled: stopped before it had started
    if isinstance(error, ConfigurationError | ValidationError):
        raise error
    bug = error or stop.bug
    if bug is not None:
        log.error("stopped_by_a_bug", exc_info=bug)
        return 1
    log.info("stopped")
    return 0
