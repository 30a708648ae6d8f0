"""Addresses of people: what can be written to safely."""

from __future__ import annotations

import re
from typing import Final

_LOCAL: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.IGNORECASE)


def mailbox(address: str) -> str | None:
    """The address as SMTP takes it (RFC 5321), its domain in ASCII (IDNA); None where it is none.

    Quoted local parts, address literals and local parts beyond ASCII are refused: hardly anybody has one, and
    each has been a way to smuggle a second recipient past a server.
    """
    local, at, domain = address.strip().rpartition("@")
    if not at or len(local) > 64 or not _LOCAL.fullmatch(local):
        return None
    try:
        domain = domain if domain.isascii() else domain.encode("idna").decode("ascii")
    except UnicodeError:
        return None
    labels = domain.removesuffix(".").split(".")
    if len(domain) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        return None
    return f"{local}@{'.'.join(labels)}"
