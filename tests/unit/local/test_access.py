"""Keys and secrets of a local stack."""

from __future__ import annotations

import hashlib
import json
import stat
from pathlib import Path

from deploy.local import access
from services.chassis.http.keys import Keys


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


def test_added_keys_and_webhooks_stay(tmp_path: Path) -> None:
    access.prepare(tmp_path, "http://127.0.0.1:1")
    mine = {"sha256": hashlib.sha256(b"my key").hexdigest(), "tenant": "shop", "scopes": ["submit"]}
    more = {**mine, "sha256": hashlib.sha256(b"another").hexdigest(), "tenant": "retail"}
    hook = {"tenant": "shop", "url": "http://127.0.0.1:9/shop", "secret": "whsec_c2VjcmV0"}
    with access.keys_file(tmp_path).open("a") as keys, access.webhooks_file(tmp_path).open("a") as hooks:
        keys.write(f"{json.dumps(mine)}\n\n{json.dumps(more)}")  # the last without its end of line
        hooks.write(json.dumps(hook) + "\n")
    for _ in range(2):
        access.prepare(tmp_path, "http://127.0.0.1:2")
    assert len(access.keys_file(tmp_path).read_text().splitlines()) == len(access.TENANTS) + 2
    known = Keys.load(access.keys_file(tmp_path))
    assert known.check("Bearer my key", "submit").tenant == "shop"
    assert known.check("Bearer another", "submit").tenant == "retail"
    assert known.check(f"Bearer {access.api_key(tmp_path, 'retail')}", "read").tenant == "retail"
    kept = [json.loads(line) for line in access.webhooks_file(tmp_path).read_text().splitlines()]
    assert [one["tenant"] for one in kept] == [*access.TENANTS, "shop"]
    assert kept[-1] == hook
