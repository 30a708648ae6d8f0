"""Three brokers on this machine. The first leads the journal, and its followers can be held up.

Brokers replicate over a listener of their own. That of the first is advertised behind a proxy: while it is
held, what the first appends to the journal is neither replicated nor acknowledged, and all else goes on.
"""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from deploy.local.guardian import guarded
from deploy.local.kafka import broker
from deploy.local.part import StackPart
from deploy.local.process import Process
from deploy.local.settings import HOST, Ports, free_ports
from schemas.topics import DECISIONS, TOPICS, Sizes

SIZES = Sizes(partitions=6, replication=3, fence_ms=1000, clock_ms=1000)
CLUSTER = "three-brokers-of-test1"
NODES = (1, 2, 3)
SETTINGS = """\
process.roles={roles}
node.id={node}
controller.quorum.voters=1@{host}:{controller}
listeners={listeners}
advertised.listeners=CLIENT://{host}:{client},INTERNAL://{host}:{advertised}
listener.security.protocol.map=CLIENT:PLAINTEXT,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=INTERNAL
log.dirs={data}
auto.create.topics.enable=false
unclean.leader.election.enable=false
offsets.retention.minutes=43200
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=50
num.network.threads=2
num.io.threads=4
log.cleaner.dedupe.buffer.size=8388608
log.cleaner.threads=1
# A follower that is held up stays in sync for longer than a test holds it.
replica.lag.time.max.ms=60000
replica.socket.timeout.ms=60000
"""


class Proxy:
    """Forwards bytes to a port, unless it is held."""

    def __init__(self, port: int, to: int) -> None:
        self.port = port
        self._to = to
        self._open = asyncio.Event()
        self._open.set()
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Proxy]:
        """Listen while the block runs."""
        server = await asyncio.start_server(self._accept, HOST, self.port)
        try:
            yield self
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()

    def hold(self) -> None:
        """Hold all bytes from now on."""
        self._open.clear()

    def release(self) -> None:
        """Forward the held bytes, and all later ones."""
        self._open.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection(HOST, self._to)
        except OSError:
            writer.close()
            return
        for one in (self._pump(reader, back), self._pump(there, writer)):
            task = asyncio.create_task(one)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                await self._open.wait()
                writer.write(data)
                await writer.drain()
        writer.close()


@asynccontextmanager
async def three_brokers(folder: Path, ports: Ports) -> AsyncIterator[Proxy]:
    """The cluster, with all topics, its first broker at `ports.kafka_port`; gives the proxy."""
    others, internal = free_ports(), free_ports()
    clients = (ports.kafka_port, others.kafka_port, others.controller_port)
    insides = (internal.kafka_port, internal.controller_port, internal.redis_port)
    proxy = Proxy(internal.smtp_port, insides[0])
    parts = []
    with guarded(folder):
        async with proxy.running():
            try:
                for node, client, inside in zip(NODES, clients, insides, strict=True):
                    advertised = proxy.port if node == 1 else inside
                    settings = _settings(folder, node, client, inside, advertised, ports.controller_port)
                    parts.append(_part(folder, node, client, settings))
                for part in parts:
                    await asyncio.to_thread(part.begin)
                for part in parts:
                    await asyncio.to_thread(part.wait_ready)
                await _create_topics(f"{HOST}:{ports.kafka_port}")
                yield proxy
            finally:
                proxy.release()
                for part in reversed(parts):
                    part.kill()


def _settings(folder: Path, node: int, client: int, inside: int, advertised: int, controller: int) -> Path:
    listeners = [f"CLIENT://{HOST}:{client}", f"INTERNAL://{HOST}:{inside}"]
    if node == 1:
        listeners.append(f"CONTROLLER://{HOST}:{controller}")
    own = folder / f"broker-{node}"
    own.mkdir(parents=True)
    settings = own / "server.properties"
    settings.write_text(
        SETTINGS.format(
            roles="broker,controller" if node == 1 else "broker",
            node=node,
            host=HOST,
            controller=controller,
            listeners=",".join(listeners),
            client=client,
            advertised=advertised,
            data=own / "data",
        )
    )
    tool = broker.command("kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c", str(settings))
    subprocess.run(tool, check=True, capture_output=True, timeout=60)
    return settings


def _part(folder: Path, node: int, client: int, settings: Path) -> StackPart:
    return StackPart(
        Process(f"broker-{node}", folder),
        {},
        partial(broker.command, "kafka.Kafka", str(settings)),
        dict,
        partial(broker.answers, client),
        90,
        30,
    )


async def _create_topics(bootstrap: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        new = [
            NewTopic(
                topic.name,
                -1,
                -1,
                replica_assignments={
                    p: [1, 2, 3] if topic.name == DECISIONS else [2, 3, 1] for p in range(SIZES.partitions)
                },
                topic_configs=topic.config(SIZES),
            )
            for topic in TOPICS
        ]
        answer = await admin.create_topics(new, timeout_ms=30_000)
        assert not [error for error in answer.topic_errors if error[1]], answer.topic_errors
    finally:
        await admin.close()
