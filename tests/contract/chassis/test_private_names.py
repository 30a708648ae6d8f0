"""aiokafka and FastStream still have the private names that we use, and they still mean the same.

No broker is needed. When a test here fails after an upgrade, look at services/chassis/kafka/private_names.py.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import aiokafka.consumer.fetcher as fetcher_module
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.cluster import ClusterMetadata
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import KafkaError, UnknownMemberIdError
from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from faststream.kafka import KafkaBroker

from services.chassis.kafka import header_names, private_names

TP: Final = TopicPartition("topic", 0)
NOWHERE: Final = "127.0.0.1:1"


@pytest.fixture
async def consumer() -> AsyncIterator[AIOKafkaConsumer]:
    made = AIOKafkaConsumer(bootstrap_servers=NOWHERE, group_id=None)
    yield made
    await made.stop()


@pytest.fixture
async def member() -> AsyncIterator[AIOKafkaConsumer]:
    """A member of a group that has no topics yet, as `AIOKafkaConsumer.start` leaves it, not connected."""
    made = AIOKafkaConsumer(bootstrap_servers=NOWHERE, group_id="group")
    made._fetcher = fetcher_module.Fetcher(made._client, made._subscription)
    made._coordinator = GroupCoordinator(made._client, made._subscription, group_id="group")
    yield made
    for task in private_names.background_tasks(made):
        task.cancel()
    await asyncio.wait(private_names.background_tasks(made))


async def test_a_member_is_rebalancing_until_it_has_partitions(member: AIOKafkaConsumer) -> None:
    member._subscription.subscribe({"topic"})
    assert private_names.is_rebalancing(member)
    member._subscription.assign_from_subscribed([TP])
    assert not private_names.is_rebalancing(member)
    member._subscription.begin_reassignment()
    assert private_names.is_rebalancing(member)


async def test_the_state_of_a_partition_is_known_without_asking(consumer: AIOKafkaConsumer) -> None:
    assert private_names.partition_state(consumer, TP) is None
    consumer.assign([TP])
    assert private_names.partition_state(consumer, TP) == (None, None, None)
    consumer._subscription.seek(TP, 7)
    state = consumer._subscription.subscription.assignment.state_value(TP)
    state.highwater, state.timestamp = 9, 1_000
    assert private_names.partition_state(consumer, TP) == (7, 9, 1_000)
    assert private_names.partition_state(consumer, TopicPartition("other", 0)) is None


def test_the_fetcher_writes_the_end_and_the_time_of_an_answer() -> None:
    written = {
        target.attr
        for node in ast.walk(ast.parse(inspect.getsource(fetcher_module)))
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Attribute)
    }
    assert {"highwater", "timestamp"} <= written


async def test_a_member_has_two_background_tasks(
    member: AIOKafkaConsumer, consumer: AIOKafkaConsumer
) -> None:
    assert private_names.background_tasks(consumer) == []
    assert len(private_names.background_tasks(member)) == 2
    assert not any(task.done() for task in private_names.background_tasks(member))


@pytest.mark.parametrize(("code", "counted_in"), [(0, True), (UnknownMemberIdError.errno, False)])
async def test_a_heartbeat_can_be_sent_now(
    member: AIOKafkaConsumer, code: int, counted_in: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def answer(_: object) -> SimpleNamespace:
        return SimpleNamespace(error_code=code)

    monkeypatch.setattr(member._coordinator, "_send_req", answer)
    assert await private_names.heartbeat(member) is counted_in


async def test_the_partitions_of_any_topic_can_be_asked(
    consumer: AIOKafkaConsumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def updated(metadata: ClusterMetadata, topics: object) -> bool:
        assert topics is None
        monkeypatch.setattr(metadata, "partitions_for_topic", {"topic": {0, 1}}.get)
        return True

    monkeypatch.setattr(consumer._client, "_metadata_update", updated)
    assert await private_names.partitions_of(consumer, "topic") == {0, 1}
    assert await private_names.partitions_of(consumer, "missing") == set()


async def test_a_producer_can_give_up_what_it_has_not_sent(caplog: pytest.LogCaptureFixture) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=NOWHERE, enable_idempotence=True)
    accumulator, sender = producer._message_accumulator, producer._sender
    builder = producer.create_batch()
    builder.append(timestamp=None, key=None, value=b"unsent")
    acknowledgement = await accumulator.add_batch(builder, TP, 1.0)
    sender._sender_task = asyncio.create_task(_fail())
    sender._sender_task.add_done_callback(sender._fail_all)

    assert private_names.give_up_unsent(producer) is sender
    with pytest.raises(KafkaError):
        await acknowledgement
    await asyncio.wait([sender._sender_task])
    assert isinstance(sender._sender_task.exception(), KeyError)
    await producer.stop()  # returns at once, since it is closed
    assert "Exception in callback" not in caplog.text


async def _fail() -> None:
    raise KeyError("a bug of the sender")


def test_the_size_of_a_record_can_be_estimated() -> None:
    assert private_names.estimated_size(b"key", b"v" * 1_000, [("name", b"x")]) > 1_000


def test_a_compressed_batch_can_be_read_by_hand() -> None:
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=DefaultRecordBatch.CODEC_GZIP,
        is_transactional=0,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=0,
        batch_size=1 << 20,
    )
    builder.append(0, 1_000, b"key", b"value", [])
    batch = private_names.uncompressed(bytes(builder.build()))
    assert batch.size == 1
    length, start = private_names.decode_varint(batch.records, batch.position)
    assert start + length == len(batch.records)
    header = batch.header
    assert (header.base_offset, header.first_timestamp, header.max_timestamp) == (0, 1_000, 1_000)
    assert header.timestamp_type == header.CREATE_TIME != header.LOG_APPEND_TIME


def test_the_fetcher_unpacks_with_the_class_of_its_module(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetcher_module, "MemoryRecords", private_names.MemoryRecords)
    header_names.install()
    assert fetcher_module.MemoryRecords is header_names.LenientRecords
    users = {
        name
        for name, method in inspect.getmembers(fetcher_module.Fetcher, inspect.isfunction)
        if "MemoryRecords" in method.__code__.co_names
    }
    assert users == {"_proc_fetch_request"}


async def test_faststream_makes_its_consumer_with_our_builder() -> None:
    broker = KafkaBroker(NOWHERE, consumer_only=True)
    subscriber: Any = broker.subscriber("topic", batch=True)
    assert isinstance(subscriber, private_names.BatchSubscriber)
    await broker.connect()
    theirs = subscriber.builder
    private_names.replace_consumer(broker, lambda build: lambda **_: build)
    assert subscriber.builder(client_id="any") is theirs
    assert list(subscriber.tasks) == []
    await broker.stop()


ROOT: Final = Path(__file__).parents[3]
MAY: Final = {"services/chassis/kafka/private_names.py"}
LIBRARIES: Final = ("aiokafka", "faststream")
DOCUMENTED: Final = frozenset(
    {
        "aiokafka",
        "aiokafka.admin",
        "aiokafka.admin.config_resource",
        "aiokafka.coordinator.assignors.range",
        "aiokafka.errors",
        "faststream",
        "faststream.kafka",
    }
)

OF_NAMED_TUPLES: Final = frozenset({"_asdict", "_fields", "_make", "_replace"})
"""Public, in spite of the underscore."""


def test_no_other_module_uses_a_private_name() -> None:
    found = [
        use
        for folder in ("services", "engine", "deploy", "schemas")
        for path in sorted((ROOT / folder).rglob("*.py"))
        if str(path.relative_to(ROOT)) not in MAY
        for use in private_uses(path.read_text(encoding="utf-8"), str(path.relative_to(ROOT)))
    ]
    assert found == []


@pytest.mark.parametrize(
    "text",
    [
        "import aiokafka\nconsumer._client.ready()",
        "from aiokafka import AIOKafkaConsumer\nself._consumer._fetcher",
        "from aiokafka import AIOKafkaConsumer\ngetattr(consumer, '_fetcher')",
        "from aiokafka import AIOKafkaConsumer\nsetattr(consumer, '_closed', True)",
        "from aiokafka.errors import _private",
        "from aiokafka.consumer.fetcher import Fetcher",
        "import faststream.kafka.message",
    ],
)
def test_a_private_name_is_found(text: str) -> None:
    assert len(private_uses(text, "some.py")) == 1


def private_uses(text: str, path: str) -> list[str]:
    """Where a module that imports one of the libraries uses what their documentation does not name."""
    tree = ast.parse(text)
    nodes = list(ast.walk(tree))
    imports = [
        (line, module)
        for node in nodes
        for line, module in _imported(node)
        if module.split(".")[0] in LIBRARIES
    ]
    if not imports:
        return []
    lines = {line for line, module in imports if module not in DOCUMENTED}
    lines |= {node.lineno for node in nodes if isinstance(node, ast.expr) and _is_private_use(node)}
    return [f"{path}:{line}" for line in sorted(lines)]


def _imported(node: ast.AST) -> list[tuple[int, str]]:
    """Line and name of each imported module, and of each private name imported from it."""
    match node:
        case ast.Import(names=names):
            return [(node.lineno, alias.name) for alias in names]
        case ast.ImportFrom(module=str(module), names=names, level=0):
            return [(node.lineno, module)] + [
                (node.lineno, f"{module}.{alias.name}") for alias in names if _is_private(alias.name)
            ]
    return []


def _is_private_use(node: ast.expr) -> bool:
    match node:
        case ast.Attribute(value=ast.Name(id="self" | "cls")):
            return False
        case ast.Attribute(attr=name):
            return _is_private(name)
        case ast.Call(
            func=ast.Name(id="getattr" | "setattr" | "delattr"), args=[_, ast.Constant(value=name), *_]
        ):
            return _is_private(str(name))
    return False


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__") and name not in OF_NAMED_TUPLES
