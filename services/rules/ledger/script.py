"""The text of the ledger's script, its version, and running it once."""

from __future__ import annotations

import secrets
from functools import cache
from hashlib import sha1
from typing import Any, Final

import msgpack
from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from services.chassis.process.errors import TryAgain
from services.chassis.redis import answering, script_with
from services.rules.ledger.protocol import Argument

PREFIX: Final = "{L0}"
LEDGER_NAME: Final = "the ledger"


VERSION: Final = 3
"""The version of the script. It rises with every change of ledger.lua (docs/decisions/0006).

The nonce of an epoch begins with the version; a nonce without one is of version 1.
"""


class NewerLedger(TryAgain):
    """The epoch is of a newer version of the script; this worker must not touch the ledger."""

    def __init__(self, version: int) -> None:
        super().__init__(
            f"the ledger is of version {version}, this worker of version {VERSION}; start a newer worker"
        )


class Cold(Exception):  # noqa: N818 - an answer of the script; a cold start follows
    """Redis does not have this epoch: forget what is not acknowledged, then start the ledger cold."""


@cache
def text(nonce: str) -> str:
    """The script of an epoch, with the nonce in its second line."""
    return script_with(nonce, "services.rules.ledger", "ledger.lua")


@cache
def sha(nonce: str) -> str:
    """The name under which Redis knows the script of an epoch, if it is loaded."""
    return sha1(text(nonce).encode(), usedforsecurity=False).hexdigest()


def new_nonce() -> str:
    """A nonce for a new epoch of this version."""
    return f"{VERSION}v{secrets.token_hex(8)}"


def version_of(nonce: str) -> int:
    """The version of the script that an epoch was opened with."""
    version, mark, _ = nonce.partition("v")
    return int(version) if mark else 1


async def run(redis: Redis, prefix: str, command: str, script: str, arguments: list[Argument]) -> Any:
    """Run the script once, by EVALSHA or EVAL. Raises Cold on NOSCRIPT, TryAgain when no answer came."""
    client: Any = redis  # redis-py types its commands for both kinds of client at once
    packed = msgpack.packb(arguments, use_bin_type=False)
    try:
        with answering(LEDGER_NAME):
            return await client.execute_command(command, script, 1, f"{prefix}:meta", packed)
    except NoScriptError as error:
        raise Cold("Redis does not have the script of this epoch") from error
