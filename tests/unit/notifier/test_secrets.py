"""The notifier does not start with secrets that others can read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from services.chassis.process.errors import ConfigurationError
from services.notifier.app import mail_server
from services.notifier.channels.webhook.hooks_file import watch_hooks
from services.notifier.settings import NotifierSettings

LINE = json.dumps(
    {"tenant": "acme", "url": "https://crm.example/x", "secret": "whsec_bWFuZGFhdC1tYW5kYWF0LW1hbmRhYXQ="}
)


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_webhooks_are_read_from_a_file_of_our_own(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "webhooks.jsonl"
    path.write_text(LINE)
    path.chmod(mode)
    assert set(watch_hooks(path)()) == {"acme"}


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o602, 0o620])
def test_a_webhooks_file_that_others_can_read_or_write_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "webhooks.jsonl"
    path.write_text(LINE)
    path.chmod(mode)
    with pytest.raises(ConfigurationError, match=r"MANDAAT_WEBHOOKS_FILE .*chmod 600") as refusal:
        watch_hooks(path)
    assert "whsec_" not in str(refusal.value)


def settings(tmp_path: Path, **smtp: Any) -> NotifierSettings:
    return NotifierSettings(keys_file=tmp_path, mail_from="a@example.org", **smtp)


@pytest.mark.parametrize("starttls", [None, False])
def test_a_login_that_could_be_sent_unencrypted_is_refused(tmp_path: Path, starttls: bool | None) -> None:
    given = settings(tmp_path, smtp_host="mail.example.org", smtp_username="m", smtp_starttls=starttls)
    with pytest.raises(ConfigurationError, match="MANDAAT_SMTP_STARTTLS=true"):
        mail_server(given)


@pytest.mark.parametrize(
    "smtp",
    [
        {"smtp_host": "mail.example.org", "smtp_username": "m", "smtp_starttls": True},
        {"smtp_host": "127.0.0.1", "smtp_username": "m"},
        {"smtp_host": "mail.example.org"},
    ],
)
def test_a_login_under_tls_or_on_this_machine_is_used(tmp_path: Path, smtp: dict[str, Any]) -> None:
    assert mail_server(settings(tmp_path, **smtp)).host == smtp["smtp_host"]
