"""A command uses the given address or the local stack, never an unknown process on a default port."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest
from typer.testing import CliRunner

from deploy.local.process import Process
from deploy.local.stack import SIZES
from services.cli import addresses
from services.cli.dead_letters import dead_letters_app
from services.cli.ledger import ledger_app

runner = CliRunner()


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty state directory, without settings."""
    monkeypatch.chdir(tmp_path)
    for name in (addresses.KAFKA, addresses.REDIS, "MANDAAT_STATE_DIR"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / ".mandaat"


def record(state: Path, name: str, port: int, *, created: float) -> None:
    """Record a part as the stack does when it starts one."""
    kept = state / "processes" / f"{name}.json"
    kept.parent.mkdir(parents=True, exist_ok=True)
    port_name = f'{{"{name}_port": {port}}}'
    kept.write_text(f'{{"pid": {os.getpid()}, "created": {created}, "ports": {port_name}}}')
    assert Process(name, state).recorded() is not None


def test_without_a_local_stack_the_address_must_be_given(state: Path) -> None:
    outcome = runner.invoke(dead_letters_app, ["list"])
    assert outcome.exit_code == 2
    assert outcome.stderr == (
        f"mandaat: unknown address of Kafka: use --kafka or MANDAAT_KAFKA_BOOTSTRAP; "
        f"there is no local stack in {state}\n"
    )


@pytest.mark.parametrize("recorded", [True, False])
def test_a_stopped_local_kafka_is_reported(state: Path, recorded: bool) -> None:
    (state / "processes").mkdir(parents=True)
    if recorded:
        record(state, "kafka", 17192, created=1.0)
    outcome = runner.invoke(dead_letters_app, ["list"])
    assert outcome.exit_code == 2
    assert "the Kafka of the local stack is not running: start it with `mandaat local up`" in outcome.stderr


def test_a_stopped_local_redis_is_reported(state: Path) -> None:
    (state / "processes").mkdir(parents=True)
    outcome = runner.invoke(ledger_app, ["verify", "--kafka", "127.0.0.1:1"])
    assert outcome.exit_code == 2
    assert "the Redis of the local stack is not running: start it with `mandaat local up`" in outcome.stderr
    assert "MANDAAT_REDIS_URL" in outcome.stderr


def test_the_address_of_a_running_local_stack_is_found(state: Path) -> None:
    record(state, "kafka", 17192, created=psutil.Process().create_time())
    record(state, "redis", 17479, created=psutil.Process().create_time())
    settings = addresses.kafka_settings()
    assert settings.kafka_bootstrap == "127.0.0.1:17192"
    assert settings.sizes == SIZES
    assert addresses.redis_url().endswith("@127.0.0.1:17479/0")


def test_a_given_address_wins_and_has_no_local_sizes(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record(state, "kafka", 17192, created=psutil.Process().create_time())
    monkeypatch.setenv(addresses.KAFKA, "kafka.example.org:9092")
    monkeypatch.setenv(addresses.REDIS, "redis://redis.example.org:6379/0")
    assert addresses.kafka_settings().kafka_bootstrap == "kafka.example.org:9092"
    assert addresses.redis_url() == "redis://redis.example.org:6379/0"
    called = addresses.kafka_settings("other.example.org:9092")
    assert called.kafka_bootstrap == "other.example.org:9092"
    assert called.partitions != SIZES.partitions
    assert addresses.redis_url("redis://127.0.0.1:1/0") == "redis://127.0.0.1:1/0"
