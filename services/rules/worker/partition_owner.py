"""From assigned by Kafka to held in the ledger: take-over of a partition, cold start of the ledger."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Final

from services.chassis.kafka.membership import check_membership
from services.chassis.process.back_off import BackOff, repeat_until_done
from services.chassis.process.errors import TryAgain
from services.chassis.process.log import log
from services.rules.journal.journal import Journal
from services.rules.ledger.client import Ledger
from services.rules.ledger.cold_start import cold_start
from services.rules.ledger.script import Cold, NewerLedger
from services.rules.ledger.take_over import FailedPublish, Fence, take_over
from services.rules.metrics import RulesMetrics
from services.rules.worker.effects import effects_of
from services.rules.worker.held_partitions import HeldPartitions
from services.rules.worker.input_topics import InputTopics

BACK_OFF: Final = BackOff(first=0.1, longest=0.5)
"""Between two tries of a take-over or a cold start."""
TRIES_PER_LINE: Final = 20
"""One line in the log stands for so many tries."""
STOP_SECONDS: Final = 2.0
"""The time that tasks get to end. The client of a Kafka that is away takes long."""


class PartitionOwner:
    """Takes assigned partitions, so that this worker may settle on them.

    Kafka assigns a partition; then it is taken from the ledger; then it is held. Until it is held it is
    paused, and the others go on. Each partition is taken in a task of its own, because a take-over after a
    crash lasts T + S. While the ledger is rebuilt nothing is held, and afterwards every partition is taken
    again. These tasks run beside the batches.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        journal: Journal,
        partitions: HeldPartitions,
        topics: InputTopics,
        fence: Fence,
        metrics: RulesMetrics,
        on_bug: Callable[[BaseException], None],
    ) -> None:
        self._ledger = ledger
        self._journal = journal
        self._partitions = partitions
        self._topics = topics
        self._fence = fence
        self._metrics = metrics
        self._on_bug = on_bug
        self._assigned: set[int] = set()
        self._taking: dict[int, asyncio.Task[None]] = {}
        self._rebuilding: asyncio.Task[None] | None = None
        self._away: BaseException | None = None

    def ready(self) -> str | None:
        """The problem that /readyz reports, or None."""
        if self._away is not None and isinstance(self._away, NewerLedger):
            return str(self._away)
        why = "" if self._away is None else f" ({self._away})"
        if self.is_rebuilding:
            return f"the ledger is being rebuilt{why}"
        missing = sorted(self._assigned - self._partitions.held)
        if missing:
            return f"partitions {missing} are being taken over{why}"
        return None if self._away is None else str(self._away)

    @property
    def is_rebuilding(self) -> bool:
        """Whether the ledger is cold."""
        return self._rebuilding is not None

    def note_away(self, error: BaseException) -> None:
        """The ledger or Kafka did not answer."""
        self._away = error

    def note_back(self) -> None:
        """The ledger answers."""
        self._away = None

    async def assign(self, partitions: Collection[int]) -> None:
        """Take these, which are all that this worker has now. Raises TryAgain while the ledger is away.

        Every partition is taken, also one that was held. When the consumer is replaced nothing is
        revoked, and another worker may have had it since.
        """
        if self._ledger.nonce is None:
            await self._adopt()
        self.give_up(self._assigned)
        self._assigned = set(partitions)
        self._topics.pause(partitions)
        if not self.is_rebuilding:
            for p in self._assigned:
                self._begin_taking(p, None)

    def give_up(self, partitions: Collection[int]) -> None:
        """These belong to other workers now."""
        gone = set(partitions)
        for p in gone:
            self._end_taking(p)
        self._partitions.drop(gone)
        self._assigned -= gone

    def take_again(self, failed: Mapping[int, FailedPublish | None]) -> None:
        """Take over these: each may have something pending, which may or may not land in the journal."""
        self._partitions.drop(failed)
        if self.is_rebuilding:
            return
        self._topics.pause(self._assigned & failed.keys())
        for p, failed_publish in failed.items():
            if p in self._assigned:
                self._begin_taking(p, failed_publish)

    def rebuild(self, why: str) -> None:
        """Redis does not hold our epoch: forget what is not acknowledged, rebuild, then take all again."""
        if self.is_rebuilding:
            return
        log.warning("ledger_cold", error=why)
        self._partitions.drop(self._partitions.held)
        self._topics.pause(self._assigned)
        for p in list(self._taking):
            self._end_taking(p)
        self._rebuilding = self._start("cold start", "cold_start_waits", self._rebuild)

    async def stop(self) -> None:
        """End the tasks. The partitions were given up before."""
        tasks = [*self._taking.values(), *([] if self._rebuilding is None else [self._rebuilding])]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=STOP_SECONDS)

    async def _adopt(self) -> None:
        try:
            await self._ledger.adopt()
        except TryAgain as away:
            self.note_away(away)
            raise
        self.note_back()

    def _begin_taking(self, p: int, failed_publish: FailedPublish | None) -> None:
        self._end_taking(p)
        self._taking[p] = self._start(f"take {p}", "taking_waits", lambda: self._take(p, failed_publish))

    def _end_taking(self, p: int) -> None:
        task = self._taking.pop(p, None)
        if task is not None:
            task.cancel()

    async def _take(self, p: int, failed_publish: FailedPublish | None) -> None:
        # A worker that was stopped for long would take it from its rightful owner, again and again.
        await check_membership(self._topics.consumer)
        try:
            taken = await take_over(
                p,
                ledger=self._ledger,
                journal=self._journal,
                effects_of=effects_of,
                fence=self._fence,
                failed_publish=failed_publish,
            )
        except Cold as cold:
            self.rebuild(str(cold))
            return
        if taken.waited:
            self._metrics.take_overs.inc()
            log.info("taken_over", partition=p)
        self.note_back()
        self._partitions.hold(p, taken.gen)
        self._taking.pop(p, None)
        self._topics.resume([p])

    async def _rebuild(self) -> None:
        await cold_start(ledger=self._ledger, journal=self._journal, effects_of=effects_of, fence=self._fence)
        self._metrics.cold_starts.inc()
        log.info("ledger_warm")
        self.note_back()
        self._rebuilding = None
        for p in self._assigned:
            self._begin_taking(p, None)

    def _start(self, name: str, waits: str, step: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
        """Repeat the step in a task until it is done. A bug stops the worker."""

        def note(error: BaseException, failures: int) -> None:
            self.note_away(error)
            if failures % TRIES_PER_LINE == 1:
                log.warning(waits, error=str(error))

        async def until_done() -> None:
            await repeat_until_done(step, BACK_OFF, on_try_again=note, on_bug=self._on_bug)

        return asyncio.create_task(until_done(), name=name)
