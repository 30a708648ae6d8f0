"""Named points at which a test makes a service die or stand still. Off unless the environment sets them.

`MANDAAT_FAILPOINTS=after-settle=stop,after-publish=kill@3` acts once: the first time that the point is
reached, or the n-th time. A service with failpoints starts only when each of its addresses is on this
machine, and goes on only when the brokers that Kafka names are too.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from pydantic import SecretStr
from pydantic_settings import BaseSettings

from services.chassis.process.errors import ConfigurationError
from services.chassis.process.hosts import is_loopback
from services.chassis.process.log import log

SETTING: Final = "MANDAAT_FAILPOINTS"
SENT_SECONDS: Final = 0.2
"""`AFTER_PUBLISH` is reached after so long, when what the producer was given is on its way."""


class Point(StrEnum):
    """Where a service can be made to fail; docs/faults.md has the same list."""

    AFTER_SETTLE = "after-settle"
    """The ledger has settled something new, and nothing is published yet."""
    AFTER_PUBLISH = "after-publish"
    """A round is on its way to the journal, and no acknowledgement was read yet."""
    AFTER_FIRST_BATCH = "after-first-batch"
    """The first record batch of a round is acknowledged, and more are to come."""
    AFTER_ACKNOWLEDGE = "after-acknowledge-before-confirm"
    """The journal has acknowledged a round, and nothing is confirmed or committed yet."""
    BEFORE_RESOLVE = "before-resolve"
    """In a take-over: the journal is read, and nothing is applied to the ledger yet."""
    BEFORE_ACTIVATE = "before-activate"
    """In a cold start: the ledger is rebuilt, and not open yet."""


class Action(StrEnum):
    """The signal that the process sends itself: SIGKILL or SIGSTOP."""

    KILL = "kill"
    STOP = "stop"


class _Armed(NamedTuple):
    action: Action
    left: int
    """How many times the point is still to be reached, the last one included."""


_armed: Final[dict[Point, _Armed]] = {}


def arm(settings: BaseSettings, further: Mapping[str, Iterable[str]] | None = None) -> None:
    """Switch on the failpoints of `settings.failpoints`, if there are any.

    `further`: URLs from files that settings name, by the name of the setting. Raises ConfigurationError when
    the text cannot be read, or an address is not on this machine.
    """
    text: str | None = getattr(settings, "failpoints", None)
    if not text:
        return
    hosts = hosts_of(settings)
    hosts |= {name: [_host_in(url) for url in urls] for name, urls in (further or {}).items()}
    for name, found in hosts.items():
        _must_be_here(name, found)
    _armed.clear()
    _armed.update(read(text))
    log.warning("failpoints_armed", points=text)


def check_brokers(hosts: Iterable[str]) -> None:
    """With failpoints: raise ConfigurationError unless the brokers that Kafka names are on this machine.

    A bootstrap address alone may be a tunnel to another.
    """
    if _armed:
        _must_be_here("the metadata of Kafka", hosts)


def reach(point: Point) -> None:
    """Act on a failpoint that is set here."""
    if _armed:
        _reach(point)


def is_armed(point: Point) -> bool:
    """Whether the point is set and was not acted on yet."""
    return point in _armed


def read(text: str) -> dict[Point, _Armed]:
    """Parse `point=action` or `point=action@n`, separated by commas. Raises ConfigurationError."""
    armed: dict[Point, _Armed] = {}
    for one in text.split(","):
        name, _, what = one.strip().partition("=")
        action, at, number = what.partition("@")
        try:
            if at and int(number) < 1:
                raise ValueError(number)
            armed[Point(name)] = _Armed(Action(action), int(number) if at else 1)
        except ValueError:
            raise ConfigurationError(
                f"{SETTING}: expected point=action or point=action@n, got {one.strip()!r}; points are"
                f" {', '.join(Point)}; actions are {', '.join(Action)}"
            ) from None
    return armed


def hosts_of(settings: BaseSettings) -> dict[str, list[str]]:
    """The hosts in each setting of a service whose name ends in _bootstrap, _host or _url."""
    found: dict[str, list[str]] = {}
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        if text is None:
            continue
        setting = f"MANDAAT_{name.upper()}"
        if name.endswith("_bootstrap"):
            found[setting] = [_host_in(f"kafka://{server.strip()}") for server in text.split(",")]
        elif name.endswith("_host"):
            found[setting] = [text]
        elif name.endswith("_url"):
            found[setting] = [_host_in(text)]
    return found


def _must_be_here(name: str, hosts: Iterable[str]) -> None:
    for host in hosts:
        if not is_loopback(host):
            raise ConfigurationError(
                f"{SETTING} is for tests only: every address must be on this machine, but {name} has {host!r}"
            )


def _host_in(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return "localhost" if parts.scheme == "unix" else parts.hostname or ""


def _reach(point: Point) -> None:
    armed = _armed.pop(point, None)
    if armed is None:
        return
    if armed.left > 1:
        _armed[point] = armed._replace(left=armed.left - 1)
        return
    log.warning("failpoint", point=str(point), action=str(armed.action))
    sys.stdout.flush()
    # To this thread: a signal to the process may reach another thread, and this one would go on for a moment.
    signal.raise_signal(signal.SIGKILL if armed.action is Action.KILL else signal.SIGSTOP)
