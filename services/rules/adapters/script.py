"""The script of the ledger, its names in Redis, and what its failures mean."""

from __future__ import annotations

from functools import cache
from hashlib import sha1
from importlib.resources import files
from typing import Any, Final

import msgpack
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    BusyLoadingError,
    ConnectionError,  # noqa: A004 - Redis' own, and the only one meant in this module
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    TimeoutError,  # noqa: A004 - Redis' own, and the only one meant in this module
)

from services.chassis.errors import TryAgain
from services.rules.adapters.protocol import Argument

PREFIX: Final = "{L0}"
CALL_TIMEOUT_SECONDS: Final = 3.0

AWAY: Final = (ConnectionError, TimeoutError, BusyLoadingError, OutOfMemoryError, ReadOnlyError)
"""Not done, or it is not known whether it was done: such a call is never repeated."""


class Cold(Exception):  # noqa: N818 - a word of the protocol: an answer, which leads to Cold start
    """Redis does not hold this epoch (any more): forget what is not acknowledged, then Cold start."""


def connect(url: str, timeout_seconds: float = CALL_TIMEOUT_SECONDS) -> Redis:
    """A client that repeats nothing by itself (redis-py 8 would, ten times, and apply a script twice)."""
    client: Redis = Redis.from_url(
        url,
        protocol=2,
        retry=Retry(NoBackoff(), 0),
        socket_timeout=timeout_seconds,
        socket_connect_timeout=timeout_seconds,
    )
    return client


@cache
def text(nonce: str) -> str:
    """The script of an epoch: the nonce stands in its second line."""
    if not nonce.isalnum() and nonce:
        raise ValueError(f"a nonce is letters and digits, not {nonce!r}")
    first, second, rest = files(__package__).joinpath("ledger.lua").read_text("utf-8").split("\n", 2)
    if second != "local NONCE = ''":
        raise ValueError("the second line of ledger.lua is not the nonce")
    return f"{first}\nlocal NONCE = '{nonce}'\n{rest}"


@cache
def sha(nonce: str) -> str:
    """The name under which Redis knows the script of an epoch, if it is loaded."""
    return sha1(text(nonce).encode(), usedforsecurity=False).hexdigest()


async def run(redis: Redis, prefix: str, command: str, script: str, arguments: list[Argument]) -> Any:
    """EVALSHA or EVAL, once. Raises Cold on NOSCRIPT, TryAgain when the answer did not come."""
    client: Any = redis  # redis-py types its commands for both kinds of client at once
    packed = msgpack.packb(arguments, use_bin_type=False)
    try:
        return await client.execute_command(command, script, 1, f"{prefix}:meta", packed)
    except NoScriptError as error:
        raise Cold("Redis does not have the script of this epoch") from error
    except AWAY as error:
        raise TryAgain(f"the ledger did not answer: {error}") from error
