"""Ends the processes of a stack when the process that started it ends, however that ends.

A guardian is a small process of its own. It waits until the pipe from its starter is closed, which the kernel
does also for a starter that was killed, and then kills what was started in the state directory.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from deploy.local.process import Process


@contextmanager
def guarded(state: Path) -> Iterator[None]:
    """Nothing that is started in this state directory outlives the block, nor this process."""
    guardian = subprocess.Popen(  # noqa: S603 - this module
        [sys.executable, "-m", __name__, str(state.absolute())],
        stdin=subprocess.PIPE,
        start_new_session=True,  # so that Ctrl-C in the terminal does not reach it
    )
    try:
        yield
    finally:
        guardian.communicate()


def recorded(state: Path) -> list[Process]:
    """Every process of a state directory that was started and not stopped."""
    return [Process(file.stem, state) for file in sorted((state / "processes").glob("*.json"))]


if __name__ == "__main__":
    sys.stdin.buffer.read()
    for process in recorded(Path(sys.argv[1])):
        if (running := process.running()) is not None:
            with suppress(ProcessLookupError):  # has ended meanwhile
                os.killpg(running.pid, signal.SIGKILL)
