"""FastAPI servers that decide by a policy written into the code.

    YARDSTICK=transaction POSTGRES=postgresql://... python -m tests.benchmarks.yardsticks.server PORT

Several processes may share a port; the kernel deals connections out among them.
`constant` answers without looking at anything, on the server of Mandaat's services. `transaction` decides in
one transaction with row locks on both budgets. `function` calls one SQL function. The two check the
same body, keep the decision, answer a repeat from it, and never overspend a budget.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

import uvicorn
from fastapi import FastAPI, Request, Response
from psycopg import AsyncConnection
from psycopg.types.json import Jsonb
from psycopg_pool import AsyncConnectionPool
from pydantic import BaseModel

from services.chassis.http.server import Health, create_app
from services.chassis.process.metrics import Metrics

ZONE: Final = ZoneInfo("Europe/Amsterdam")
LIMIT_CENTS: Final = 5_000
AGENT_CAP_CENTS: Final = 10**12
TEAM_CAP_CENTS: Final = 10**13
CONNECTIONS: Final = 10
Charged = tuple[tuple[str, str, int], tuple[str, str, int]]
"""The scope, period and cap of both budgets."""


class Customer(BaseModel):
    id: str


class Asked(BaseModel):
    request_id: str
    kind: str
    amount: Decimal
    currency: str


class Case(BaseModel):
    case_id: str
    opened_at: datetime
    customer: Customer
    agent_id: str
    category: str
    facts: dict[str, Any]
    request: Asked

    @property
    def cents(self) -> int:
        return int(self.request.amount * 100)

    @property
    def digest(self) -> str:
        parts = (self.agent_id, self.customer.id, self.request.kind, str(self.request.amount))
        return hashlib.sha256("\x00".join(parts).encode()).hexdigest()


def constant() -> FastAPI:
    """The server of Mandaat's services, with one route that reads the body and answers the same always."""
    app = create_app("constant", health=Health(), metrics=Metrics())
    answer = json.dumps({"state": "approved", "decision": {"outcome": "approved", "text": "x" * 700}})

    @app.post("/v1/cases")
    async def submit(request: Request) -> Response:
        await request.body()
        return Response(answer, media_type="application/json")

    return app


def on_postgres(in_function: bool) -> FastAPI:
    """The server of the team: FastAPI with a pool of connections."""
    pool = AsyncConnectionPool(os.environ["POSTGRES"], min_size=CONNECTIONS, max_size=CONNECTIONS, open=False)

    @asynccontextmanager
    async def opened(_: FastAPI) -> AsyncIterator[None]:
        async with pool:
            yield

    app = FastAPI(lifespan=opened)
    decide = _by_function if in_function else _by_transaction

    @app.post("/v1/cases")
    async def submit(case: Case) -> dict[str, Any]:
        async with pool.connection() as connection:
            outcome, reason = await decide(connection, case)
        return {"case_id": case.case_id, "state": outcome, "reason": reason}

    return app


async def _by_function(connection: AsyncConnection, case: Case) -> tuple[str, str | None]:
    found = await connection.execute(
        "SELECT * FROM decide(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            case.case_id,
            case.request.request_id,
            case.digest,
            case.agent_id,
            case.request.kind,
            case.category,
            case.cents,
            int(case.facts.get("days_late", 0)),
            Jsonb(case.model_dump(mode="json")),
            AGENT_CAP_CENTS,
            TEAM_CAP_CENTS,
            LIMIT_CENTS,
        ),
    )
    row = await found.fetchone()
    assert row is not None
    return row[0], row[1]


async def _by_transaction(connection: AsyncConnection, case: Case) -> tuple[str, str | None]:
    key = (case.case_id, case.request.request_id)
    found = await connection.execute(
        "SELECT outcome, reason FROM decisions WHERE case_id = %s AND request_id = %s", key
    )
    known = await found.fetchone()
    if known is not None:
        return known[0], known[1]
    outcome, reason = await _judged(connection, case)
    await connection.execute(
        "INSERT INTO decisions (case_id, request_id, digest, outcome, reason, asked)"
        " VALUES (%s, %s, %s, %s, %s, %s)",
        (*key, case.digest, outcome, reason, Jsonb(case.model_dump(mode="json"))),
    )
    return outcome, reason


async def _judged(connection: AsyncConnection, case: Case) -> tuple[str, str | None]:
    found = await connection.execute("SELECT role, team FROM staff WHERE agent_id = %s", (case.agent_id,))
    asker = await found.fetchone()
    if asker is None:
        return "escalated", "unknown_agent"
    if (case.request.kind, case.category) != ("refund", "delivery") or case.facts.get("days_late", 0) < 3:
        return "escalated", "no_mandate"
    if case.cents > LIMIT_CENTS:
        return "escalated", "over_limit"
    now = datetime.now(ZONE)
    charged: Charged = (
        (f"agent:{case.agent_id}", now.strftime("%Y-%m-%d"), AGENT_CAP_CENTS),
        (f"team:{asker[1]}", now.strftime("%G-W%V"), TEAM_CAP_CENTS),
    )
    if not await _locked(connection, charged, case.cents):
        return "escalated", "over_budget"
    await connection.execute(
        "UPDATE budgets SET used = used + %s WHERE (scope, period) IN ((%s, %s), (%s, %s))",
        (case.cents, *charged[0][:2], *charged[1][:2]),
    )
    return "approved", None


async def _locked(connection: AsyncConnection, charged: Charged, cents: int) -> bool:
    """Whether both budgets have room. Their rows are locked, in one order for all calls."""
    keys = (*charged[0][:2], *charged[1][:2])
    query = (
        "SELECT scope, used FROM budgets WHERE (scope, period) IN ((%s, %s), (%s, %s))"
        " ORDER BY scope FOR UPDATE"
    )
    rows = await (await connection.execute(query, keys)).fetchall()
    if len(rows) < len(charged):  # the first charge of a period
        insert = "INSERT INTO budgets (scope, period) VALUES (%s, %s), (%s, %s) ON CONFLICT DO NOTHING"
        await connection.execute(insert, keys)
        rows = await (await connection.execute(query, keys)).fetchall()
    used: dict[str, int] = dict(rows)
    return all(used[scope] + cents <= cap for scope, _, cap in charged)


def app() -> FastAPI:
    """The server that the environment names."""
    match os.environ["YARDSTICK"]:
        case "constant":
            return constant()
        case "transaction":
            return on_postgres(in_function=False)
        case "function":
            return on_postgres(in_function=True)
        case unknown:
            raise ValueError(f"YARDSTICK={unknown}: constant, transaction or function")


def main(port: int) -> None:
    """Serve until SIGTERM."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else each answer waits 40 ms
        listener.bind(("127.0.0.1", port))
        uvicorn.Server(uvicorn.Config(app(), access_log=False)).run(sockets=[listener])


if __name__ == "__main__":
    main(int(sys.argv[1]))
