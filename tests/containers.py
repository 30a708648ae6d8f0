"""Kafka and Redis as containers instead of packages: MANDAAT_TEST_STACK=docker.

They replace two parts of the local stack and listen on the same ports, so that tests need no change.
Untested: no machine that ran these tests had Docker.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from testcontainers.core.container import DockerContainer

from deploy.local import valkey
from deploy.local.kafka import broker
from deploy.local.part import StackPart
from deploy.local.process import Process
from deploy.local.settings import HOST, Ports
from schemas.topics import CASES_RETENTION_MS

KAFKA_IMAGE = "apache/kafka:4.3.0"
REDIS_IMAGE = "valkey/valkey:9"
GRACE_SECONDS = 15


class ContainerPart(StackPart):
    """A part whose process runs in a container. Its data is lost with the container."""

    def __init__(
        self,
        name: str,
        state: Path,
        ports: Mapping[str, int],
        container: DockerContainer,
        ready: Callable[[], bool],
    ) -> None:
        super().__init__(Process(name, state), ports, list, dict, ready, 60, GRACE_SECONDS)
        self._container = container
        self._made = False

    def running(self) -> bool:
        if not self._made:
            return False
        inside = self._container.get_wrapped_container()
        inside.reload()
        return str(inside.status) in ("running", "paused")

    def begin(self) -> bool:
        if self.running():
            return False
        if self._made:
            self._container.get_wrapped_container().start()
        else:
            self._container.start()
            self._made = True
        return True

    def wait_ready(self) -> None:
        from tests.waiting import wait_until

        wait_until(self.ready, seconds=self.ready_seconds, what=f"{self.name} in its container is ready")

    def stop(self) -> int | None:
        if self.running():
            self._container.get_wrapped_container().stop(timeout=GRACE_SECONDS)
        return None

    def kill(self) -> None:
        self._container.get_wrapped_container().kill()

    def pause(self) -> None:
        self._container.get_wrapped_container().pause()

    def resume(self) -> None:
        self._container.get_wrapped_container().unpause()

    def remove(self) -> None:
        """Remove the container."""
        if self._made:
            self._container.stop()


def kafka_container(state: Path, ports: Ports) -> ContainerPart:
    """Apache Kafka's own image, one node, with the settings of deploy/local/kafka/server.properties."""
    port = ports.kafka_port
    settings = {
        "KAFKA_NODE_ID": "1",
        "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
        "KAFKA_LISTENERS": f"PLAINTEXT://:{port},CONTROLLER://:9093",
        "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://{HOST}:{port}",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "KAFKA_INTER_BROKER_LISTENER_NAME": "PLAINTEXT",
        "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
        "KAFKA_UNCLEAN_LEADER_ELECTION_ENABLE": "false",
        "KAFKA_OFFSETS_RETENTION_MINUTES": str(CASES_RETENTION_MS // 60_000),
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
        "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "50",
        "KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS": "1000",
    }
    container = DockerContainer(KAFKA_IMAGE).with_bind_ports(port, port)
    for name, value in settings.items():
        container = container.with_env(name, value)
    return ContainerPart("kafka", state, {"kafka_port": port}, container, lambda: broker.answers(port))


def redis_container(state: Path, ports: Ports) -> ContainerPart:
    """Valkey's own image, with the settings of deploy/local/valkey.py."""
    port, folder = ports.redis_port, state / "redis"
    command = [
        "valkey-server",
        *("--appendonly", "yes", "--appendfsync", "everysec", "--save", ""),
        *("--maxmemory-policy", "noeviction", "--hash-max-listpack-entries", "512"),
        *("--requirepass", valkey.password(folder)),
    ]
    container = DockerContainer(REDIS_IMAGE).with_bind_ports(6379, port).with_command(command)
    address = valkey.url(folder, port)
    return ContainerPart("redis", state, {"redis_port": port}, container, lambda: valkey.answers(address))
