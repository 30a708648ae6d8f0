"""How far the ledger is behind the journal, and reading behind what was asked (LEDGER.md, Topics).

Looked at every few seconds, over connections of its own: nothing of it is in the way of a decision.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

from aiokafka import TopicPartition

from services.chassis.kafka.reader import Reader, Stretch
from services.chassis.kafka.subscriber import Subscription
from services.chassis.process.families import Family, family_of
from services.rules.journal.journal import Journal
from services.rules.ledger.client import Ledger
from services.rules.metrics import RulesMetrics
from services.rules.worker.held_partitions import HeldPartitions

LOOK_SECONDS: Final = 10.0


class LagMonitor:
    """Measures, for the partitions of this worker. What cannot be had now is as it was last."""

    def __init__(
        self,
        *,
        bootstrap: str,
        ledger: Ledger,
        journal: Journal,
        partitions: HeldPartitions,
        subscription: Subscription,
        metrics: RulesMetrics,
        on_bug: Callable[[BaseException], None],
    ) -> None:
        self._bootstrap = bootstrap
        self._ledger = ledger
        self._journal = journal.beside()  # one reader serves one look-up after the other
        self._partitions = partitions
        self._subscription = subscription
        self._metrics = metrics
        self._on_bug = on_bug
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> LagMonitor:
        self._task = asyncio.create_task(self._run(), name="behind")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self._journal.stop()

    async def _run(self) -> None:
        while True:
            for look in (self.look_at_the_journal, self.look_at_the_inputs):
                ended = await family_of(look())
                if ended.family is Family.BUG and ended.error is not None:
                    self._on_bug(ended.error)
                    return
            await asyncio.sleep(LOOK_SECONDS)

    async def look_at_the_journal(self) -> None:
        """How many records of the journal are not in the ledger. Raises TryAgain."""
        held = sorted(self._partitions.held)
        bounds = await self._journal.bounds(held) if held else {}
        positions = await self._ledger.positions(held)
        self._metrics.unapplied({p: max(0, bounds[p][1] - position) for p, position in positions.items()})

    async def look_at_the_inputs(self) -> None:
        """When what is next to be read was appended, where something is. Raises TryAgain."""
        assigned = sorted(self._subscription.assigned)
        ends = await self._subscription.end_offsets(assigned) if assigned else {}
        unread = {}
        for tp in assigned:
            committed = await self._subscription.committed(tp)
            if committed is None or committed < ends[tp]:
                unread[tp] = committed
        appended = await self._appended(unread) if unread else {}
        self._metrics.unread({(tp.topic, tp.partition): appended.get(tp) for tp in assigned})

    async def _appended(self, unread: Mapping[TopicPartition, int | None]) -> dict[TopicPartition, float]:
        """Seconds since 1970 of the record at each offset, or of the first that there is."""
        appended: dict[TopicPartition, float] = {}
        async with Reader(self._bootstrap, client_id="mandaat-rules-lag") as reader:
            stretches = {
                tp: Stretch(max(begin, unread[tp] or 0), end)
                for tp, (begin, end) in (await reader.bounds(unread)).items()
            }
            async for tp, records, _ in reader.read(stretches, max_records=len(unread)):
                if records:
                    appended.setdefault(tp, records[0].timestamp / 1000)
                if len(appended) == len(unread):
                    break
        return appended
