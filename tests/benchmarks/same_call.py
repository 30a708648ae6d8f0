"""The answer in the same call: `Prefer: wait` beside what a team would write instead.

All servers get the same bodies from the same client, one after the other in the same run, and approve every
request. CPU is that of all their processes: for Mandaat intake, rules, Kafka and Redis; for the yardsticks
the server and PostgreSQL.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from statistics import quantiles
from typing import Any, Final, NamedTuple

import psutil
import psycopg

from deploy.local.part import listening
from deploy.local.process import Process
from deploy.local.settings import free_ports
from deploy.local.stack import Stack
from tests.benchmarks.bench_stack import ROOT, BenchStack, bench_stack
from tests.benchmarks.http_load import AGENTS
from tests.benchmarks.rows import Row, ShowProgress, Size
from tests.benchmarks.yardsticks.postgres import running_postgres
from tests.builders.policies import a_lead, a_mandate, a_policy

TENANT: Final = "acme"
MOST_SECONDS: Final = 10
AIM_TIMES: Final = 1.5
ONE_BUDGET_TIMES: Final = 1.1
TEAMS: Final = 20
MANDAAT: Final = "Mandaat"
TRANSACTION: Final = "FastAPI and PostgreSQL, a transaction"
FUNCTION: Final = "FastAPI and PostgreSQL, an SQL function"
CONSTANT: Final = "the server alone, a constant"


class Server(NamedTuple):
    """A server under load, and its processes."""

    name: str
    port: int
    key: str
    processes: tuple[psutil.Process, ...]

    def cpu(self) -> float:
        """The CPU seconds of all its processes, and of their children that run or have ended."""
        total = 0.0
        for process in self.processes:
            own = process.cpu_times()
            total += own.user + own.system + own.children_user + own.children_system
            for child in process.children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):  # has ended meanwhile
                    times = child.cpu_times()
                    total += times.user + times.system
        return total


class Seen(NamedTuple):
    """The times of the calls of one run and the CPU of a call in ms, calls a second, and failed calls."""

    p50: float
    p99: float
    cpu: float
    per_second: float
    failed: int


class Pace(NamedTuple):
    """The calls of one run: so many a second, or from so many callers without a pause."""

    per_second: int | None
    one_budget: bool = False
    callers: int = 64

    def __str__(self) -> str:
        pace = f"{self.callers} callers at once" if self.per_second is None else f"{self.per_second}/s"
        return f"{pace}, all on one budget" if self.one_budget else pace


PACES: Final = (
    *(Pace(200), Pace(None), Pace(None, one_budget=True)),  # these have an aim
    *(Pace(50), Pace(50, one_budget=True), Pace(200, one_budget=True)),
)
SMALL_PACES: Final = (Pace(20), Pace(None, callers=4), Pace(None, one_budget=True, callers=4))
"""Those with an aim, so slow that a busy machine answers every call in time."""
Figures = dict[tuple[str, Pace], Seen]


async def run(size: Size, show_progress: ShowProgress) -> list[Row]:
    """Every server at every pace."""
    seen: Figures = {}
    lasting = min(size.seconds, MOST_SECONDS)
    paces = PACES if lasting == MOST_SECONDS else SMALL_PACES
    async with _servers(size.stack) as servers:
        for pace in paces:
            for server in servers:
                show_progress(f"{pace}: {server.name}")
                seen[server.name, pace] = await _load(server, pace, lasting)
    return _rows(seen, *paces[:3])


def _rows(seen: Figures, at_rate: Pace, spread_out: Pace, on_one: Pace) -> list[Row]:
    """The figures of every run, and then those of the paces with an aim against those of the yardsticks."""
    rows: list[Row] = []
    for (name, pace), one in seen.items():
        what = f"{name}, {pace}"
        rows += [Row(f"{what}: p50", "ms", [one.p50]), Row(f"{what}: p99", "ms", [one.p99])]
        rows.append(Row(f"{what}: CPU of all processes a call", "ms", [one.cpu]))
        if pace.per_second is None:
            rows.append(Row(f"{what}: calls", "/s", [one.per_second]))
        if one.failed:
            rows.append(Row(f"{what}: calls without a decision", "", [one.failed]))
    mine, theirs = seen[MANDAAT, at_rate], seen[TRANSACTION, at_rate]
    spread, met = seen[MANDAAT, spread_out], seen[MANDAAT, on_one]
    return [
        *rows,
        Row(
            f"{MANDAAT}, p99 at {at_rate}, against a transaction",
            "times",
            [mine.p99 / theirs.p99],
            f"at most {AIM_TIMES}",
            AIM_TIMES,
        ),
        Row(
            f"{MANDAAT}, p50 at {at_rate}, against a transaction",
            "times",
            [mine.p50 / theirs.p50],
        ),
        Row(
            f"{MANDAAT}, p99 at {at_rate}, against an SQL function",
            "times",
            [mine.p99 / seen[FUNCTION, at_rate].p99],
        ),
        Row(
            f"{MANDAAT}, p99 at {at_rate}, against the server alone",
            "times",
            [mine.p99 / seen[CONSTANT, at_rate].p99],
        ),
        Row(
            f"{MANDAAT}, time of a call at saturation when all requests meet on one budget, against many",
            "times",
            [spread.per_second / met.per_second],
            f"at most {ONE_BUDGET_TIMES}",
            ONE_BUDGET_TIMES,
        ),
    ]


async def _load(server: Server, pace: Pace, lasting: float) -> Seen:
    wanted = {
        "host": "127.0.0.1",
        "port": server.port,
        "key": server.key,
        "per_second": pace.per_second,
        "connections": pace.callers,
        "one_budget": pace.one_budget,
        "lasting": lasting,
        "warm_seconds": min(2.0, lasting / 4),
    }
    before = server.cpu()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.benchmarks.http_load",
        json.dumps(wanted),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()
    if process.returncode != 0:
        raise RuntimeError(f"the load on {server.name} ended with {process.returncode}")
    found: dict[str, Any] = json.loads(said.decode().splitlines()[-1])
    milliseconds = [one * 1000 for one in found["seconds"]]
    cut = quantiles(milliseconds, n=100)
    calls = len(milliseconds)
    cpu = (server.cpu() - before) * 1000 / (calls + found["warm"])
    return Seen(cut[49], cut[98], cpu, calls / found["wall"], found["failed"])


@asynccontextmanager
async def _servers(there: Stack | None) -> AsyncIterator[list[Server]]:
    async with bench_stack(there) as here:
        await here.publish(*_policy())
        await here.start("rules", "intake")
        mandaat = Server(
            MANDAAT,
            int(here.stack.http("intake").rpartition(":")[2]),
            here.stack.api_key(TENANT),
            tuple(here.process(name) for name in ("intake", "rules", "kafka", "redis")),
        )
        ports = free_ports()
        with (
            running_postgres(ports.redis_port) as (address, postgres),
            _yardstick(here, "constant", CONSTANT, ports.intake_port) as constant,
            _yardstick(here, "transaction", TRANSACTION, ports.rules_port, address, postgres) as transaction,
            _yardstick(here, "function", FUNCTION, ports.notifier_port, address, postgres) as function,
        ):
            _hire(address)
            yield [mandaat, constant, transaction, function]


@contextmanager
def _yardstick(
    here: BenchStack,
    kind: str,
    name: str,
    port: int,
    address: str = "",
    postgres: Process | None = None,
) -> Iterator[Server]:
    """A server of tests.benchmarks.yardsticks; the one with transactions runs as two processes."""
    number = 2 if kind == "transaction" else 1
    processes = [Process(f"yardstick-{kind}-{n}", here.stack.state) for n in range(number)]
    command = [sys.executable, "-m", "tests.benchmarks.yardsticks.server", str(port)]
    environment = {**os.environ, "YARDSTICK": kind, "POSTGRES": address, "PYTHONPATH": str(ROOT)}
    try:
        for process in processes:
            process.spawn(command, environment, {"port": port})
        for process in processes:
            process.wait_until(lambda: listening(port), 60)
        every = [*processes, *([postgres] if postgres is not None else [])]
        running = tuple(found for one in every if (found := one.running()) is not None)
        yield Server(name, port, "none", running)
    finally:
        for process in processes:
            process.stop(10)


def _policy() -> tuple[str, list[dict[str, Any]]]:
    """The policy of the yardsticks, and the staff: 100 agents in 20 teams, each with a lead."""
    mandate = a_mandate(
        id="late-delivery",
        categories=["delivery"],
        when="facts.days_late >= 3",
        limit=50,
        budgets=["agent-day", "team-week"],
    )
    budgets = {
        "agent-day": {"per": "agent", "window": "day", "cap": 10_000_000_000},
        "team-week": {"per": "team", "window": "week", "cap": 100_000_000_000},
    }
    policy = a_policy(mandate, a_lead(), timezone="Europe/Amsterdam", budgets=budgets)
    leads = [_member(f"lead-{n:02d}", "team_lead", n) for n in range(TEAMS)]
    return policy, [*(_member(f"agent-{n:03d}", "agent", n % TEAMS) for n in range(AGENTS)), *leads]


def _member(agent_id: str, role: str, team: int) -> dict[str, Any]:
    return {
        "tenant": TENANT,
        "agent_id": agent_id,
        "name": agent_id,
        "role": role,
        "team": f"team-{team:02d}",
    }


def _hire(address: str) -> None:
    _, staff = _policy()
    with psycopg.connect(address) as connection, connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO staff VALUES (%(agent_id)s, %(role)s, %(team)s) ON CONFLICT DO NOTHING", staff
        )
