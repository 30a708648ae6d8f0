"""The file of the tenants' webhooks: the address of each, and the secret that signs its posts."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from pydantic import SecretStr, ValidationError

from schemas.ids import Tenant
from schemas.model import Frozen
from services.chassis.process.hosts import is_loopback
from services.chassis.process.watched_file import WatchedFile


class Hook(Frozen):
    """One tenant's webhook. The secret is `whsec_` and at least 16 bytes in base64 (Standard Webhooks)."""

    tenant: Tenant
    url: str
    secret: SecretStr


NO_HOOKS: Final[Mapping[str, Hook]] = {}


def watch_hooks(path: Path | None) -> Callable[[], Mapping[str, Hook]]:
    """The webhooks by tenant, as the file has them now; none without a file. Raises ConfigurationError."""
    if path is None:
        return lambda: NO_HOOKS
    file = WatchedFile(
        path, name="webhooks", setting="MANDAAT_WEBHOOKS_FILE", parse=read_hooks, holds_secrets=True
    )
    return file.get


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
