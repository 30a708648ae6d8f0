"""The bearer keys of callers. Only the sha256 of a key is stored.

MANDAAT_KEYS_FILE holds one JSON object on each line:
`{"sha256": "<64 hex>", "tenant": "acme", "scopes": ["submit"]}`. The file is read again when it changes.
When it is empty or removed, no key is valid any more. When it has a mistake, the former keys stay valid, and
the log says so. The file must not be writable by others. If others can read it, that is only logged, since
the digest of a random key is of no use to them.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import stat
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from services.chassis.http.problems import HttpProblem
from services.chassis.process.errors import ConfigurationError
from services.chassis.process.log import log

Scope = Literal["submit", "reply", "read", "backfill"]
LOOK_AGAIN_SECONDS: Final = 2.0


@dataclass(frozen=True)
class Caller:
    """The tenant of a key, and what the key may do."""

    tenant: str
    scopes: frozenset[str]


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    sha256: Annotated[str, Field(pattern="^[0-9a-fA-F]{64}$")]
    tenant: Annotated[str, Field(pattern="^[a-z0-9][a-z0-9_-]*$", max_length=200)]
    scopes: Annotated[list[Scope], Field(min_length=1)]


_ABSENT: Final = (0, 0)
_LINE: Final = TypeAdapter(_Line)


def digest_of(key: str) -> str:
    """The digest of a key, as the file holds it."""
    return hashlib.sha256(key.encode()).hexdigest()


class Keys:
    """The keys of a file."""

    def __init__(self, path: Path, callers: dict[str, Caller], changed: tuple[int, int]) -> None:
        self._path = path
        self._callers = callers
        self._changed = changed
        self._looked = time.monotonic()

    @classmethod
    def load(cls, path: Path) -> Keys:
        """Reads the file. Raises ConfigurationError with the file and line of a mistake."""
        callers, changed = _read(path)
        if not callers:
            problem = "does not exist" if changed == _ABSENT else "has no keys"
            raise ConfigurationError(f"MANDAAT_KEYS_FILE {path} {problem}")
        return cls(path, callers, changed)

    def check(self, authorization: str | None, scope: Scope) -> Caller:
        """The caller with this header. Raises HttpProblem: 401 for an unknown key, 403 without the scope."""
        self._look_again()
        kind, _, key = (authorization or "").partition(" ")
        caller = self._find(key.strip()) if kind.lower() == "bearer" else None
        if caller is None:
            error = ', error="invalid_token"' if authorization else ""
            raise HttpProblem(
                401,
                "unauthorized",
                "Send a key: Authorization: Bearer KEY." if not authorization else "This key is unknown.",
                headers={"WWW-Authenticate": f'Bearer realm="mandaat"{error}'},
            )
        if scope not in caller.scopes:
            raise HttpProblem(
                403,
                "forbidden",
                f"This key does not have the scope {scope}.",
                headers={
                    "WWW-Authenticate": f'Bearer realm="mandaat", error="insufficient_scope", scope="{scope}"'
                },
            )
        return caller

    def ready(self) -> str | None:
        """The text for /readyz if something is wrong, else None."""
        self._look_again()
        return None if self._callers else "no key is known"

    def _find(self, key: str) -> Caller | None:
        presented = digest_of(key)
        found = None
        for known, caller in self._callers.items():  # always all of them, so that the time tells nothing
            if hmac.compare_digest(known, presented):
                found = caller
        return found

    def _look_again(self) -> None:
        now = time.monotonic()
        if now - self._looked < LOOK_AGAIN_SECONDS:
            return
        self._looked = now
        try:
            if _stamp(self._path) == self._changed:
                return
            self._callers, self._changed = _read(self._path)
        except (ConfigurationError, OSError) as error:
            log.error("keys_not_read_again", error=type(error).__name__, path=str(self._path))
            return
        if self._callers:
            log.info("keys_read_again", number=len(self._callers))
        else:
            log.error("no_key_is_known", path=str(self._path))


def _stamp(path: Path) -> tuple[int, int]:
    """Changes whenever the file does; _ABSENT without a file."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return _ABSENT
    return status.st_mtime_ns, status.st_size


def _read(path: Path) -> tuple[dict[str, Caller], tuple[int, int]]:
    if _stamp(path) == _ABSENT:
        return {}, _ABSENT
    try:
        changed, mode = _stamp(path), path.stat().st_mode
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"MANDAAT_KEYS_FILE {path} cannot be read: {error}") from error
    if mode & (stat.S_IWGRP | stat.S_IWOTH) and os.name == "posix":
        raise ConfigurationError(f"MANDAAT_KEYS_FILE {path} can be written by others; chmod 600 {path}")
    if mode & stat.S_IROTH:
        log.warning("keys_file_readable_by_all", path=str(path))
    callers: dict[str, Caller] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            digest, caller = _parse(path, number, line)
            if digest in callers:
                raise ConfigurationError(f"MANDAAT_KEYS_FILE {path}, line {number}: this key appears twice")
            callers[digest] = caller
    return callers, changed


def _parse(path: Path, number: int, line: str) -> tuple[str, Caller]:
    try:
        read = _LINE.validate_json(line)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        problem = f"{where}: {first['msg']}" if where else first["msg"]
        raise ConfigurationError(f"MANDAAT_KEYS_FILE {path}, line {number}: {problem}") from error
    return read.sha256.lower(), Caller(read.tenant, frozenset(read.scopes))
