"""The script of the ledger, its names in Redis, and what its failures mean."""

from __future__ import annotations

from functools import cache
from hashlib import sha1
from typing import Any, Final

import msgpack
from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from services.chassis.redis import answering, script_with
from services.rules.adapters.protocol import Argument

PREFIX: Final = "{L0}"
LEDGER: Final = "the ledger"


class Cold(Exception):  # noqa: N818 - a word of the protocol: an answer, which leads to Cold start
    """Redis does not hold this epoch (any more): forget what is not acknowledged, then Cold start."""


@cache
def text(nonce: str) -> str:
    """The script of an epoch: the nonce stands in its second line."""
    return script_with(nonce, "services.rules.adapters", "ledger.lua")


@cache
def sha(nonce: str) -> str:
    """The name under which Redis knows the script of an epoch, if it is loaded."""
    return sha1(text(nonce).encode(), usedforsecurity=False).hexdigest()


async def run(redis: Redis, prefix: str, command: str, script: str, arguments: list[Argument]) -> Any:
    """EVALSHA or EVAL, once. Raises Cold on NOSCRIPT, TryAgain when the answer did not come."""
    client: Any = redis  # redis-py types its commands for both kinds of client at once
    packed = msgpack.packb(arguments, use_bin_type=False)
    try:
        with answering(LEDGER):
            return await client.execute_command(command, script, 1, f"{prefix}:meta", packed)
    except NoScriptError as error:
        raise Cold("Redis does not have the script of this epoch") from error
