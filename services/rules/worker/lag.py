"""How far the ledger is behind the journal, and reading behind its topics (docs/ledger.md, Topics).

It is measured every few seconds, over connections of its own, so that it does not delay decisions.
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

MEASURE_SECONDS: Final = 10.0


class LagMonitor:
    """Measures the partitions of this worker. A value that cannot be read now keeps its last value."""

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
        self._journal = journal.with_own_connections()  # look-ups over one connection wait for each other
        self._partitions = partitions
        self._subscription = subscription
        self._metrics = metrics
        self._on_bug = on_bug
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> LagMonitor:
        self._task = asyncio.create_task(self._run(), name="lag")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self._journal.stop()

    async def _run(self) -> None:
        while True:
            for measure in (self.measure_journal, self.measure_inputs):
                ended = await family_of(measure())
                if ended.family is Family.BUG and ended.error is not None:
                    self._on_bug(ended.error)
                    return
            await asyncio.sleep(MEASURE_SECONDS)

    async def measure_journal(self) -> None:
        """Measure how many records of the journal the ledger does not have. Raises TryAgain."""
        held = sorted(self._partitions.held)
        bounds = await self._journal.bounds(held) if held else {}
        positions = await self._ledger.positions(held)
        self._metrics.unapplied({p: max(0, bounds[p][1] - position) for p, position in positions.items()})

    async def measure_inputs(self) -> None:
        """Measure when the oldest unread record of each partition was appended. Raises TryAgain."""
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
        """When the record at each offset was appended, or else the first one after it; seconds since 1970."""
        appended: dict[TopicPartition, float] = {}
        async with Reader(self._bootstrap, client_id="mandaat-rules-lag") as reader:
            stretches = {
                tp: Stretch(max(begin, unread[tp] or 0), end)
                for tp, (begin, end) in (await reader.bounds(unread)).items()
            }
            waiting = {tp for tp, (begin, end) in stretches.items() if begin < end}
            async for tp, records, _ in reader.read(stretches, max_records=len(unread)):
                if tp in waiting and records:
                    appended[tp] = records[0].timestamp / 1000
                waiting.discard(tp)
                if not waiting:
                    break
        return appended
