"""A part of the stack: one process, with its ports, its command and a check whether it is ready."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import psutil

from deploy.local.problems import StackError
from deploy.local.process import Process
from deploy.local.settings import HOST, setting_of

Environment = Mapping[str, str]


@dataclass
class StackPart:
    """`command` and `environment` are called when the part starts: they write files, and may download."""

    process: Process
    ports: Mapping[str, int]
    command: Callable[[], list[str]]
    environment: Callable[[], Environment]
    ready: Callable[[], bool]
    ready_seconds: float
    grace_seconds: float
    extra: dict[str, str] = field(default_factory=dict)
    """Added to `environment`, for one start (a failpoint, a log level)."""

    @property
    def name(self) -> str:
        """The name that `mandaat local status` shows."""
        return self.process.name

    def running(self) -> bool:
        """Whether its process runs, ready or not."""
        return self.process.running() is not None

    def check_ports(self) -> None:
        """Raises StackError when it does not run, and another process has a port that it needs."""
        if not self.running():
            for name, port in self.ports.items():
                _refuse_taken(self.name, name, port)

    def begin(self) -> bool:
        """Starts it without waiting. False if it runs already. Raises StackError when a port is taken."""
        if self.running():
            self.resume()
            return False
        self.check_ports()
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", **self.environment(), **self.extra}
        self.process.spawn(self.command(), environment, self.ports)
        return True

    def wait_ready(self) -> None:
        """Returns when it is ready. Otherwise raises StartError with the end of its log."""
        self.process.wait_until(self.ready, self.ready_seconds)

    def stop(self) -> int | None:
        """SIGTERM, and later SIGKILL. Returns its exit code, if this process started it."""
        return self.process.stop(self.grace_seconds)

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()

    def pause(self) -> None:
        """SIGSTOP: it does nothing, and keeps its memory and connections. Returns when all threads stand."""
        self.process.pause()

    def resume(self) -> None:
        """SIGCONT."""
        self.process.signal(signal.SIGCONT)


def listening(port: int) -> bool:
    """Whether a process listens on this port."""
    try:
        with socket.create_connection((HOST, port), timeout=1):
            return True
    except OSError:
        return False


def _refuse_taken(part: str, port_name: str, port: int) -> None:
    try:
        with socket.create_server((HOST, port)):
            return
    except OSError:
        pass
    raise StackError(
        f"port {port}, for {part}, is taken{_by_whom(port)}: "
        f"stop that process, or set {setting_of(port_name)} to another port"
    )


def _by_whom(port: int) -> str:
    """The process on a port, if this user may see it."""
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.laddr and connection.laddr[1] == port and connection.pid and not connection.raddr:
                return f" by {psutil.Process(connection.pid).name()} (process {connection.pid})"
    except psutil.Error:
        return ""
    return ""
