"""Formats and starts Kafka, and checks whether it is ready."""

from __future__ import annotations

import base64
import os
import socket
import struct
import subprocess
import uuid
from pathlib import Path

from deploy.local.kafka import jars
from deploy.local.kafka.java import java
from deploy.local.problems import StartError
from deploy.local.settings import HOST, Ports, cache_dir
from schemas.topics import CASES_RETENTION_MS

LIGHT = ("-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
"""For a broker that runs for minutes: with its second compiler the demonstration took 16 s of CPU, not 6."""
FORMAT_TIMEOUT_SECONDS = 60
_HERE = Path(__file__).parent
_API_VERSIONS = 18


def command(main_class: str, *arguments: str, progress: jars.Progress | None = None) -> list[str]:
    """The command that runs a program of Kafka; downloads its jars when they are not in the cache."""
    classpath = os.pathsep.join(map(str, jars.ensure(cache_dir() / "kafka", progress)))
    logging = f"-Dlog4j2.configurationFile={_HERE / 'log4j2.properties'}"
    return [str(java()), *LIGHT, logging, "-cp", classpath, main_class, *arguments]


def prepare(folder: Path, ports: Ports, progress: jars.Progress | None = None) -> list[str]:
    """Writes the settings, formats the storage once, and returns the command that starts the broker."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = folder / "server.properties"
    settings.write_text(
        (_HERE / "server.properties")
        .read_text(encoding="utf-8")
        .format(
            host=HOST,
            kafka_port=ports.kafka_port,
            controller_port=ports.controller_port,
            data=folder / "data",
            offsets_retention_minutes=CASES_RETENTION_MS // 60_000,
        ),
        encoding="utf-8",
    )
    start = command("kafka.Kafka", str(settings), progress=progress)
    if not (folder / "data" / "meta.properties").exists():
        _format(settings)
    return start


def _format(settings: Path) -> None:
    cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
    if cluster.startswith("-"):
        cluster = "A" + cluster[1:]  # the tool would take it for an option
    tool = command(
        "kafka.tools.StorageTool", "format", "--ignore-formatted", "-t", cluster, "-c", str(settings)
    )
    done = subprocess.run(  # noqa: S603 - the command is made above
        tool, capture_output=True, text=True, check=False, timeout=FORMAT_TIMEOUT_SECONDS
    )
    if done.returncode != 0:
        raise StartError("Kafka's storage could not be formatted", (done.stdout + done.stderr)[-4000:])


def answers(port: int, timeout_seconds: float = 1.0) -> bool:
    """Whether a broker answers on this port, which it does once it is registered and unfenced."""
    client = b"mandaat"
    request = struct.pack(f">hhih{len(client)}s", _API_VERSIONS, 0, 1, len(client), client)
    try:
        with socket.create_connection((HOST, port), timeout_seconds) as connection:
            connection.settimeout(timeout_seconds)
            connection.sendall(struct.pack(">i", len(request)) + request)
            reply = connection.recv(10, socket.MSG_WAITALL)
    except OSError:
        return False
    return len(reply) == 10 and struct.unpack(">iih", reply)[1:] == (1, 0)
