"""Writes log events and metrics about notices."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Final

from services.chassis.process.log import log
from services.notifier.metrics import NotifierMetrics
from services.notifier.outbox.loops import Turn
from services.notifier.outbox.owned_partitions import OwnedPartitions
from services.notifier.outbox.results import Ended, Postponed, Result
from services.notifier.outbox.store import OutboxStore
from services.notifier.planning.notice import PendingNotice

MEASURE_SECONDS: Final = 5.0


class OutboxReport:
    """Logs and counts tries and ended notices, and measures the outbox."""

    def __init__(
        self,
        store: OutboxStore,
        partitions: OwnedPartitions,
        metrics: NotifierMetrics,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._partitions = partitions
        self._metrics = metrics
        self._clock = clock

    def tried(self, result: Result) -> None:
        """A try is over."""
        notice, channel = result.notice, result.notice.recipient.channel
        if isinstance(result, Postponed):
            self._metrics.retries.labels(channel).inc()
            _log("notice_tried", notice, reason=result.reason)
        elif result.event.data.reason is None:
            seconds = result.event.time.timestamp() - notice.settled_us / 1e6
            self._metrics.told_seconds.labels(channel).observe(max(0.0, seconds))

    def marked(self, result: Result) -> None:
        """Redis has taken the result."""
        if isinstance(result, Ended):
            reason, recipient = result.event.data.reason, result.notice.recipient
            outcome = "failed" if reason is not None else "delivered"
            self._metrics.notices.labels(recipient.audience, recipient.channel, outcome).inc()
            _log(f"notice_{outcome}", result.notice, reason=reason)

    async def measure(self, turn: Turn) -> None:
        """Measure how many notices wait and for how long, then pause."""
        number, oldest = 0, None
        for p in list(self._partitions.owned):
            turn.begins()
            more, since = await self._store.waiting(p)
            number += more
            oldest = since if oldest is None or (since is not None and since < oldest) else oldest
        self._metrics.outbox.set(number)
        age = self._clock().timestamp() - oldest / 1000 if oldest is not None else 0.0
        self._metrics.oldest.set(max(0.0, age))
        await asyncio.sleep(MEASURE_SECONDS)


def _log(what: str, notice: PendingNotice, reason: str | None) -> None:
    log.info(
        what,
        case_id=notice.case_id,
        request_id=notice.request_id,
        notice_id=notice.notice_id,
        about_type=notice.about_type,
        audience=notice.recipient.audience,
        channel=notice.recipient.channel,
        attempts=notice.attempts,
        reason=reason,
    )
