"""A part of the stack: one process with its ports, its command, and how one sees that it is ready."""

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
class Part:
    """`command` and `environment` are asked when it starts, not before: they prepare files, and may fetch."""

    process: Process
    ports: Mapping[str, int]
    command: Callable[[], list[str]]
    environment: Callable[[], Environment]
    ready: Callable[[], bool]
    ready_seconds: float
    grace_seconds: float
    extra: dict[str, str] = field(default_factory=dict)
    """Set on top of `environment`, for one start (a failpoint, a log level)."""

    @property
    def name(self) -> str:
        """As in `mandaat local status`."""
        return self.process.name

    def running(self) -> bool:
        """Whether our process runs, ready or not."""
        return self.process.running() is not None

    def check_ports(self) -> None:
        """Raises StackError when it does not run, and somebody else has a port that it needs."""
        if not self.running():
            for name, port in self.ports.items():
                _refuse_taken(self.name, name, port)

    def begin(self) -> bool:
        """Starts it without waiting; False when it runs already. Raises StackError when a port is taken."""
        if self.running():
            self.resume()
            return False
        self.check_ports()
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", **self.environment(), **self.extra}
        self.process.spawn(self.command(), environment, self.ports)
        return True

    def wait_ready(self) -> None:
        """Returns when it is ready. Raises StartError with the end of its log otherwise."""
        self.process.wait_until(self.ready, self.ready_seconds)

    def stop(self) -> int | None:
        """Asks it to finish, kills it when it does not in time; its exit code where it is our child."""
        return self.process.stop(self.grace_seconds)

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()

    def pause(self) -> None:
        """SIGSTOP: it keeps its memory and connections and does nothing."""
        self.process.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self.process.signal(signal.SIGCONT)


def listening(port: int) -> bool:
    """Whether anybody listens there."""
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
        f"stop that, or set {setting_of(port_name)} to another port"
    )


def _by_whom(port: int) -> str:
    """Not known where the machine does not tell this user."""
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.laddr and connection.laddr[1] == port and connection.pid and not connection.raddr:
                return f" by {psutil.Process(connection.pid).name()} (process {connection.pid})"
    except psutil.Error:
        return ""
    return ""
