"""One worker: which partitions it may settle on, and what it does when something fails (LEDGER.md, Worker).

A partition is *assigned* by Kafka, then *taken* from the ledger, and only then *held*: until then it waits,
paused, while the others go on. Taking is a task of its own, because after a crash it takes T + S.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from contextlib import suppress
from typing import Final

from aiokafka import TopicPartition

from schemas.topics import CASES, REPLIES
from services.chassis.kafka.dead_letters import ConsumedRecord
from services.chassis.kafka.membership import check_membership
from services.chassis.kafka.subscriber import Subscription
from services.chassis.process.errors import TryAgain
from services.chassis.process.families import Family, family_of
from services.chassis.process.log import log
from services.rules.journal.journal import Journal
from services.rules.ledger.client import Ledger
from services.rules.ledger.cold_start import cold_start
from services.rules.ledger.script import Cold, NewerLedger
from services.rules.ledger.take_over import FailedPublish, Fence, take_over
from services.rules.metrics import RulesMetrics
from services.rules.worker.effects import applied
from services.rules.worker.held_partitions import HeldPartitions
from services.rules.worker.walk import BatchDecider

TOPICS: Final = (CASES, REPLIES)
LOOK_SECONDS: Final = 1.0
"""An empty call at least so often: it finds a Redis that was restarted."""
COMMIT_SECONDS: Final = 0.1
"""A commit at most so often while there is always something to do: it costs as much as deciding twenty cases.

