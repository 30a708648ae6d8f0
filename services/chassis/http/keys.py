"""The bearer keys of callers (docs/keys.md). Only the sha256 of a key is stored.

MANDAAT_KEYS_FILE holds one JSON object on each line; services.chassis.http.keys_file has its fields. The file
is read again when it changes. When it is empty or removed, no key is valid any more. When it has a mistake,
the former keys stay valid, and the log says so. The file must not be writable by others. Others may read it,
since the digest of a random key is of no use to them.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from schemas.moment import utc_text
from services.chassis.http.keys_file import Caller, KeyLine, Scope, read_keys
from services.chassis.http.problems import HttpProblem
from services.chassis.process.errors import ConfigurationError
from services.chassis.process.log import log
from services.chassis.process.watched_file import WatchedFile

__all__ = ["Caller", "Keys", "Scope", "digest_of"]

WARNED_BEFORE: Final = timedelta(days=14)
"""So long before a key expires, the log begins to say so, once a day."""


def digest_of(key: str) -> str:
    """The digest of a key, as the file holds it."""
    return hashlib.sha256(key.encode()).hexdigest()


def _now() -> datetime:
    return datetime.now(UTC)


class Keys:
    """The keys of a file."""

    def __init__(self, file: WatchedFile[Mapping[str, KeyLine]], now: Callable[[], datetime]) -> None:
        self._file = file
        self._now = now
        self._seen: Mapping[str, KeyLine] | None = None
        self._warned_at: datetime | None = None

    @classmethod
    def load(cls, path: Path, now: Callable[[], datetime] = _now) -> Keys:
        """Reads the file. Raises ConfigurationError with the file and line of a mistake."""
        file: WatchedFile[Mapping[str, KeyLine]] = WatchedFile(
            path, name="keys", setting="MANDAAT_KEYS_FILE", parse=read_keys, when_removed={}
        )
        keys = cls(file, now)
        if not keys._current():
            raise ConfigurationError(f"MANDAAT_KEYS_FILE {path} has no keys")
        return keys

    def check(self, authorization: str | None, scope: Scope) -> Caller:
        """The caller with this header.

        Raises HttpProblem: 401 for an unknown or expired key; 403 without the scope, or for a reply with a
        key that asks only as some agents.
        """
        kind, _, key = (authorization or "").partition(" ")
        caller = self._find(key.strip()) if kind.lower() == "bearer" else None
        if caller is None:
            raise _unauthorized(authorization, "This key is unknown.")
        if caller.expires is not None and caller.expires <= self._now():
            raise _unauthorized(
                authorization, f"This key expired at {utc_text(caller.expires)}. Ask for a new one."
            )
        if scope not in caller.scopes:
            raise _forbidden(scope, f"This key does not have the scope {scope}.")
        if scope == "reply" and caller.agents is not None:
            raise _forbidden(
                scope, "This key is only for requests of its own agents, so it cannot answer approvals."
            )
        return caller

    def ready(self) -> str | None:
        """The text for /readyz if something is wrong, else None."""
        return None if self._current() else "no key is known"

    def _find(self, key: str) -> Caller | None:
        presented = digest_of(key)
        found = None
        for known, line in self._current().items():  # always all of them, so that the time tells nothing
            if hmac.compare_digest(known, presented):
                found = line.caller
        return found

    def _current(self) -> Mapping[str, KeyLine]:
        lines = self._file.get()
        now = self._now()
        if lines is not self._seen:
            if not lines and self._seen is not None:
                log.error("no_key_is_known")
            self._seen, self._warned_at = lines, None
        if self._warned_at is None or now - self._warned_at >= timedelta(days=1):
            self._warned_at = now
            _warn_of_expiry(lines, now)
        return lines


def _warn_of_expiry(lines: Mapping[str, KeyLine], now: datetime) -> None:
    for line in lines.values():
        if line.expires is not None and line.expires - now <= WARNED_BEFORE:
            event = "key_expired" if line.expires <= now else "key_expires_soon"
            log.warning(event, key_id=line.id, tenant=line.tenant, expires=utc_text(line.expires))


def _unauthorized(authorization: str | None, text: str) -> HttpProblem:
    error = ', error="invalid_token"' if authorization else ""
    return HttpProblem(
        401,
        "unauthorized",
        text if authorization else "Send a key: Authorization: Bearer KEY.",
        headers={"WWW-Authenticate": f'Bearer realm="mandaat"{error}'},
    )


def _forbidden(scope: Scope, text: str) -> HttpProblem:
    return HttpProblem(
        403,
        "forbidden",
        text,
        headers={"WWW-Authenticate": f'Bearer realm="mandaat", error="insufficient_scope", scope="{scope}"'},
    )
