"""A process of the stack. A file in the state directory lets later commands find it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic, sleep

import psutil

from deploy.local.problems import StartError

POLL_SECONDS = 0.05
PAUSE_SECONDS = 10.0
SAME_MOMENT_SECONDS = 2.0
"""Clock adjustments shift the creation time of a process a little. A reused process id is much younger."""
LOG_LIMIT_BYTES = 16 * 1024 * 1024
TAIL_LINES = 30


@dataclass(frozen=True)
class Started:
    """A start, as recorded: process id, time of creation (seconds since 1970), ports by name."""

    pid: int
    created: float
    ports: dict[str, int]


@dataclass(frozen=True)
class Process:
    """A named process. Its record is `<state>/processes/<name>.json`, its log `<state>/logs/<name>.log`."""

    name: str
    state: Path

    @property
    def log(self) -> Path:
        """Its standard output and standard error; restarts append to it."""
        return self.state / "logs" / f"{self.name}.log"

    @property
    def _record(self) -> Path:
        return self.state / "processes" / f"{self.name}.json"

    def running(self) -> psutil.Process | None:
        """The process, if it runs and is the recorded one: same id, same time of creation."""
        record = self.recorded()
        if record is None:
            return None
        try:
            found = psutil.Process(record.pid)
            ours = abs(found.create_time() - record.created) < SAME_MOMENT_SECONDS
            return found if ours and found.status() != psutil.STATUS_ZOMBIE else None
        except psutil.Error:
            return None

    def recorded(self) -> Started | None:
        """The record of its last start, if there is one."""
        try:
            return Started(**json.loads(self._record.read_text(encoding="utf-8")))
        except (FileNotFoundError, json.JSONDecodeError, TypeError):
            return None

    def spawn(self, command: Sequence[str], environment: Mapping[str, str], ports: Mapping[str, int]) -> None:
        """Starts it in a session of its own, so that it does not get Ctrl-C from the terminal."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._record.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > LOG_LIMIT_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        with self.log.open("ab") as log:
            child = subprocess.Popen(  # noqa: S603 - the command is made by the stack
                list(command),
                env=dict(environment),
                cwd=self.state,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        child.returncode = 0  # psutil waits for it instead, here or in a later command
        created = psutil.Process(child.pid).create_time()
        part = self._record.with_suffix(".part")
        record = Started(child.pid, created, dict(ports))
        part.write_text(json.dumps(asdict(record)), encoding="utf-8")
        part.replace(self._record)

    def wait_until(self, ready: Callable[[], bool], timeout_seconds: float) -> None:
        """Returns when `ready()` is true. Raises StartError if the process ends first, or is too slow."""
        deadline = monotonic() + timeout_seconds
        while True:
            if self.running() is None:
                raise StartError(f"{self.name} stopped while starting (log: {self.log})", self.tail())
            if ready():
                return
            if monotonic() > deadline:
                raise StartError(
                    f"{self.name} was not ready within {timeout_seconds:.0f} s (log: {self.log})", self.tail()
                )
            sleep(POLL_SECONDS)

    def stop(self, grace_seconds: float) -> int | None:
        """SIGTERM, and after `grace_seconds` SIGKILL to its whole session.

        Returns its exit code if this process started it, else None.
        """
        found, code = self.running(), None
        if found is not None:
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGTERM)
            try:
                code = found.wait(grace_seconds)
            except psutil.TimeoutExpired:
                self.kill()
                code = -signal.SIGKILL
        self._record.unlink(missing_ok=True)
        return code

    def kill(self) -> None:
        """SIGKILL to the process and all that it started. Returns when it has ended."""
        found = self.running()
        if found is None:
            return
        try:
            os.killpg(found.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        found.wait(10)

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal, if it runs."""
        found = self.running()
        if found is not None:
            found.send_signal(number)

    def pause(self) -> None:
        """SIGSTOP. Returns when every thread has stopped: a busy one still works for a moment."""
        self.signal(signal.SIGSTOP)
        deadline = monotonic() + PAUSE_SECONDS
        while (found := self.running()) is not None and not _all_threads_stopped(found.pid):
            if monotonic() > deadline:
                raise StartError(f"{self.name} did not stop within {PAUSE_SECONDS:.0f} s of SIGSTOP", "")
            sleep(POLL_SECONDS)

    def tail(self) -> str:
        """The last lines of its log."""
        if not self.log.exists():
            return ""
        with self.log.open("rb") as log:
            log.seek(max(0, self.log.stat().st_size - 16 * 1024))
            lines = log.read().decode("utf-8", errors="replace").splitlines()
        return "\n".join(lines[-TAIL_LINES:])


def _all_threads_stopped(pid: int) -> bool:
    """Where the system has no /proc, the process as a whole is looked at."""
    try:
        states = [(task / "stat").read_text().rpartition(")")[2].split()[0] for task in _threads(pid)]
    except OSError:
        return False  # a thread ended meanwhile; look again
    return all(state in "TZX" for state in states) if states else _is_stopped(pid)


def _threads(pid: int) -> list[Path]:
    folder = Path(f"/proc/{pid}/task")
    return list(folder.iterdir()) if folder.exists() else []


def _is_stopped(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_STOPPED
    except psutil.NoSuchProcess:
        return True
