from __future__ import annotations

import ast
import inspect
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from services.chassis.process import failpoints
from services.chassis.process.errors import ConfigurationError
from services.chassis.process.failpoints import Action, Point
from tests.unit.test_repository import ROOT, SERVICES
from tests.waiting import wait_until

REACHING = """
import asyncio, sys
from services.chassis.process import failpoints
from services.chassis.process.failpoints import Point
from services.chassis.process.run import run
from services.chassis.process.settings import FailpointSettings, KafkaSettings
class Settings(KafkaSettings, FailpointSettings): pass
async def main(stop):
    failpoints.arm(Settings())
    for number in range(5):
        print("reached", number, flush=True)
        failpoints.reach(Point.AFTER_SETTLE)
run("test", main)
"""


def started(text: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", REACHING],
        env=os.environ | {"MANDAAT_FAILPOINTS": text},
        stdout=subprocess.PIPE,
        text=True,
    )


def test_a_kill_happens_when_the_point_is_reached_the_nth_time() -> None:
    process = started("after-settle=kill@3")
    out, _ = process.communicate(timeout=20)
    assert process.returncode == -signal.SIGKILL
    assert "reached 2" in out
    assert "reached 3" not in out
    assert '"failpoint"' in out


def test_a_stop_happens_once_and_ends_with_sigcont() -> None:
    process = started("after-publish=kill,after-settle=stop")
    wait_until(lambda: psutil.Process(process.pid).status() == psutil.STATUS_STOPPED)
    process.send_signal(signal.SIGCONT)
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "reached 4" in out


@pytest.mark.parametrize(
    "text", ["after-lunch=kill", "after-settle", "after-settle=explode", "after-settle=kill@0", "=stop,"]
)
def test_an_unknown_failpoint_is_refused_with_the_known_ones(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"MANDAAT_FAILPOINTS.*after-settle.*kill, stop"):
        failpoints.read(text)


def test_several_points_are_separated_by_commas() -> None:
    read = failpoints.read("after-settle=stop, after-publish=kill@3")
    assert read == {Point.AFTER_SETTLE: (Action.STOP, 1), Point.AFTER_PUBLISH: (Action.KILL, 3)}


ELSEWHERE = {
    "MANDAAT_KAFKA_BOOTSTRAP": "127.0.0.1:9092,broker.example.org:9092",
    "MANDAAT_REDIS_URL": "redis://:pass@10.0.0.7:6379/0",
    "MANDAAT_HTTP_HOST": "0.0.0.0",  # noqa: S104 - what must be refused
    "MANDAAT_NOTIFIER_URL": "https://desk.example.org",
    "MANDAAT_SMTP_HOST": "mail.example.org",
    "MANDAAT_WEBHOOKS_FILE": '{"tenant": "acme", "url": "https://hooks.example.org/x", "secret": "whsec_'
    + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldY"
    + '"}',
}
THEIRS = {
    "intake": ("MANDAAT_KAFKA_BOOTSTRAP", "MANDAAT_REDIS_URL", "MANDAAT_HTTP_HOST", "MANDAAT_NOTIFIER_URL"),
    "rules": ("MANDAAT_KAFKA_BOOTSTRAP", "MANDAAT_REDIS_URL", "MANDAAT_HTTP_HOST"),
    "notifier": (
        *("MANDAAT_KAFKA_BOOTSTRAP", "MANDAAT_REDIS_URL", "MANDAAT_HTTP_HOST"),
        *("MANDAAT_SMTP_HOST", "MANDAAT_WEBHOOKS_FILE"),
    ),
}


@pytest.mark.parametrize(
    ("service", "setting"),
    [(service, setting) for service, settings in THEIRS.items() for setting in settings],
)
def test_a_service_with_failpoints_needs_all_addresses_on_this_machine(
    tmp_path: Path, service: str, setting: str
) -> None:
    value = ELSEWHERE[setting]
    if setting.endswith("_FILE"):
        file = tmp_path / "hooks"
        file.touch(mode=0o600)
        file.write_text(value)
        value = str(file)
    keys = tmp_path / "keys"
    keys.touch(mode=0o600)
    keys.write_text('{"sha256": "' + 64 * "0" + '", "tenant": "acme", "scopes": ["read"]}\n')
    environment = {
        **{name: text for name, text in os.environ.items() if not name.startswith("MANDAAT_")},
        "MANDAAT_FAILPOINTS": "after-settle=stop",
        "MANDAAT_KEYS_FILE": str(keys),
        "MANDAAT_MAIL_FROM": "a@example.org",
        setting: value,
    }
    done = subprocess.run(
        [sys.executable, "-m", f"services.{service}"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 2, done.stdout
    assert "MANDAAT_FAILPOINTS is for tests" in done.stderr
    assert setting in done.stderr
    assert "pass" not in done.stderr.replace("passed", "")


NO_ADDRESS = {
    *(
        "keys_file",
        "webhooks_file",
        "senders_file",
        "log_level",
        "failpoints",
        "language",
        "mail_from",
        "mail_reply_to",
    ),
    *("smtp_username", "smtp_password"),
}


@pytest.mark.parametrize("service", SERVICES)
def test_every_text_setting_is_known_as_an_address_or_not(service: str) -> None:
    """A new setting with an address must be checked before failpoints are allowed."""
    settings = SERVICES[service]
    texts = {
        name
        for name, field in settings.model_fields.items()
        if re.search(r"\b(str|SecretStr|Path|Url)\b", str(field.annotation))
    }
    looked_at = {name for name in texts if name.endswith(("_bootstrap", "_host", "_url"))}
    assert texts - looked_at <= NO_ADDRESS


def test_the_page_lists_the_same_points_as_the_code() -> None:
    page = (ROOT / "docs" / "faults.md").read_text()
    told = dict(re.findall(r"^\| `([a-z-]+)` \| (.+) \|$", page, re.MULTILINE))
    (point_class,) = ast.parse(inspect.getsource(Point)).body
    assert isinstance(point_class, ast.ClassDef)
    said = [
        one.value.value
        for one in point_class.body
        if isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant)
    ]
    assert told == dict(zip(map(str, Point), said[1:], strict=True))
