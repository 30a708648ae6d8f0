"""The whole local stack: Kafka, Redis, the sinks and the three services, started in that order.

    stack = Stack(state_dir(), Ports())
    stack.up()                       # starts what does not run yet, and returns when all are ready
    stack.kill("rules")              # for tests of faults
    stack.start("rules")
    stack.down()

A second worker of a service is `rules-2`: `stack.start("rules-2")`.
"""

from __future__ import annotations

import asyncio
import fcntl
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import monotonic, sleep

import httpx
from aiokafka.errors import KafkaError

from deploy.local import access, valkey
from deploy.local.guardian import guarded
from deploy.local.kafka import broker, jars
from deploy.local.part import StackPart, listening
from deploy.local.problems import StackError, StartError
from deploy.local.process import Process
from deploy.local.settings import HOST, Ports, free_ports
from deploy.local.topics import ensure_topics
from schemas.topics import Sizes

BACKING = ("kafka", "redis", "sinks")
SERVICES = ("intake", "rules", "notifier")
ALL = (*BACKING, *SERVICES)
SIZES = Sizes(partitions=6, replication=1, fence_ms=1000, clock_ms=1000)
"""For the local stack and the tests; their meaning is in docs/ledger.md, Topics."""
LOCK_SECONDS = 180.0
STOP_SECONDS = 10.0
"""From SIGTERM on; then a service is killed, which its exit code shows."""

Report = Callable[[str, str], None]
"""Called with the name of a part and what happens to it."""


def _no_report(_part: str, _what: str) -> None:
    """Does nothing."""


@dataclass(frozen=True)
class PartStatus:
    """The state of a part."""

    name: str
    pid: int | None
    ready: bool
    ports: Mapping[str, int]
    log: Path