What is not committed when a worker is killed comes again and is answered from the journal.
"""
PAUSE_SECONDS: Final = 0.5
"""Between two tries of what failed because the outside is away."""
STOP_SECONDS: Final = 2.0
"""What goes on in the background may take so long to end; a client of a Kafka that is away takes its time."""
TRIES_PER_LINE: Final = 20
"""How many of those one line in the log stands for."""


class Worker:
    """Takes partitions, hands batches to the handlers, commits what is decided, recovers what failed.

    What the subscription calls never runs side by side. Beside it run the tasks that take a partition or
    rebuild the ledger, also while a batch is in flight.
    """

    def __init__(
        self,
        *,
        decider: BatchDecider,
        ledger: Ledger,
        journal: Journal,
        partitions: HeldPartitions,
        fence: Fence,
        metrics: RulesMetrics,
        on_bug: Callable[[BaseException], None],
        commit_seconds: float = COMMIT_SECONDS,
    ) -> None:
        self._decider = decider
        self._ledger = ledger
        self._journal = journal
        self._partitions = partitions
        self._fence = fence
        self._metrics = metrics
        self._on_bug = on_bug
        self._assigned: set[int] = set()
        self._taking: dict[int, asyncio.Task[None]] = {}
        self._warming: asyncio.Task[None] | None = None
        self._uncommitted: dict[TopicPartition, int] = {}
        self._away: str | None = None
        self._outdated = False
        """Whether it is a newer version of the ledger that `_away` is about."""
        self._called = 0.0
        self._commit_seconds = commit_seconds
        self._committed = 0.0
        self.subscription: Subscription
        metrics.partitions_held.set_function(lambda: len(partitions.held))

    def ready(self) -> str | None:
        """What is wrong for /readyz, or None."""
        why = "" if self._away is None else f" ({self._away})"
        if self._outdated:
            return self._away
        if self._warming is not None:
            return f"the ledger is being rebuilt{why}"
        missing = sorted(self._assigned - self._partitions.held)
        if missing:
            return f"partitions {missing} are being taken over{why}"
        return self._away

    # What the subscription calls, never side by side

    async def on_assigned(self, partitions: set[TopicPartition]) -> None:
        """Take them, which are all that we have now. Raises TryAgain while the ledger is away.

        No record of theirs comes before that. What we had before is forgotten, also where nobody said that
        it was revoked (the consumer was replaced): others may have had it since.
        """
        if self._ledger.nonce is None:
            await self._adopt()
        self._forget(self._assigned)
        self._assigned = {tp.partition for tp in partitions}
        self._pause(self._assigned)
        if self._warming is None:
            for p in self._assigned:
                self._begin_taking(p, None)

    async def on_revoked(self, partitions: set[TopicPartition]) -> None:
        """Confirm and commit what is due: the next owner finds nothing pending, and nothing to repeat."""
        gone = {tp.partition for tp in partitions}
        try:
            if due := gone & self._partitions.due:
                await self._confirm(due)
        except (Cold, TryAgain) as away:
            log.warning("not_confirmed", error=str(away))
        await self._commit()
        self._forget(gone)

    async def on_batch(self, records: list[ConsumedRecord]) -> None:
        """Decide a batch, commit what is done, take over what failed.

        Raises TryAgain where the tables cannot be had, before anything is settled.
        """
        first = _first_offsets(records)
        held = [record for record in records if record.partition in self._partitions]
        self._seek_back(first, {tp.partition for tp in first} - self._partitions.held)
        if not held:
            return
        try:
            outcome = await self._decider.decide_batch(held)
        except Cold as cold:
            self._seek_back(first, {tp.partition for tp in first})
            self._go_cold(str(cold))
            return
        self._called = time.monotonic()
        self._seek_back(first, outcome.unfinished)
        self._recover(outcome.take_over)
        self._rest(outcome.retry - outcome.take_over.keys())
        self._uncommitted |= {
            TopicPartition(record.topic, record.partition): record.offset + 1
            for record in held
            if record.partition not in outcome.unfinished
        }
        if self._called - self._committed >= self._commit_seconds:
            await self._commit()

    async def on_idle(self) -> None:
        """Send the confirms that are due; and now and then an empty call, which finds a restart."""
        await self._commit()
        if self._warming is not None:
            return
        look = time.monotonic() - self._called >= LOOK_SECONDS
        wanted = self._partitions.held if look else self._partitions.due
        if not wanted and not look:
            return
        try:
            await self._confirm(wanted)
        except Cold as cold:
            self._go_cold(str(cold))
        except TryAgain as away:
            log.warning("ledger_away", error=str(away))
            self._note_away(away)
            self._called = time.monotonic()
            self._recover(dict.fromkeys(wanted))

    async def stop(self) -> None:
        """End what goes on in the background; the partitions were given up before."""
        tasks = [*self._taking.values(), *([self._warming] if self._warming is not None else [])]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=STOP_SECONDS)

    # Confirming, taking, rebuilding

    async def _adopt(self) -> None:
        try:
            await self._ledger.adopt()
        except TryAgain as away:
            self._note_away(away)
            raise
        self._note_back()

    def _note_away(self, away: BaseException) -> None:
        self._away, self._outdated = str(away), isinstance(away, NewerLedger)

    def _note_back(self) -> None:
        self._away, self._outdated = None, False

    async def _confirm(self, partitions: Iterable[int]) -> None:
        parts = self._partitions.parts(partitions)
        settled = await self._ledger.call(parts)
        self._called = time.monotonic()
        self._note_back()
        self._partitions.confirmed(parts)
        self._recover(dict.fromkeys(settled.refused))

    def _forget(self, partitions: Collection[int]) -> None:
        """These are others' now."""
        gone = set(partitions)
        for p in gone:
            self._end_taking(p)
        self._partitions.drop(gone)
        self._assigned -= gone
        self._uncommitted = {tp: at for tp, at in self._uncommitted.items() if tp.partition not in gone}

    def _recover(self, failed: Mapping[int, FailedPublish | None]) -> None:
        """These may hold something pending that may or may not land: Take-over."""
        self._partitions.drop(failed)
        if self._warming is not None:
            return
        self._pause(self._assigned & failed.keys())
        for p, failed_publish in failed.items():
            if p in self._assigned:
                self._begin_taking(p, failed_publish)

    def _rest(self, partitions: Collection[int]) -> None:
        """Something else than the ledger was away for these: they come again, but not at once."""
        self._pause(partitions)
        if partitions:
            asyncio.get_running_loop().call_later(PAUSE_SECONDS, self._go_on, frozenset(partitions))

    def _go_on(self, partitions: Collection[int]) -> None:
        self._resume(self._partitions.held & set(partitions))

    def _begin_taking(self, p: int, failed_publish: FailedPublish | None) -> None:
        self._end_taking(p)
        self._taking[p] = asyncio.create_task(
            self._retry_until_done("taking_waits", lambda: self._take(p, failed_publish)), name=f"take {p}"
        )

    def _end_taking(self, p: int) -> None:
        task = self._taking.pop(p, None)
        if task is not None:
            task.cancel()

    async def _take(self, p: int, failed_publish: FailedPublish | None) -> None:
        # Who was stopped for long would take it from the rightful owner, again and again.
        await check_membership(self.subscription.consumer)
        try:
            held = await take_over(
                p,
                ledger=self._ledger,
                journal=self._journal,
                effects_of=applied,
                fence=self._fence,
                failed_publish=failed_publish,
            )
        except Cold as cold:
            self._go_cold(str(cold))
            return
        if held.waited:
            self._metrics.take_overs.inc()
            log.info("taken_over", partition=p)
        self._note_back()
        self._partitions.hold(p, held.gen)
        self._taking.pop(p, None)
        self._resume([p])

    def _go_cold(self, why: str) -> None:
        """Redis lost its epoch: forget what is not acknowledged, rebuild, then take all again."""
        if self._warming is not None:
            return
        log.warning("ledger_cold", error=why)
        self._partitions.drop(self._partitions.held)
        self._pause(self._assigned)
        for p in list(self._taking):
            self._end_taking(p)
        self._warming = asyncio.create_task(
            self._retry_until_done("cold_start_waits", self._warm), name="cold start"
        )

    async def _warm(self) -> None:
        await cold_start(ledger=self._ledger, journal=self._journal, effects_of=applied, fence=self._fence)
        self._metrics.cold_starts.inc()
        log.info("ledger_warm")
        self._note_back()
        self._warming = None
        for p in self._assigned:
            self._begin_taking(p, None)

    async def _retry_until_done(self, waits: str, step: Callable[[], Awaitable[None]]) -> None:
        """Try until the outside lets it be done; a bug stops the worker."""
        tries = 0
        while (ended := await family_of(step())).family is not Family.DONE:
            if ended.family is Family.BUG and ended.error is not None:
                self._on_bug(ended.error)
                return
            if ended.error is not None:
                self._note_away(ended.error)
            if tries % TRIES_PER_LINE == 0:
                log.warning(waits, error=self._away)
            tries += 1
            await asyncio.sleep(PAUSE_SECONDS)

    # Kafka

    async def _commit(self) -> None:
        """Commit what is decided; what cannot be committed now goes with the next."""
        self._committed = time.monotonic()
        if not self._uncommitted:
            return
        try:
            await self.subscription.commit(self._uncommitted)
        except TryAgain as away:
            log.warning("commit_waits", error=str(away))
        else:
            self._uncommitted = {}

    def _pause(self, partitions: Iterable[int]) -> None:
        with suppress(TryAgain):  # there is no consumer; what the next one is given is taken anew
            self.subscription.pause(*(tp for p in partitions for tp in _both(p)))

    def _resume(self, partitions: Iterable[int]) -> None:
        with suppress(TryAgain):
            self.subscription.resume(*(tp for p in partitions for tp in _both(p)))

    def _seek_back(self, first: dict[TopicPartition, int], partitions: Collection[int]) -> None:
        for tp, offset in first.items():
            if tp.partition in partitions:
                self.subscription.seek(tp, offset)


def _both(p: int) -> tuple[TopicPartition, TopicPartition]:
    return TopicPartition(CASES, p), TopicPartition(REPLIES, p)


def _first_offsets(records: Iterable[ConsumedRecord]) -> dict[TopicPartition, int]:
    first: dict[TopicPartition, int] = {}
    for record in records:
        first.setdefault(TopicPartition(record.topic, record.partition), record.offset)
    return first
