"""Keys and secrets of a local stack: created once, and kept in the state directory with mode 0600."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

TENANTS = ("retail", "acme")
"""The tenants of a local stack: the one of the demonstration, and the one of the examples in the pages."""
SCOPES: Final[tuple[Literal["submit", "reply", "read"], ...]] = ("submit", "reply", "read")


def keys_file(state: Path) -> Path:
    """The file for MANDAAT_KEYS_FILE: JSON Lines of `{sha256, tenant, scopes}`."""
    return state / "keys.jsonl"


def key_file(state: Path, tenant: str) -> Path:
    """The file with the key itself, for the person at this machine."""
    return state / "keys" / f"{tenant}.key"


def webhooks_file(state: Path) -> Path:
    """The file for MANDAAT_WEBHOOKS_FILE: JSON Lines of `{tenant, url, secret}`."""
    return state / "webhooks.jsonl"


def senders_file(state: Path) -> Path:
    """The file for MANDAAT_SENDERS_FILE: JSON Lines of `{tenant, from, name, logo}`."""
    return state / "senders.jsonl"


def api_key(state: Path, tenant: str) -> str:
    """The key of a tenant; created when there is none."""
    kept = key_file(state, tenant)
    if not kept.exists():
        _write_secret(kept, f"mandaat_{secrets.token_urlsafe(32)}\n")
    return kept.read_text(encoding="ascii").strip()


def webhook_secrets(state: Path) -> dict[str, str]:
    """The signing secret of each tenant that has a webhook."""
    lines = webhooks_file(state).read_text(encoding="utf-8").splitlines()
    return {entry["tenant"]: entry["secret"] for entry in map(json.loads, filter(str.strip, lines))}


def prepare(state: Path, webhook_address: str, tenants: tuple[str, ...] = TENANTS) -> None:
    """Writes the files for `tenants`. Keys, secrets and lines that are there already stay."""
    keys = {_sha256(api_key(state, tenant)): tenant for tenant in tenants}
    own = [{"sha256": digest, "tenant": tenant, "scopes": SCOPES} for digest, tenant in keys.items()]
    added = [line for line in _lines(keys_file(state)) if _member(line, "sha256") not in keys]
    _write_secret(keys_file(state), _json_lines(own) + "".join(added))
    known = webhook_secrets(state) if webhooks_file(state).exists() else {}
    hooks = [
        {
            "tenant": tenant,
            "url": f"{webhook_address}/webhooks/{tenant}",
            "secret": known.get(tenant) or _webhook_secret(),
        }
        for tenant in tenants
    ]
    others = [line for line in _lines(webhooks_file(state)) if _member(line, "tenant") not in tenants]
    _write_secret(webhooks_file(state), _json_lines(hooks) + "".join(others))
    senders_file(state).touch(mode=0o600)


def _webhook_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def _sha256(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _lines(file: Path) -> list[str]:
    """The lines of a file, invalid ones too: the services then say what is wrong with them."""
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    return [line + "\n" for line in text.splitlines() if line.strip()]


def _member(line: str, name: str) -> object:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry.get(name) if isinstance(entry, dict) else None


def _json_lines(entries: Sequence[Mapping[str, object]]) -> str:
    return "".join(json.dumps(entry) + "\n" for entry in entries)


def _write_secret(path: Path, text: str) -> None:
    """Writes a file that nobody else can read at any moment, and renames it atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    part.touch(mode=0o600)
    part.write_text(text, encoding="utf-8")
    part.replace(path)
