"""Posts cases over HTTP and times the answers, in a process of its own.

    python -m tests.benchmarks.http_load '{"host": ..., "port": ..., "key": ..., "per_second": 200, ...}'

At a rate, calls start on a schedule whatever the server does, and a time counts from the scheduled moment. So
a server that stalls pays for the calls that had to wait. Without a rate, each of `connections` sends its next
call when it has the answer to the last. Connections take turns, so that they reach every process of a server.
Prints a JSON object: the `seconds` of each call, the number of calls that `failed` (an answer other than 200,
which counts as a minute), the `wall` time, and the number of `warm` calls before.
"""

from __future__ import annotations

import asyncio
import gc
import json
import secrets
import sys
import time
from collections import deque
from typing import Any, Final

GIVE_UP_SECONDS: Final = 60.0
AGENTS: Final = 100


class Connection:
    """One connection that is kept open: a call, its answer, the next call."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, body: bytes) -> bool:
        """Post a body. Returns whether the answer is a decision. Raises RuntimeError for a refusal."""
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._load.host, self._load.port)
        reader, writer = self._streams
        writer.write(self._load.head % len(body) + body)
        head = await reader.readuntil(b"\r\n\r\n")
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
        answer = await reader.readexactly(int(fields[b"content-length"]))
        if not head.startswith(b"HTTP/1.1 200"):
            return False
        if json.loads(answer)["state"] != "approved":
            raise RuntimeError(f"not approved: {answer!r}")
        return True


class Load:
    """The calls of one run."""

    def __init__(self, wanted: dict[str, Any]) -> None:
        self.host, self.port = wanted["host"], wanted["port"]
        self.seconds: list[float] = []
        self.failed = 0
        self._wanted = wanted
        self._mark, self._number = secrets.token_hex(4), 0
        self._free = deque(Connection(self) for _ in range(wanted["connections"]))
        self.head = (
            f"POST /v1/cases HTTP/1.1\r\nHost: {self.host}:{self.port}\r\n"
            f"Authorization: Bearer {wanted['key']}\r\nContent-Type: application/json\r\nPrefer: wait=10\r\n"
        ).encode() + b"Content-Length: %d\r\n\r\n"

    def body(self) -> bytes:
        """A case that was never sent. All are of one agent if they are to meet on one budget."""
        self._number += 1
        agent = 0 if self._wanted["one_budget"] else self._number % AGENTS
        return json.dumps(a_case(f"c-{self._mark}-{self._number}", f"agent-{agent:03d}")).encode()

    async def call(self, due: float) -> None:
        """One call that is due at that moment."""
        connection = self._free.popleft() if self._free else Connection(self)
        decided = await connection.post(self.body())
        self.failed += not decided
        self.seconds.append(time.monotonic() - due if decided else GIVE_UP_SECONDS)
        self._free.append(connection)

    async def at_rate(self, per_second: float, number: int) -> None:
        """Calls on a schedule."""
        began = time.monotonic()
        async with asyncio.TaskGroup() as calls:
            for n in range(number):
                due = began + n / per_second
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                calls.create_task(self.call(due))

    async def back_to_back(self, connections: int, lasting: float) -> None:
        """As many calls as the server answers."""
        end = time.monotonic() + lasting

        async def one_after_another() -> None:
            while time.monotonic() < end:
                await self.call(time.monotonic())

        async with asyncio.TaskGroup() as group:
            for _ in range(connections):
                group.create_task(one_after_another())


def a_case(case_id: str, agent_id: str) -> dict[str, Any]:
    """A case that every server of the benchmark approves."""
    return {
        "case_id": case_id,
        "opened_at": "2026-03-02T08:00:00Z",
        "channel": "phone",
        "customer": {"id": f"cu-{case_id}", "language": "nl"},
        "agent_id": agent_id,
        "category": "delivery",
        "subject": "parcel six days late",
        "facts": {"days_late": 6, "order_value": 90.0},
        "request": {
            "request_id": "r1",
            "kind": "refund",
            "amount": "45.00",
            "currency": "EUR",
            "reason": "late twice",
        },
    }


async def main(wanted: dict[str, Any]) -> dict[str, Any]:
    """The times of all calls after those that warm the server."""
    warm = Load(wanted)
    await warm.back_to_back(min(8, wanted["connections"]), wanted["warm_seconds"])
    load = Load(wanted)
    gc.disable()
    began = time.monotonic()
    async with asyncio.timeout(wanted["lasting"] + GIVE_UP_SECONDS):
        if wanted["per_second"] is None:
            await load.back_to_back(wanted["connections"], wanted["lasting"])
        else:
            await load.at_rate(wanted["per_second"], round(wanted["per_second"] * wanted["lasting"]))
    return {
        "seconds": load.seconds,
        "failed": load.failed,
        "wall": time.monotonic() - began,
        "warm": len(warm.seconds),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(main(json.loads(sys.argv[-1])))) + "\n")
