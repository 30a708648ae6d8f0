"""The local stack with a real Kafka and Redis: topics, repeated starts, and restarts."""

from __future__ import annotations

import asyncio
import json
import os
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import redis
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from typer.testing import CliRunner

from deploy.local.settings import Ports, free_ports, setting_of
from deploy.local.stack import BACKING, SIZES, Stack
from deploy.local.topics import ensure_topics
from schemas.topics import DECISIONS, TOPICS, Topic
from services.cli.app import build
from tests.conftest import MakeTopic

RUNNER = CliRunner()
pytestmark = pytest.mark.skipif(
    os.environ.get("MANDAAT_TEST_STACK") == "docker", reason="looks at processes of the local stack"
)


@pytest.fixture
def command_line(backing: Stack, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """The environment of commands for the stack of this session."""
    monkeypatch.setenv("MANDAAT_STATE_DIR", str(backing.state))
    for name, port in backing.ports.model_dump().items():
        monkeypatch.setenv(setting_of(name), str(port))
    monkeypatch.delenv("MANDAAT_KAFKA_BOOTSTRAP", raising=False)
    return backing


def pids(stack: Stack) -> list[int | None]:
    return [part.pid for part in stack.status() if part.name in BACKING]


def test_up_changes_nothing_when_all_runs(backing: Stack) -> None:
    backing.up(BACKING)
    before = pids(backing)
    backing.up(BACKING)
    Stack(backing.state, backing.ports).up(BACKING)
    assert pids(backing) == before
    assert all(part.ready for part in backing.status() if part.name in BACKING)


async def test_every_topic_has_the_right_settings(kafka: str) -> None:
    outcome = await ensure_topics(kafka, SIZES)
    assert outcome.created == []
    assert outcome.differences == []
    assert outcome.checked == [topic.name for topic in TOPICS]


async def test_a_wrong_topic_is_reported_with_setting_and_values(kafka: str, make_topic: MakeTopic) -> None:
    name = await make_topic("journal", partitions=2, settings={"message.timestamp.before.max.ms": "9000"})
    [journal] = [topic for topic in TOPICS if topic.name == DECISIONS]
    outcome = await ensure_topics(kafka, SIZES, [replace(journal, name=name)])
    assert f"{name}: partitions is 2, must be 6" in outcome.differences
    assert f"{name}: message.timestamp.before.max.ms is 9000, must be 1000" in outcome.differences


async def test_a_missing_topic_is_created_once_and_usable_at_once(kafka: str) -> None:
    topic = Topic(f"made-{uuid.uuid4().hex[:8]}", ("a test",), (), "to be made")
    first, second = await asyncio.gather(
        ensure_topics(kafka, SIZES, [topic]), ensure_topics(kafka, SIZES, [topic])
    )
    assert topic.name in first.created + second.created
    assert first.differences + second.differences == []
    producer = AIOKafkaProducer(bootstrap_servers=kafka, acks="all")
    await producer.start()
    try:
        await producer.send_and_wait(topic.name, b"x", partition=SIZES.partitions - 1)
    finally:
        await producer.stop()
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        await admin.delete_topics([topic.name])
    finally:
        await admin.close()


async def test_kafka_and_redis_keep_their_data_when_killed(backing: Stack, make_topic: MakeTopic) -> None:
    topic = await make_topic("kept")
    await asyncio.to_thread(backing.up, ["redis"])
    producer = AIOKafkaProducer(bootstrap_servers=backing.bootstrap, acks="all")
    await producer.start()
    await producer.send_and_wait(topic, b"kept")
    await producer.stop()
    client = redis.Redis.from_url(backing.redis_url)
    key = f"test:{topic}"
    client.set(key, "kept")
    client.waitaof(num_local=1, num_replicas=0, timeout=2000)
    for name in ("kafka", "redis"):
        await asyncio.to_thread(backing.kill, name)
        assert not backing.running(name)
        await asyncio.to_thread(backing.start, name)
    assert client.get(key) == b"kept"
    client.close()
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=backing.bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        assert (await asyncio.wait_for(consumer.getone(), 20)).value == b"kept"
    finally:
        await consumer.stop()


def test_redis_asks_for_its_password(backing: Stack) -> None:
    backing.up(["redis"])
    with (
        redis.Redis(port=backing.ports.redis_port) as stranger,
        pytest.raises(redis.AuthenticationError),
    ):
        stranger.ping()


def test_nothing_listens_beyond_the_loopback(backing: Stack) -> None:
    backing.up(BACKING)
    for part in backing.status():
        if part.pid is None:
            continue
        listening = [
            each.laddr.ip
            for each in psutil.Process(part.pid).net_connections("inet")
            if each.status == psutil.CONN_LISTEN
        ]
        assert listening
        assert {address.removeprefix("::ffff:") for address in listening} == {"127.0.0.1"}


def test_status_for_programs_gives_addresses_process_ids_and_keys(command_line: Stack) -> None:
    command_line.up(["kafka"])
    result = RUNNER.invoke(build("local"), ["local", "status", "--json"])
    report = json.loads(result.stdout)
    assert report["parts"]["kafka"]["ready"] is True
    assert psutil.pid_exists(report["parts"]["kafka"]["pid"])
    assert report["addresses"]["kafka"] == command_line.bootstrap
    assert report["api_keys"]["retail"] == command_line.api_key("retail")


def test_topics_are_checked_with_the_sizes_of_the_local_stack_by_default(
    command_line: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    command_line.up(["kafka"])
    assert RUNNER.invoke(build("topics"), ["topics"]).exit_code == 0
    monkeypatch.setenv("MANDAAT_KAFKA_BOOTSTRAP", command_line.bootstrap)
    differing = RUNNER.invoke(build("topics"), ["topics"])
    assert differing.exit_code == 1
    assert f"{DECISIONS}: partitions is 6, must be 12" in differing.stderr


def test_a_second_stack_on_the_same_ports_names_the_port_and_its_setting(
    command_line: Stack, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    command_line.up(["redis"])
    monkeypatch.setenv("MANDAAT_STATE_DIR", str(tmp_path_factory.mktemp("second")))
    result = RUNNER.invoke(build("local"), ["local", "up", "--only", "redis"])
    assert result.exit_code == 1
    assert f"port {Ports().redis_port}, for redis, is taken" in " ".join(result.stderr.split())
    assert "MANDAAT_LOCAL_REDIS_PORT" in result.stderr


def test_two_concurrent_commands_start_one_stack(tmp_path: Path) -> None:
    ports = free_ports()
    stacks = [Stack(tmp_path, ports) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda stack: stack.up(["redis"]), stacks))
    try:
        assert both == [None, None]
        assert stacks[0].status() == stacks[1].status()
    finally:
        stacks[0].down()
    assert not stacks[1].running("redis")


def test_an_unknown_part_exits_with_2() -> None:
    assert RUNNER.invoke(build("local"), ["local", "up", "--only", "zookeeper"]).exit_code == 2
