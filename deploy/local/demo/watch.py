"""Reads the topics from their beginning, until every case is decided and every notice has ended."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from time import monotonic

from deploy.local.demo.outcome import WATCHED, DemoOutcome
from deploy.local.demo.retail import RetailCase
from schemas.topics import DEAD_LETTERS
from services.chassis.kafka.reader import Reader

PATIENCE_SECONDS = 60.0
"""Watching ends when nothing new came for so long."""


async def watch(
    bootstrap: str,
    cases: Sequence[RetailCase],
    on_news: Callable[[DemoOutcome], None],
    give_up: Callable[[], bool],
) -> DemoOutcome:
    """Reads until the outcome is complete, or nothing new came for long, or `give_up()` is true."""
    outcome = DemoOutcome()
    async with Reader(bootstrap, client_id="mandaat-demo") as reader:
        await reader.follow(*WATCHED)
        last_news = monotonic()
        while not outcome.complete(cases):
            if await _read(reader, outcome):
                last_news = monotonic()
                on_news(outcome)
            elif give_up() or monotonic() - last_news > PATIENCE_SECONDS:
                break
    return outcome


async def _read(reader: Reader, outcome: DemoOutcome) -> bool:
    batches = await reader.poll()
    for partition, records in batches.items():
        for record in records:
            if partition.topic == DEAD_LETTERS:
                outcome.see_dead_letter(
                    {name: (value or b"").decode(errors="replace") for name, value in record.headers}
                )
            else:
                outcome.see(partition.topic, json.loads(record.value or b""))
    return bool(batches)
