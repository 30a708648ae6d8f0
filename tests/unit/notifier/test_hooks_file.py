"""The file of webhooks."""

from __future__ import annotations

import base64
import json

import pytest

from services.notifier.channels.webhook.hooks_file import read_hooks

SECRET = "whsec_" + base64.b64encode(b"x" * 24).decode()


def hook(**changes: str) -> str:
    return json.dumps({"tenant": "acme", "url": "https://hooks.example/x", "secret": SECRET} | changes)


def test_a_webhook_may_be_plain_http_to_this_machine_only() -> None:
    for url in ("http://127.0.0.1:8/x", "http://localhost/x", "http://[::1]/x", "https://a.example/x"):
        assert read_hooks(hook(url=url))["acme"].url == url


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (hook(url="http://hooks.example/x"), "https"),
        (hook(url="ftp://hooks.example/x"), "https"),
        (hook(url="https://u:p@hooks.example/x"), "user or password"),
        (hook(url="https://[::bad/x"), "url"),
        (hook(secret="whsec_c2hvcnQ="), "16 bytes"),
        (hook(secret="whsec_%%%"), "secret"),
        (hook(tenant="Not A Tenant"), "tenant"),
        ("{", "line 1"),
        (hook() + "\n" + hook(), "line 2: tenant acme has a webhook already"),
    ],
)
def test_a_webhooks_file_is_refused_by_line_without_repeating_its_secret(line: str, problem: str) -> None:
    with pytest.raises(ValueError, match="line") as refusal:
        read_hooks(line)
    assert problem in str(refusal.value)
    assert SECRET not in str(refusal.value)
    assert "c2hvcnQ" not in str(refusal.value)


def test_a_secret_does_not_show() -> None:
    assert SECRET not in repr(read_hooks(hook()))
