"""A Kafka, a Redis and workers of rules of their own, and the cost of a backlog."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import psutil
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from deploy.local.guardian import guarded
from deploy.local.settings import free_ports
from deploy.local.stack import SIZES, Stack
from schemas import topics
from schemas.cloud_event import HEADERS
from schemas.staff import staff_key
from services.chassis.kafka.producer import partition_for
from tests.benchmarks.case_templates import Submitted
from tests.builders.policies import a_policy_record
from tests.waiting import eventually

BATCH_BYTES = 900_000
GROUP = "mandaat-rules"
BACKING = ("kafka", "redis")
READY_SECONDS = 300.0
"""Reading a million agents takes long."""
CHUNK = 50_000
ROOT = Path(__file__).parents[2]
Records = dict[int, list[tuple[bytes, bytes]]]
"""Partition -> keys and values."""
Span = dict[int, tuple[int, int]]
"""Partition -> the first offset, and the one after the last."""


class Cost(NamedTuple):
    """The cost of some records in seconds: CPU of all processes (user and system), and wall time."""

    cpu: float
    wall: float
    records: int

    @property
    def cpu_us(self) -> float:
        """Microseconds of CPU a record."""
        return self.cpu / self.records * 1e6

    @property
    def per_second(self) -> float:
        """Records a second."""
        return self.records / self.wall


class BenchStack:
    """Kafka and Redis in a folder of their own, with workers."""

    def __init__(self, stack: Stack, producer: AIOKafkaProducer, admin: AIOKafkaAdminClient) -> None:
        self.stack = stack
        self._producer = producer
        self._admin = admin
        self._seen: dict[TopicPartition, int] = {}

    async def publish(self, policy: str, staff: Iterable[Mapping[str, Any]]) -> None:
        """Activate a policy and hire the staff."""
        row = a_policy_record(policy)
        await self.put(topics.POLICIES, [(row["name"], row)])
        await self.put(topics.STAFF, ((staff_key(one["tenant"], one["agent_id"]), one) for one in staff))

    async def put(self, topic: str, rows: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
        """Publish rows of a table."""
        left = iter(rows)
        while chunk := list(islice(left, CHUNK)):
            await self._put(topic, chunk)

    async def _put(self, topic: str, rows: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
        by_partition: defaultdict[int, list[tuple[bytes, bytes]]] = defaultdict(list)
        partitions = len(await self._producer.partitions_for(topic))
        for key, row in rows:
            by_partition[partition_for(key.encode(), partitions)].append(
                (key.encode(), json.dumps(row).encode())
            )
        await self.append(topic, by_partition)

    async def fill(self, cases: Sequence[Submitted], topic: str = topics.CASES) -> Span:
        """Append cases to mandaat.cases or a topic like it. Returns their offsets."""
        by_partition: defaultdict[int, list[tuple[bytes, bytes]]] = defaultdict(list)
        for one in cases:
            by_partition[one.partition].append((one.key, one.value))
        return await self.append(topic, by_partition)

    async def append(self, topic: str, records: Records) -> Span:
        """Append records by partition. Returns their offsets."""
        spans = await asyncio.gather(*(self._append_to(topic, p, mine) for p, mine in records.items()))
        return dict(zip(records, spans, strict=True))

    async def _append_to(self, topic: str, p: int, records: Sequence[tuple[bytes, bytes]]) -> tuple[int, int]:
        waiting, batch = [], self._producer.create_batch()
        for key, value in records:
            if batch.append(key=key, value=value, timestamp=None, headers=list(HEADERS)) is None:
                waiting.append(await self._producer.send_batch(batch, topic, partition=p))
                batch = self._producer.create_batch()
                batch.append(key=key, value=value, timestamp=None, headers=list(HEADERS))
        waiting.append(await self._producer.send_batch(batch, topic, partition=p))
        landed = [await one for one in waiting]
        first = int(landed[0].offset)
        return first, first + len(records)

    async def start(self, *workers: str) -> None:
        """Start workers; return when all are ready."""
        for name in workers:
            await asyncio.to_thread(self.stack.begin, name)
        for name in workers:
            ready = partial(asyncio.to_thread, self._ready, name)
            await eventually(ready, seconds=READY_SECONDS, what=f"{name} is ready")

    def _ready(self, name: str) -> bool:
        self.stack.refuse_stopped([name])
        return self.stack.part(name).ready()

    async def stop(self, *workers: str) -> None:
        """Stop workers."""
        for name in workers:
            await asyncio.to_thread(self.stack.stop, name)

    def process(self, worker: str) -> psutil.Process:
        """The process of a worker. Raises LookupError if it does not run."""
        found = self.stack.part(worker).process.running()
        if found is None:
            raise LookupError(f"{worker} does not run")
        return found

    async def decide(self, cases: Sequence[Submitted], workers: Sequence[str] = ("rules",)) -> Cost:
        """The cost for the workers of deciding a backlog that is there from the start."""
        cost, _ = await self.decide_at(cases, workers)
        return cost

    async def decide_at(
        self, cases: Sequence[Submitted], workers: Sequence[str] = ("rules",)
    ) -> tuple[Cost, Span]:
        """The same, with the offsets of the cases.

        The workers are paused meanwhile, for less than their session timeout, so that batches are full.
        """
        for name in workers:
            self.stack.pause(name)
        try:
            span = await self.fill(cases)
        finally:
            before = [self.process(name).cpu_times() for name in workers]
            for name in workers:
                self.stack.resume(name)
        started = time.monotonic()
        await self.committed(span, workers)
        wall = time.monotonic() - started
        after = [self.process(name).cpu_times() for name in workers]
        cpu = sum(b.user + b.system - a.user - a.system for a, b in zip(before, after, strict=True))
        return Cost(cpu, wall, len(cases)), span

    async def check(self, cases: Sequence[Submitted], topic: str = topics.DECISIONS) -> None:
        """Fail unless each case has its expected outcome."""
        found = await self.outcomes(topic)
        wrong = {case.key: found.get(case.key) for case in cases if found.get(case.key) != case.outcome}
        assert not wrong, (
            f"{len(wrong)} of {len(cases)} have another outcome, such as {next(iter(wrong.items()))}"
        )

    async def metric(self, worker: str, name: str) -> float:
        """The value of a worker's metric without labels."""
        async with httpx.AsyncClient() as client:
            text = (await client.get(f"{self.stack.http(worker)}/metrics")).text
        return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(name + " "))

    async def committed(
        self, span: Span, workers: Sequence[str] = (), group: str = GROUP, topic: str = topics.CASES
    ) -> None:
        """Wait until the group has committed all of these. Raises StartError if a worker stopped."""

        async def done() -> bool:
            self.stack.refuse_stopped(workers)
            offsets = await self._admin.list_consumer_group_offsets(group)
            return all(
                (place := offsets.get(TopicPartition(topic, p))) is not None and place.offset >= end
                for p, (_, end) in span.items()
            )

        await eventually(done, seconds=300.0, what=f"{group} is done")

    async def copy(self, span: Span, topic: str = topics.CASES) -> Cost:
        """The cost of a raw batch copy of these records: the yardstick."""
        said = await self.run("tests.benchmarks.yardstick", topic, json.dumps(span))
        return Cost(**json.loads(said))

    async def run(self, module: str, *arguments: str, python: Path = Path(sys.executable)) -> str:
        """Run a module in a process of its own. Returns the last line of its output."""
        process = await asyncio.create_subprocess_exec(
            *(str(python), "-m", module, self.stack.bootstrap, *arguments),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
        )
        said, _ = await process.communicate()
        if process.returncode != 0:
            raise RuntimeError(f"{module} ended with {process.returncode}")
        return said.decode().splitlines()[-1]

    async def outcomes(self, topic: str = topics.DECISIONS) -> dict[bytes, str]:
        """Key -> outcome of the first decision, of all events published since the last call."""
        found: dict[bytes, str] = {}
        async for key, value in self._fresh(topic):
            if key is not None and b'"type":"mandaat.decision.' in value[:200]:
                found.setdefault(key, json.loads(value)["data"]["outcome"])
        return found

    async def _fresh(self, topic: str) -> AsyncIterator[tuple[bytes | None, bytes]]:
        consumer = AIOKafkaConsumer(bootstrap_servers=self.stack.bootstrap)
        await consumer.start()
        try:
            places = [TopicPartition(topic, p) for p in await self._producer.partitions_for(topic)]
            consumer.assign(places)
            ends = await consumer.end_offsets(places)
            for tp in places:
                consumer.seek(tp, self._seen.get(tp, 0))
            while any([await consumer.position(tp) < end for tp, end in ends.items()]):
                for records in (await consumer.getmany(timeout_ms=200, max_records=5000)).values():
                    for record in records:
                        yield record.key, record.value or b""
            self._seen |= ends
        finally:
            await consumer.stop()

    async def _laid(self, name: str) -> bool:
        return name in await self._admin.list_topics() and bool(await self._producer.partitions_for(name))

    async def topic(self, name: str) -> str:
        """Create a topic like mandaat.cases, unless it is there."""
        new = NewTopic(name, SIZES.partitions, SIZES.replication)
        if name in await self._admin.list_topics():
            return name
        await self._admin.create_topics([new], timeout_ms=10_000)
        await eventually(partial(self._laid, name), what=f"{name} is there")
        return name


@asynccontextmanager
async def bench_stack(there: Stack | None = None) -> AsyncIterator[BenchStack]:
    """A new stack that is removed afterwards, or the given one."""
    if there is not None:
        await asyncio.to_thread(there.up, BACKING)
        async with _opened(there) as one:
            yield one
        return
    folder = Path(tempfile.mkdtemp(prefix="mandaat-bench-"))
    stack = Stack(folder, free_ports())
    with guarded(folder):
        try:
            await asyncio.to_thread(stack.up, BACKING)
            async with _opened(stack) as one:
                yield one
        finally:
            await asyncio.to_thread(stack.down)
            shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def _opened(stack: Stack) -> AsyncIterator[BenchStack]:
    producer = AIOKafkaProducer(
        bootstrap_servers=stack.bootstrap, acks="all", max_batch_size=BATCH_BYTES, max_request_size=2**22
    )
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.bootstrap)
    await producer.start()
    await admin.start()
    try:
        yield BenchStack(stack, producer, admin)
    finally:
        await producer.stop()
        await admin.close()
