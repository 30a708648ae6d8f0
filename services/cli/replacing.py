"""Changing a file that services read: under a lock, and replaced as a whole."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of a file, so that two commands never lose each other's lines. Waits for its turn."""
    target = path.resolve()
    descriptor = os.open(target.with_name(f".{target.name}.lock"), os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def replace(path: Path, text: str) -> None:
    """Write a file with mode 600, so that a reader sees the old or the new text, and never half of one.

    The owner stays the same where this process may give files away.
    """
    target = path.resolve()
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as opened:
            opened.write(text)
            opened.flush()
            os.fsync(descriptor)
        if target.exists() and os.geteuid() == 0:
            status = target.stat()
            os.chown(name, status.st_uid, status.st_gid)
        Path(name).replace(target)
    finally:
        Path(name).unlink(missing_ok=True)
