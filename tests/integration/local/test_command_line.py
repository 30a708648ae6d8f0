"""`mandaat local` and `mandaat demo` as processes, on a stack of their own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis
from aiokafka import AIOKafkaConsumer, TopicPartition
from typer.testing import CliRunner

from deploy.local.demo import retail
from deploy.local.guardian import recorded
from deploy.local.settings import free_ports, setting_of
from deploy.local.sinks.mail import kept_mails
from deploy.local.stack import SIZES, Stack, temporary_stack
from schemas.topics import STAFF
from services.cli.app import build
from tests.retail_cases import RETAIL
from tests.waiting import wait_until

pytestmark = pytest.mark.skipif(
    os.environ.get("MANDAAT_TEST_STACK") == "docker", reason="looks at processes of the local stack"
)
PARTS = ("--only", "kafka,redis,sinks")
Mandaat = Callable[..., str]


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    """The stack of a test, which its commands start."""
    ports = free_ports()
    monkeypatch.setenv("MANDAAT_STATE_DIR", str(tmp_path))
    for name, port in ports.model_dump().items():
        monkeypatch.setenv(setting_of(name), str(port))
    monkeypatch.delenv("MANDAAT_KAFKA_BOOTSTRAP", raising=False)
    with temporary_stack(tmp_path, ports) as one:
        yield one


@pytest.fixture
def mandaat(own: Stack) -> Mandaat:
    def call(*arguments: str, code: int = 0) -> str:
        program = Path(sys.executable).with_name("mandaat")
        done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    return call


def parts(mandaat: Mandaat) -> dict[str, dict[str, Any]]:
    """The parts of `local status`, which exits with 1 because the services do not run."""
    found: dict[str, dict[str, Any]] = json.loads(mandaat("local", "status", "--json", code=1))["parts"]
    return found


async def how_many(stack: Stack, topic: str) -> int:
    consumer = AIOKafkaConsumer(bootstrap_servers=stack.bootstrap)
    await consumer.start()
    try:
        ends = await consumer.end_offsets([TopicPartition(topic, p) for p in range(SIZES.partitions)])
    finally:
        await consumer.stop()
    return sum(ends.values())


async def test_down_and_up_keep_the_data_and_down_leaves_no_process(own: Stack, mandaat: Mandaat) -> None:
    mandaat("local", "up", *PARTS)
    mandaat("publish", "staff", str(RETAIL / "staff.jsonl"))
    with redis.Redis.from_url(own.redis_url) as client:
        client.set("kept", "yes")
    published = await how_many(own, STAFF)
    before = [part["pid"] for part in parts(mandaat).values() if part["pid"]]
    everything = [each for pid in before for each in _family(pid)]

    assert "nothing runs" in mandaat("local", "down")

    assert len(before) == 3
    assert [each for each in everything if each.is_running()] == []
    assert {part["pid"] for part in parts(mandaat).values()} == {None}

    mandaat("local", "up", *PARTS)
    assert published > 0
    assert await how_many(own, STAFF) == published
    with redis.Redis.from_url(own.redis_url) as client:
        assert client.get("kept") == b"yes"


def _family(pid: int) -> list[psutil.Process]:
    found = psutil.Process(pid)
    return [found, *found.children(recursive=True)]


def test_the_demonstration_checks_the_outcome_tells_a_case_and_leaves_no_process(
    own: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With some of the cases; `make demo` takes all."""
    share = retail.retail_cases()[:60]
    monkeypatch.setattr(retail, "retail_cases", lambda: share)

    shown = CliRunner().invoke(build("demo"), ["demo", "--no-stay"])

    assert shown.exit_code == 0, shown.output
    assert "60 of 60 as expected" in shown.stdout
    story = shown.stdout.partition("One case of this run")[2]
    mails = {mail.file: mail for mail in kept_mails(own.state / "demo" / "mail")}
    asked, told = (mails[file] for file in re.findall(r"^Mail to .* \((\d+\.eml)\):", story, re.MULTILINE))
    assert told.at > asked.at
    assert f"Subject: {asked.subject}\n" in story
    assert f"Subject: {told.subject}\n" in story
    assert "It was escalated. " in story
    assert "It was approved by " in story
    in_all = re.search(r"^\d+ s in all, ", story, re.MULTILINE)
    assert in_all is not None
    assert story.count("\n", 0, in_all.end()) < 45
    commands = re.findall(r"^  (?!\|)(\S.*)", story, re.MULTILINE)
    assert [words.split()[1:3] for words in commands] == [
        ["explain", "--policy"],
        ["policy", "test"],
        ["local", "up"],
    ]
    for words in map(str.split, commands[:2]):
        done = CliRunner().invoke(build(words[1]), words[1:])
        assert done.exit_code == 0, done.output
    assert [part.name for part in Stack(own.state / "demo", own.ports).status() if part.pid] == []


def test_a_killed_demonstration_leaves_no_process(own: Stack) -> None:
    program = Path(sys.executable).with_name("mandaat")
    demo = subprocess.Popen([program, "demo"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    state = own.state / "demo"
    try:
        wait_until(lambda: len([one for one in recorded(state) if one.running()]) >= 2, seconds=60)
    finally:
        demo.kill()
        demo.wait(20)
    wait_until(lambda: not any(process.running() for process in recorded(state)), seconds=20)
