"""A file that operators change while a service runs: keys, webhooks, senders of mail.

It is read at start, and read again when it changes. A mistake at start stops the service. After a later
mistake the former content stays valid, and the log says so.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Generic, TypeVar

from services.chassis.process.errors import ConfigurationError
from services.chassis.process.log import log

V = TypeVar("V")
_Stamp = tuple[int, int, int, int]

LOOK_AGAIN_SECONDS: Final = 2.0
_ABSENT: Final[_Stamp] = (0, 0, 0, 0)


class WatchedFile(Generic[V]):
    """The newest valid content of a file.

    `parse` makes a value of the text. It raises ValueError with the number of the line, and never repeats a
    secret. `name` begins the names of log events: `<name>_read_again` and `<name>_not_read_again`.
    `holds_secrets`: others must not be able to read it; nobody else may write it in any case.
    `when_removed`: the value after somebody removes the file; without one, that is a mistake like others.
    """

    def __init__(
        self,
        path: Path,
        *,
        name: str,
        setting: str,
        parse: Callable[[str], V],
        holds_secrets: bool = False,
        when_removed: V | None = None,
    ) -> None:
        """Read the file. Raises ConfigurationError with the setting, the file, and what to correct."""
        self._path = path
        self._name = name
        self._parse = parse
        self._holds_secrets = holds_secrets
        self._when_removed = when_removed
        self._looked = time.monotonic()
        self._away: str | None = None
        """Why the file could not be opened when somebody last looked."""
        try:
            self._seen = self._stamp()
            self._value = self._read()
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"{setting} {path}: {_problem(error)}") from error

    def get(self) -> V:
        """The content. At most once in LOOK_AGAIN_SECONDS it looks whether the file has changed."""
        now = time.monotonic()
        if now - self._looked >= LOOK_AGAIN_SECONDS:
            self._looked = now
            self._look_again()
        return self._value

    def _look_again(self) -> None:
        before, self._away = self._away, None
        try:
            stamp = self._stamp()
            if stamp == self._seen:
                return
            if stamp == _ABSENT and self._when_removed is not None:
                self._value = self._when_removed
            else:
                self._value = self._read()
        except OSError as error:  # it may pass without a change of the file, so the next look tries again
            self._away = _problem(error)
            if self._away != before:
                self._log_not_read(self._away)
        except ValueError as error:
            self._seen = stamp  # one message for one mistake
            self._log_not_read(_problem(error))
        else:
            self._seen = stamp
            log.info(f"{self._name}_read_again", path=str(self._path))

    def _log_not_read(self, problem: str) -> None:
        log.error(f"{self._name}_not_read_again", path=str(self._path), problem=problem)

    def _stamp(self) -> _Stamp:
        """Changes whenever the file does, also by a rename; _ABSENT without a file."""
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return _ABSENT
        return status.st_mtime_ns, status.st_size, status.st_ino, status.st_mode

    def _read(self) -> V:
        with self._path.open(encoding="utf-8") as opened:
            status = os.fstat(opened.fileno())
            ours = status.st_uid == os.geteuid()
            if is_open(status.st_mode, ours=ours, holds_secrets=self._holds_secrets):
                verb = "read or write" if self._holds_secrets else "write"
                raise ValueError(f"others can {verb} it; run chmod 600 {self._path}")
            return self._parse(opened.read())


def _problem(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def is_open(mode: int, *, ours: bool, holds_secrets: bool) -> bool:
    """Whether others can write it, or read it where it holds secrets.

    As in OpenSSH, our group may read a file of another user, such as a mounted secret.
    """
    forbidden = stat.S_IWGRP | stat.S_IWOTH
    if holds_secrets:
        forbidden |= stat.S_IRWXO | (stat.S_IRGRP if ours else 0)
    return bool(mode & forbidden)
