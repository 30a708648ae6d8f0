"""Rules with one part changed from outside: for the controls, which must fail, and for tests.

    python -m tests.faults.ledger.altered_rules unchecked   # starts whatever the settings of Kafka and Redis
    python -m tests.faults.ledger.altered_rules unmarked    # a take-over writes no marker
    python -m tests.faults.ledger.altered_rules late        # once, one partition of a round is published late

The services know nothing of this: names in them are replaced, and then the main function of rules runs.
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
    """Do not check the settings of Kafka and Redis."""

    async def nothing_differs(**_: object) -> list[str]:
        return []

    vars(app)["check_settings"] = nothing_differs


def unmarked() -> None:
    """Use the end that a consumer sees instead of a marker."""

    async def end(self: Journal, p: int, time_us: int) -> int:
        return (await self.bounds([p]))[p][1]

    journal.Journal.mark = end  # type: ignore[method-assign] # replaced on purpose


def late() -> None:
    """Publish the first round that goes to several partitions in time, but its last partition after T."""
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

    Journal.publish = torn  # type: ignore[method-assign] # replaced on purpose


PIECES = {"unchecked": unchecked, "unmarked": unmarked, "late": late}

if __name__ == "__main__":
    for piece in sys.argv[1].split(","):
        PIECES[piece]()
    run("rules", app.main)
