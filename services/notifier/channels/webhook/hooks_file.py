"""The file of the tenants' webhooks: the address of each, and the secret that signs its posts."""

from __future__ import annotations

import base64
import binascii
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr, ValidationError

from schemas.ids import Tenant
from schemas.model import Frozen
from services.chassis.process.hosts import is_loopback


class Hook(Frozen):
    """One tenant's webhook. The secret is `whsec_` and at least 16 bytes in base64 (Standard Webhooks)."""

    tenant: Tenant
    url: str
    secret: SecretStr


def open_hooks(path: Path) -> Mapping[str, Hook]:
    """Read the file. Raises OSError, and ValueError also where others can read it."""
    with path.open(encoding="utf-8") as opened:
        status = os.fstat(opened.fileno())
        if _is_open(status.st_mode, ours=status.st_uid == os.geteuid()):
            raise ValueError(f"it holds secrets, and others can read or write it; run chmod 600 {path}")
        return read_hooks(opened.read())


def _is_open(mode: int, *, ours: bool) -> bool:
    """Whether others can read or write it. As in OpenSSH, our group may read a file that is not our own."""
    forbidden = stat.S_IRWXO | stat.S_IWGRP | (stat.S_IRGRP if ours else 0)
    return bool(mode & forbidden)


def read_hooks(text: str) -> Mapping[str, Hook]:
    """Read the webhooks file, JSON Lines. Raises ValueError with the line's number, never its content."""
    hooks: dict[str, Hook] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            hook = Hook.model_validate_json(line)
        except ValidationError as error:
            places = ", ".join("/".join(map(str, one["loc"])) or "the line" for one in error.errors())
            raise ValueError(f'line {number}: {places}: expected {{"tenant", "url", "secret"}}') from None
        problem = _problem(hook)
        if problem is None and hook.tenant in hooks:
            problem = f"tenant {hook.tenant} has a webhook already"
        if problem is not None:
            raise ValueError(f"line {number}: {problem}")
        hooks[hook.tenant] = hook
    return hooks


def _problem(hook: Hook) -> str | None:
    try:
        parts = urlsplit(hook.url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "the url cannot be read"
    if (
        not host
        or parts.scheme not in ("http", "https")
        or not hook.url.isascii()
        or not hook.url.isprintable()
    ):
        return "the url must be https://host/..., in ASCII"
    if parts.username or parts.password:
        return "the url must not hold a user or password; posts are signed instead"
    if parts.scheme == "http" and not is_loopback(host):
        return "the url must be https, except on this machine"
    try:
        secret = base64.b64decode(hook.secret.get_secret_value().removeprefix("whsec_") + "==")
    except (binascii.Error, ValueError):
        return "the secret must be whsec_ and base64"
    return None if len(secret) >= 16 else "the secret is shorter than 16 bytes"