class Stack:
    """All parts of one state directory. Not thread-safe."""

    def __init__(
        self,
        state: Path,
        ports: Ports,
        *,
        report: Report = _no_report,
        fetched: jars.Progress | None = None,
        instead: Mapping[str, StackPart] | None = None,
    ) -> None:
        """`instead`: parts by name that run in another way (in containers, for tests)."""
        self.state = state.absolute()
        self._instead = instead or {}
        self._asked_ports = ports
        self._report = report
        self._fetched = fetched
        self._others: dict[str, int] = {}

    def up(self, only: Iterable[str] = ALL) -> None:
        """Starts what does not run yet, in order, and returns when all of `only` are ready.

        Raises StackError when a port is taken (then nothing was started) or a topic differs, and StartError
        when a part does not start. What runs then keeps running.
        """
        chosen = tuple(only)
        with self._locked():
            self._prepare()
            for name in chosen:
                if name not in self._instead:
                    self.part(name).check_ports()
            self._start_together([name for name in chosen if name in BACKING])
            if "kafka" in chosen:
                self.create_topics()
            self._start_together([name for name in chosen if name not in BACKING])

    def down(self) -> None:
        """Stops all that runs, services first, also what another command started. Data stays."""
        with self._locked():
            recorded = sorted(path.stem for path in (self.state / "processes").glob("*.json"))
            services = [name for name in recorded if name not in BACKING]
            for name in (*services, "sinks", "kafka", "redis"):
                if self.part(name).running():
                    self._report(name, "stopping")
                self.stop(name)

    def status(self) -> list[PartStatus]:
        """Every part, and every further worker that was started."""
        recorded = {path.stem for path in (self.state / "processes").glob("*.json")}
        return [self._status(name) for name in (*ALL, *sorted(recorded - set(ALL)))]

    def create_topics(self) -> None:
        """Creates missing topics. Raises StackError when an existing one differs from what it must be."""
        try:
            outcome = asyncio.run(ensure_topics(self.bootstrap, SIZES))
        except KafkaError as problem:
            raise StackError(f"the topics cannot be created or checked: {problem}") from problem
        if outcome.differences:
            raise StackError("topics differ from what they must be:\n  " + "\n  ".join(outcome.differences))

    def start(self, name: str, environment: Mapping[str, str] | None = None) -> None:
        """Starts a part, with `environment` added to its own, and returns when it is ready."""
        part = self.part(name)
        part.extra.update(environment or {})
        self._prepare()
        part.begin()
        part.wait_ready()

    def begin(self, name: str, environment: Mapping[str, str] | None = None) -> None:
        """Starts a part and does not wait."""
        part = self.part(name)
        part.extra.update(environment or {})
        self._prepare()
        part.begin()

    def stop(self, name: str) -> int | None:
        """SIGTERM, and later SIGKILL. Returns its exit code, if this process started it."""
        return self.part(name).stop()

    def kill(self, name: str) -> None:
        """SIGKILL."""
        self.part(name).kill()

    def pause(self, name: str) -> None:
        """SIGSTOP."""
        self.part(name).pause()

    def resume(self, name: str) -> None:
        """SIGCONT."""
        self.part(name).resume()

    def running(self, name: str) -> bool:
        """Whether its process runs, ready or not."""
        return self.part(name).running()

    def refuse_stopped(self, names: Iterable[str] = ALL) -> None:
        """Raises StartError with the end of its log when one of them does not run any more."""
        for process in (self.part(name).process for name in names if not self.running(name)):
            raise StartError(f"{process.name} stopped (log: {process.log})", process.tail())

    def log(self, name: str) -> Path:
        """The file with its standard output and standard error."""
        return self.part(name).process.log

    @property
    def ports(self) -> Ports:
        """The ports asked for; for parts that already run, those that they have."""
        actual: dict[str, int] = self._asked_ports.model_dump()
        for name in ALL:
            process = Process(name, self.state)
            record = process.recorded()
            if record is not None and process.running() is not None:
                actual |= {key: port for key, port in record.ports.items() if key in actual}
        return self._asked_ports.model_copy(update=actual)

    @property
    def bootstrap(self) -> str:
        """The address of Kafka."""
        return f"{HOST}:{self.ports.kafka_port}"

    @property
    def redis_url(self) -> str:
        """The address of Redis, with its password."""
        return valkey.url(self.state / "redis", self.ports.redis_port)

    @property
    def mail_folder(self) -> Path:
        """The folder of received mails (read by deploy.local.sinks.mail)."""
        return self.state / "mail"

    @property
    def webhook_folder(self) -> Path:
        """The folder of received webhooks (read by deploy.local.sinks.webhook)."""
        return self.state / "webhook"

    def http(self, service: str) -> str:
        """The base address of a service (or of `rules-2`), or of the webhook receiver (`webhook`)."""
        return f"http://{HOST}:{self._http_port(service)}"

    def api_key(self, tenant: str) -> str:
        """The key of a tenant of this stack."""
        return access.api_key(self.state, tenant)

    def addresses(self) -> dict[str, str]:
        """All addresses and folders by name; Redis without its password."""
        ports = self.ports
        return {
            **{service: self.http(service) for service in SERVICES},
            "kafka": self.bootstrap,
            "redis": f"redis://{HOST}:{ports.redis_port}/0",
            "smtp": f"smtp://{HOST}:{ports.smtp_port}",
            "webhook": self.http("webhook"),
            "mail": str(self.mail_folder),
            "webhooks": str(self.webhook_folder),
            "keys": str(access.key_file(self.state, access.TENANTS[0]).parent),
            "logs": str(self.state / "logs"),
        }

    def environment(self, name: str) -> dict[str, str]:
        """The settings of a service of this stack."""
        return {
            "MANDAAT_KAFKA_BOOTSTRAP": self.bootstrap,
            "MANDAAT_REDIS_URL": self.redis_url,
            "MANDAAT_HTTP_HOST": HOST,
            "MANDAAT_HTTP_PORT": str(self._http_port(name)),
            "MANDAAT_NOTIFIER_URL": self.http("notifier"),
            "MANDAAT_KEYS_FILE": str(access.keys_file(self.state)),
            "MANDAAT_SENDERS_FILE": str(access.senders_file(self.state)),
            "MANDAAT_WEBHOOKS_FILE": str(access.webhooks_file(self.state)),
            "MANDAAT_PARTITIONS": str(SIZES.partitions),
            "MANDAAT_REPLICATION": str(SIZES.replication),
            "MANDAAT_FENCE_SECONDS": str(SIZES.fence_ms / 1000),
            "MANDAAT_CLOCK_SECONDS": str(SIZES.clock_ms / 1000),
            "MANDAAT_SMTP_HOST": HOST,
            "MANDAAT_SMTP_PORT": str(self.ports.smtp_port),
            "MANDAAT_SMTP_STARTTLS": "false",
            "MANDAAT_MAIL_FROM": "Mandaat <mandaat@example.com>",
        }

    def part(self, name: str) -> StackPart:
        """A part by name. Raises StackError for an unknown name."""
        if name in self._instead:
            return self._instead[name]
        ports, process = self.ports, Process(name, self.state)
        new = partial(StackPart, process)
        match name.partition("-")[0]:
            case "kafka" if name == "kafka":
                own = {"kafka_port": ports.kafka_port, "controller_port": ports.controller_port}
                command = partial(broker.prepare, self.state / "kafka", ports, self._fetched)
                return new(own, command, dict, partial(broker.answers, ports.kafka_port), 60, 30)
            case "redis" if name == "redis":
                command = partial(valkey.prepare, self.state / "redis", ports.redis_port)
                ready = partial(valkey.answers, self.redis_url)
                return new({"redis_port": ports.redis_port}, command, dict, ready, 30, 15)
            case "sinks" if name == "sinks":
                own = {"smtp_port": ports.smtp_port, "webhook_port": ports.webhook_port}
                command = partial(self._python, "deploy.local.sinks", self.state, *own.values())
                return new(own, command, dict, self._sinks_ready, 30, 5)
            case service if service in SERVICES:
                own = {f"{name}_port": self._http_port(name)}
                command = partial(self._python, f"services.{service}")
                ready = partial(_ok, f"{self.http(name)}/readyz")
                return new(own, command, partial(self.environment, name), ready, 60, STOP_SECONDS)
        raise StackError(f"no part of the stack is called {name}; there are {', '.join(ALL)}")

    def _python(self, module: str, *arguments: object) -> list[str]:
        return [sys.executable, "-m", module, *map(str, arguments)]

    def _http_port(self, name: str) -> int:
        known: dict[str, int] = self.ports.model_dump()
        if f"{name}_port" in known:
            return known[f"{name}_port"]
        record = Process(name, self.state).recorded()
        if record is not None:
            return record.ports[f"{name}_port"]
        return self._others.setdefault(name, free_ports().intake_port)

    def _sinks_ready(self) -> bool:
        return listening(self.ports.smtp_port) and _ok(f"{self.http('webhook')}/livez")

    def _prepare(self) -> None:
        self.state.mkdir(parents=True, exist_ok=True)
        access.prepare(self.state, self.http("webhook"))

    def _start_together(self, names: Sequence[str]) -> None:
        started = monotonic()
        parts = [self.part(name) for name in names]
        new = [part for part in parts if self._begin(part)]
        for part in parts:
            part.wait_ready()
            if part in new:
                self._report(part.name, f"ready after {monotonic() - started:.1f} s")

    def _begin(self, part: StackPart) -> bool:
        self._report(part.name, "runs already" if part.running() else "starting")
        return part.begin()

    def _status(self, name: str) -> PartStatus:
        part = self.part(name)
        found = part.process.running()
        ready = found is not None and part.ready()
        return PartStatus(name, found.pid if found else None, ready, part.ports, part.process.log)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One `up` or `down` at a time in a state directory; the lock ends with the process that holds it."""
        self.state.mkdir(parents=True, exist_ok=True)
        with (self.state / "lock").open("w") as lock:
            self._take(lock.fileno())
            yield

    def _take(self, lock: int) -> None:
        deadline, reported = monotonic() + LOCK_SECONDS, False
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if monotonic() > deadline:
                    raise StackError(f"another command still works on {self.state}") from None
            if not reported:
                self._report("stack", f"another command works on {self.state}; waiting for it")
                reported = True
            sleep(0.1)


@contextmanager
def temporary_stack(
    state: Path, ports: Ports, instead: Mapping[str, StackPart] | None = None
) -> Iterator[Stack]:
    """A stack that ends with the block, and with this process, however that ends."""
    one = Stack(state, ports, instead=instead)
    with guarded(one.state):
        try:
            yield one
        finally:
            one.down()


def _ok(address: str) -> bool:
    try:
        return httpx.get(address, timeout=2).status_code == 200
    except httpx.HTTPError:
        return False
