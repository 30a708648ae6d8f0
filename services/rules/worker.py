"""One worker: which partitions it may settle on, and what it does when something fails (LEDGER.md, Worker).

A partition is *assigned* by Kafka, then *taken* from the ledger, and only then *held*: until then it waits,
paused, while the others go on. Taking is a task of its own, because after a crash it takes T + S.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final

from aiokafka import TopicPartition

from schemas.topics import CASES, REPLIES
from services.chassis.dead_letters import Record as Consumed
from services.chassis.errors import TryAgain
from services.chassis.families import Family, family_of
from services.chassis.log import log
from services.chassis.subscriber import Subscription
from services.rules.adapters.cold_start import cold_start
from services.rules.adapters.journal import Journal
from services.rules.adapters.ledger import Ledger
from services.rules.adapters.protocol import Applied, Link, SetState
from services.rules.adapters.replay import Event
from services.rules.adapters.script import Cold
from services.rules.adapters.take_over import Fence, Unlanded, take_over
from services.rules.core.effects import journalled
from services.rules.handlers import Failed, Handlers
from services.rules.metrics import RulesMetrics
from services.rules.partitions import Partitions

TOPICS: Final = (CASES, REPLIES)
LOOK_SECONDS: Final = 1.0
"""An empty call at least so often: it finds a Redis that was restarted."""
PAUSE_SECONDS: Final = 0.5


def applied(events: Sequence[Event]) -> Applied:
    """What the events of one sequence did, as the ledger applies it."""
    seq = int(events[0]["sequence"])
    index_id, digest, effects = journalled(events)
    states = tuple(SetState(state_id, state) for state_id, state in effects.states)
    return Applied(seq, index_id, digest, states + tuple(Link(link, seq) for link in effects.links))


class Worker:
    """Takes partitions, hands batches to the handlers, commits what is decided, recovers what failed."""

    def __init__(
        self,
        *,
        handlers: Handlers,
        ledger: Ledger,
        journal: Journal,
        partitions: Partitions,
        fence: Fence,
        metrics: RulesMetrics,
        on_bug: Callable[[BaseException], None],
    ) -> None:
        self._handlers = handlers
        self._ledger = ledger
        self._journal = journal
        self._partitions = partitions
        self._fence = fence
        self._metrics = metrics
        self._on_bug = on_bug
        self._assigned: set[int] = set()
        self._taking: dict[int, asyncio.Task[None]] = {}
        self._warming: asyncio.Task[None] | None = None
        self._called = 0.0
        self.subscription: Subscription

    def ready(self) -> str | None:
        """What is wrong for /readyz, or None."""
        if self._warming is not None:
            return "the ledger is being rebuilt"
        missing = sorted(self._assigned - self._partitions.held)
        return f"partitions {missing} are being taken over" if missing else None

    # What the subscription calls, never side by side

    async def on_assigned(self, partitions: set[TopicPartition]) -> None:
        """Take them; no record of theirs comes before that. Raises TryAgain while the ledger is away."""
        if self._ledger.nonce is None:
            await self._ledger.adopt()
        given = {tp.partition for tp in partitions}
        self._assigned |= given
        self._pause(given)
        if self._warming is None:
            for p in given:
                self._begin_taking(p, None)

    async def on_revoked(self, partitions: set[TopicPartition]) -> None:
        """Confirm what is due, so that the next owner finds nothing pending."""
        gone = {tp.partition for tp in partitions}
        self._assigned -= gone
        for p in gone:
            task = self._taking.pop(p, None)
            if task is not None:
                task.cancel()
        try:
            await self._confirm(gone & self._partitions.due)
        except (Cold, TryAgain) as away:
            log.warning("not_confirmed", error=str(away))
        self._partitions.drop(gone)

    async def on_batch(self, records: list[Consumed]) -> None:
        """Decide a batch, commit what did not fail, take over what did."""
        first = _first_offsets(records)
        held = [record for record in records if record.partition in self._partitions]
        self._seek_back(first, {tp.partition for tp in first} - self._partitions.held)
        if not held:
            return
        try:
            failed = await self._handlers.decide(held)
        except Cold as cold:
            self._seek_back(first, {tp.partition for tp in first})
            self._go_cold(str(cold))
            return
        self._called = time.monotonic()
        self._recover(failed)
        self._seek_back(first, failed)
        done = {
            TopicPartition(record.topic, record.partition): record.offset + 1
            for record in held
            if record.partition not in failed
        }
        if done:
            await self.subscription.commit(done)

    async def on_idle(self) -> None:
        """Send the confirms that are due; and now and then an empty call, which finds a restart."""
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
            self._called = time.monotonic()
            self._recover(dict.fromkeys(wanted))

    async def stop(self) -> None:
        """End what goes on in the background; the partitions were given up before."""
        tasks = [*self._taking.values(), *([self._warming] if self._warming is not None else [])]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    # Confirming, taking, rebuilding

    async def _confirm(self, partitions: Iterable[int]) -> None:
        parts = self._partitions.parts(partitions)
        settled = await self._ledger.call(parts)
        self._called = time.monotonic()
        self._partitions.confirmed(parts)
        self._recover(dict.fromkeys(settled.refused))

    def _recover(self, failed: Failed) -> None:
        """These may hold something pending that may or may not land: Take-over."""
        for p, unlanded in failed.items():
            self._partitions.drop([p])
            if p in self._assigned and self._warming is None:
                self._pause([p])
                self._begin_taking(p, unlanded)

    def _begin_taking(self, p: int, unlanded: Unlanded | None) -> None:
        former = self._taking.pop(p, None)
        if former is not None:
            former.cancel()
        self._taking[p] = asyncio.create_task(self._guarded(self._take(p, unlanded)), name=f"take {p}")

    async def _take(self, p: int, unlanded: Unlanded | None) -> None:
        while p in self._assigned:
            try:
                held = await take_over(
                    p,
                    ledger=self._ledger,
                    journal=self._journal,
                    effects_of=applied,
                    fence=self._fence,
                    unlanded=unlanded,
                )
            except Cold as cold:
                self._go_cold(str(cold))
                return
            except TryAgain as away:
                log.warning("taking_waits", partition=p, error=str(away))
                unlanded = None
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            if held.waited:
                self._metrics.take_overs.inc()
                log.info("taken_over", partition=p)
            self._partitions.hold(p, held.gen)
            self._metrics.partitions_held.set(len(self._partitions.held))
            self._taking.pop(p, None)
            self.subscription.resume(*_both(p))
            return

    def _go_cold(self, why: str) -> None:
        """Redis lost its epoch: forget what is not acknowledged, rebuild, then take all again."""
        if self._warming is not None:
            return
        log.warning("ledger_cold", error=why)
        self._partitions.drop(self._partitions.held)
        self._metrics.partitions_held.set(0)
        self._pause(self._assigned)
        self._warming = asyncio.create_task(self._guarded(self._warm()), name="cold start")

    async def _warm(self) -> None:
        current = asyncio.current_task()
        for p, task in list(self._taking.items()):
            if task is not current:
                task.cancel()
            self._taking.pop(p, None)
        while True:
            try:
                await cold_start(
                    ledger=self._ledger, journal=self._journal, effects_of=applied, fence=self._fence
                )
            except TryAgain as away:
                log.warning("cold_start_waits", error=str(away))
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            break
        self._metrics.cold_starts.inc()
        log.info("ledger_warm")
        self._warming = None
        for p in self._assigned:
            self._begin_taking(p, None)

    async def _guarded(self, step: Awaitable[None]) -> None:
        ended = await family_of(step)
        if ended.family is not Family.DONE and ended.error is not None:
            self._on_bug(ended.error)

    # Kafka

    def _pause(self, partitions: Iterable[int]) -> None:
        self.subscription.pause(*(tp for p in partitions for tp in _both(p)))

    def _seek_back(self, first: dict[TopicPartition, int], partitions: Iterable[int]) -> None:
        gone = set(partitions)
        for tp, offset in first.items():
            if tp.partition in gone:
                self.subscription.seek(tp, offset)


def _both(p: int) -> tuple[TopicPartition, TopicPartition]:
    return TopicPartition(CASES, p), TopicPartition(REPLIES, p)


def _first_offsets(records: Iterable[Consumed]) -> dict[TopicPartition, int]:
    first: dict[TopicPartition, int] = {}
    for record in records:
        first.setdefault(TopicPartition(record.topic, record.partition), record.offset)
    return first
