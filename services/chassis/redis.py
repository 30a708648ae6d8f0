"""Redis for every service: a client that repeats nothing, temporary errors, and scripts with a nonce."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from typing import Final

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    ConnectionError,  # noqa: A004 - this module means the one of redis-py
    MasterDownError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
    TimeoutError,  # noqa: A004 - this module means the one of redis-py
)

from services.chassis.process.errors import TryAgain

CALL_TIMEOUT_SECONDS: Final = 3.0

_AWAY: Final = (ConnectionError, TimeoutError, OutOfMemoryError, ReadOnlyError, MasterDownError)
"""ConnectionError includes BusyLoadingError and a wrong password."""
_BUSY: Final = re.compile(r"(?:^|error: \W*)(MISCONF|BUSY|NOREPLICAS) ")
"""The disk is full, a script runs, or too few replicas follow: redis-py has no class for these.

In a pipeline, redis-py puts words before the message.
"""
_EMPTY: Final = "local NONCE = ''"


def connect(url: str, timeout_seconds: float = CALL_TIMEOUT_SECONDS) -> Redis:
    """A client that repeats no call. It connects when it is first used.

    By default redis-py 8 repeats a call ten times, and so may apply a script twice.
    """
    client: Redis = Redis.from_url(
        url,
        protocol=2,
        retry=Retry(NoBackoff(), 0),
        socket_timeout=timeout_seconds,
        socket_connect_timeout=timeout_seconds,
    )
    return client


@contextmanager
def answering(who: str) -> Iterator[None]:
    """Turns errors of a Redis that is away or busy into TryAgain: the call may or may not have been applied.

    Other errors pass through: NoScriptError means something else to each service, and the rest are bugs.
    """
    try:
        yield
    except _AWAY as error:
        said = type(error).__name__ if isinstance(error, ResponseError) else str(error)
        raise TryAgain(f"{who} did not answer: {said}") from error
    except ResponseError as error:
        busy = _BUSY.search(str(error))
        if busy is None:
            raise
        raise TryAgain(f"{who} did not answer: {busy[1]}") from error


def script_with(nonce: str, package: str, name: str) -> str:
    """The text of a script with this nonce in its second line, which has to be `local NONCE = ''`."""
    if nonce and not nonce.isalnum():
        raise ValueError(f"a nonce must be letters and digits, got {nonce!r}")
    first, second, rest = files(package).joinpath(name).read_text("utf-8").split("\n", 2)
    if second != _EMPTY:
        raise ValueError(f"the second line of {name} must be {_EMPTY!r}")
    return f"{first}\nlocal NONCE = '{nonce}'\n{rest}"
