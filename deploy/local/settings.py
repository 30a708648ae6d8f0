"""Ports and folders of the local stack, from the environment."""

from __future__ import annotations

import os
import random
import socket
import tempfile
from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from deploy.local.problems import StackError
from services.chassis.process.settings import Settings

HOST = "127.0.0.1"
"""The whole local stack listens on this address only."""

Port = Annotated[int, Field(ge=1, le=65535)]


class Ports(Settings):
    """The port of each part. Not the usual ones, so that another Kafka or Redis can run on this machine."""

    model_config = SettingsConfigDict(env_prefix="MANDAAT_LOCAL_")
    kafka_port: Port = 17092
    controller_port: Port = 17093
    redis_port: Port = 17379
    smtp_port: Port = 17025
    webhook_port: Port = 17083
    intake_port: Port = 17080
    rules_port: Port = 17081
    notifier_port: Port = 17082


def setting_of(port_name: str) -> str:
    """The environment variable of a port: MANDAAT_LOCAL_KAFKA_PORT for `kafka_port`."""
    return f"MANDAAT_LOCAL_{port_name.upper()}"


def free_ports() -> Ports:
    """Ports that are free now, for tests and for a second stack.

    The kernel is not asked for free ports: its range is also that of outgoing connections. A client that
    tries again and again to reach a stopped server in that range would at some time connect to itself.
    """
    found: dict[str, int] = {}
    for port in random.sample(range(20_000, 30_000), 1_000):
        if len(found) == len(Ports.model_fields):
            break
        if _free(port):
            found[tuple(Ports.model_fields)[len(found)]] = port
    return Ports.model_validate(found)


def _free(port: int) -> bool:
    try:
        with socket.create_server((HOST, port)):
            return True
    except OSError:
        return False


def state_dir() -> Path:
    """The folder of data, logs and process ids: MANDAAT_STATE_DIR, else .mandaat in the working directory."""
    return Path(os.environ.get("MANDAAT_STATE_DIR") or ".mandaat").absolute()


def cache_dir() -> Path:
    """The folder of downloads, which all stacks of this user share.

    MANDAAT_CACHE_DIR, else the user's cache folder (XDG base directory specification), else a folder in the
    state directory. Raises StackError when none of them can be written.
    """
    chosen = os.environ.get("MANDAAT_CACHE_DIR")
    places = [Path(chosen).absolute()] if chosen else [*_user_caches(), state_dir() / "cache"]
    for place in places:
        if _writable(place):
            return place
    tried = ", ".join(map(str, places))
    raise StackError(f"no cache folder can be written (tried {tried}); set MANDAAT_CACHE_DIR to one that can")


def _user_caches() -> list[Path]:
    xdg, home = os.environ.get("XDG_CACHE_HOME"), os.environ.get("HOME")
    roots = [Path(xdg)] if xdg else [Path(home) / ".cache"] if home else []
    return [root / "mandaat" for root in roots if root.is_absolute()]


def _writable(place: Path) -> bool:
    try:
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=place):
            return True
    except OSError:
        return False
