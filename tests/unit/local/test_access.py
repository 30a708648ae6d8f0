"""Keys and secrets of a local stack."""

from __future__ import annotations

import json
import stat
from pathlib import Path

from deploy.local import access
from services.chassis.keys import Keys


def test_a_tenants_key_opens_the_services(tmp_path: Path) -> None:
    access.prepare(tmp_path, "http://127.0.0.1:1")
    keys = Keys.load(access.keys_file(tmp_path))
    for tenant in access.TENANTS:
        for scope in access.SCOPES:
            assert keys.check(f"Bearer {access.api_key(tmp_path, tenant)}", scope).tenant == tenant


def test_nobody_else_can_read_keys_and_secrets(tmp_path: Path) -> None:
    access.prepare(tmp_path, "http://127.0.0.1:1")
    files = [access.keys_file(tmp_path), access.webhooks_file(tmp_path), access.key_file(tmp_path, "retail")]
    assert [stat.S_IMODE(file.stat().st_mode) for file in files] == [0o600] * 3


def test_keys_and_secrets_stay_when_the_address_changes(tmp_path: Path) -> None:
    access.prepare(tmp_path, "http://127.0.0.1:1")
    key, secrets = access.api_key(tmp_path, "retail"), access.webhook_secrets(tmp_path)
    access.prepare(tmp_path, "http://127.0.0.1:2")
    assert access.api_key(tmp_path, "retail") == key
    assert access.webhook_secrets(tmp_path) == secrets
    first = json.loads(access.webhooks_file(tmp_path).read_text().splitlines()[0])
    assert first["url"] == "http://127.0.0.1:2/webhooks/retail"
