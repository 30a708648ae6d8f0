"""Rules with one piece taken away, or one thing done to it: for controls, which must fail, and for tests.

    python -m tests.faults.ledger.altered unchecked   # starts whatever Kafka's and Redis' settings are
    python -m tests.faults.ledger.altered unmarked    # a take-over reads to the end it sees: no marker
    python -m tests.faults.ledger.altered late        # once, one partition of a round is published too late

Nothing in the services knows of this: names are replaced from outside, then the service's main runs.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

from services.chassis.process.run import run
from services.rules import app
from services.rules.journal import journal
from services.rules.journal.journal import Journal
from services.rules.journal.publisher import JournalEntry, Outcome

LATE_SECONDS = 2.0
"""T is one second in tests."""


def unchecked() -> None:
    """Settings that differ are not looked at."""

    async def nothing_differs(**_: object) -> list[str]:
        return []

    vars(app)["check_settings"] = nothing_differs


def unmarked() -> None:
    """The end that a consumer sees stands for the marker."""

    async def end(self: Journal, p: int, time_us: int) -> int:
        return (await self.bounds([p]))[p][1]

    journal.Journal.mark = end  # type: ignore[method-assign] # what this is for


def late() -> None:
    """The first round that goes to several partitions: all but its last one in time, and that one after T."""
    publish, done = Journal.publish, False

    async def torn(self: Journal, entries: Sequence[JournalEntry]) -> dict[int, Outcome]:
        nonlocal done
        last = max(entry.p for entry in entries)
        if done or all(entry.p == last for entry in entries):
            return await publish(self, entries)
        done = True
        outcomes = await publish(self, [entry for entry in entries if entry.p != last])
        await asyncio.sleep(LATE_SECONDS)
        outcomes |= await publish(self, [entry for entry in entries if entry.p == last])
        print("torn", flush=True)
        return outcomes

    Journal.publish = torn  # type: ignore[method-assign] # what this is for


PIECES = {"unchecked": unchecked, "unmarked": unmarked, "late": late}

if __name__ == "__main__":
    for piece in sys.argv[1].split(","):
        PIECES[piece]()
    run("rules", app.main)
