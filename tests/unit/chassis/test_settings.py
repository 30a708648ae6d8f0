"""A missing or wrong setting is reported in a sentence that says what it must be."""

from __future__ import annotations

import re
from typing import Any

import pytest

from deploy.local.settings import Ports
from services.chassis.process.errors import ConfigurationError
from services.chassis.process.settings import Settings
from services.intake.settings import IntakeSettings
from services.notifier.settings import NotifierSettings
from services.rules.settings import RulesSettings

KINDS: list[type[Settings]] = [IntakeSettings, RulesSettings, NotifierSettings, Ports]
NEEDED = {"MANDAAT_KEYS_FILE": "/keys.jsonl", "MANDAAT_MAIL_FROM": "care@example.org"}
WRONG = ("many", "-1", "1.5", "1e99", "nan", "http://", "a b", "9" * 30, ",")
OF_PYDANTIC = re.compile(
    r"Field required|Input should|Value error|valid (integer|number|string|boolean)|[Uu]nable|pydantic|\{"
)


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in NEEDED.items():
        monkeypatch.setenv(name, value)


def _name(kind: type[Settings], field: str) -> str:
    return f"{kind.model_config.get('env_prefix', '')}{field}".upper()


def _refusal(kind: type[Settings]) -> str | None:
    try:
        kind()
    except ConfigurationError as error:
        return str(error)
    return None


@pytest.mark.parametrize(
    ("kind", "field"), [(kind, field) for kind in KINDS for field in kind.model_fields], ids=str
)
def test_no_setting_is_refused_in_the_words_of_a_library(
    kind: type[Settings], field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for value in WRONG:
        monkeypatch.setenv(_name(kind, field), value)
        said = _refusal(kind)
        if said is not None:
            assert said.startswith(_name(kind, field))
            assert said.endswith("; see docs/settings.md")
            assert not OF_PYDANTIC.search(said), said
            assert value not in said.replace("docs/settings.md", "") or value in ",", "a value may be secret"


@pytest.mark.parametrize("empty", [None, ""])
@pytest.mark.parametrize(
    ("kind", "name", "said"),
    [
        (IntakeSettings, "MANDAAT_KEYS_FILE", "It names the file with the keys of callers; see"),
        (NotifierSettings, "MANDAAT_MAIL_FROM", "It is the sender of our mail: "),
    ],
)
def test_a_setting_that_is_needed_says_what_it_is(
    kind: type[Settings], name: str, said: str, empty: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(name)
    if empty is not None:
        monkeypatch.setenv(name, empty)
    assert (_refusal(kind) or "").startswith(f"{name} is not set. {said}")


def test_an_empty_setting_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = [kind() for kind in KINDS]
    for kind in KINDS:
        for field in kind.model_fields:
            if _name(kind, field) not in NEEDED:
                monkeypatch.setenv(_name(kind, field), "")
    assert [kind() for kind in KINDS] == usual


@pytest.mark.parametrize(
    ("kind", "name", "value", "said"),
    [
        (RulesSettings, "MANDAAT_PARTITIONS", "many", "must be a whole number from 1 to 1024"),
        (RulesSettings, "MANDAAT_PARTITIONS", "0", "must be a whole number from 1 to 1024"),
        (RulesSettings, "MANDAAT_FENCE_SECONDS", "0", "must be a number above 0"),
        (RulesSettings, "MANDAAT_FENCE_SECONDS", "nan", "must be a number above 0"),
        (NotifierSettings, "MANDAAT_GIVE_UP_HOURS", "100", "must be a number above 0 and at most 72"),
        (NotifierSettings, "MANDAAT_SMTP_STARTTLS", "maybe", "must be true or false"),
        (NotifierSettings, "MANDAAT_LANGUAGE", "de", "must be 'nl' or 'en'"),
        (IntakeSettings, "MANDAAT_LOG_LEVEL", "loud", ": expected DEBUG, INFO, WARNING or ERROR"),
        (IntakeSettings, "MANDAAT_NOTIFIER_URL", "notifier", ": expected an address such as https://"),
        (IntakeSettings, "MANDAAT_REDIS_URL", "127.0.0.1:6379", ": expected an address such as redis://"),
        (IntakeSettings, "MANDAAT_KAFKA_BOOTSTRAP", "http://kafka:9092", ": expected HOST:PORT"),
        (IntakeSettings, "MANDAAT_KAFKA_BOOTSTRAP", "kafka:port", ": expected HOST:PORT"),
        (Ports, "MANDAAT_LOCAL_KAFKA_PORT", "70000", "must be a whole number from 1 to 65535"),
    ],
)
def test_a_wrong_setting_says_what_it_must_be(
    kind: type[Settings], name: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    assert re.sub(" (?=must)", "", (_refusal(kind) or "")).startswith(name + said)


@pytest.mark.parametrize("value", ["kafka", "kafka-1:9092,kafka-2:9092", "[::1]:9092", "10.0.0.1:1, b:2"])
def test_addresses_of_brokers_are_taken(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MANDAAT_KAFKA_BOOTSTRAP", value)
    assert IntakeSettings().kafka_bootstrap == value


def test_every_wrong_setting_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MANDAAT_KEYS_FILE")
    monkeypatch.setenv("MANDAAT_PARTITIONS", "0")
    monkeypatch.setenv("MANDAAT_HTTP_PORT", "web")
    said: Any = _refusal(RulesSettings)
    assert all(name in said for name in ("MANDAAT_KEYS_FILE", "MANDAAT_PARTITIONS", "MANDAAT_HTTP_PORT"))
