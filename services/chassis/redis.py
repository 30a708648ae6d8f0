"""What services know of Redis alike: a client that repeats nothing, what passes, and scripts with a nonce."""

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
    ConnectionError,  # noqa: A004 - Redis' own, and the only one meant in this module
    MasterDownError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
    TimeoutError,  # noqa: A004 - Redis' own, and the only one meant in this module
)

from services.chassis.process.errors import TryAgain

CALL_TIMEOUT_SECONDS: Final = 3.0

_AWAY: Final = (ConnectionError, TimeoutError, OutOfMemoryError, ReadOnlyError, MasterDownError)
"""ConnectionError holds BusyLoadingError and a refused password."""
_BUSY: Final = re.compile(r"(?:^|error: \W*)(MISCONF|BUSY|NOREPLICAS) ")
"""The disk is full, a script runs, or too few replicas follow: no class of redis-py.

In a pipeline, words stand before it.
"""
_EMPTY: Final = "local NONCE = ''"


def connect(url: str, timeout_seconds: float = CALL_TIMEOUT_SECONDS) -> Redis:
    """A client that repeats nothing by itself (redis-py 8 would, ten times, and apply a script twice).

    It connects when it is first used.
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
    """Raises TryAgain where Redis cannot do it now: it was not done, or nobody knows whether it was.

    Such a call is never sent again by itself. Other errors pass through: a script that is not known
    (NoScriptError) means something else to each service, and the rest are bugs.
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
    """The text of a script whose second line is `local NONCE = ''`, with this nonce there."""
    if nonce and not nonce.isalnum():
        raise ValueError(f"a nonce is letters and digits, not {nonce!r}")
    first, second, rest = files(package).joinpath(name).read_text("utf-8").split("\n", 2)
    if second != _EMPTY:
        raise ValueError(f"the second line of {name} is not the nonce")
    return f"{first}\nlocal NONCE = '{nonce}'\n{rest}"
