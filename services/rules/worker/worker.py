"""One worker: what it does with each batch, and with its partitions (docs/ledger.md, The worker)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Iterable
from typing import Final

from aiokafka import TopicPartition

from services.chassis.kafka.dead_letters import ConsumedRecord
from services.chassis.kafka.subscriber import Subscription
from services.chassis.process.errors import TryAgain
from services.chassis.process.log import log
from services.rules.journal.journal import Journal
from services.rules.ledger.client import Ledger
from services.rules.ledger.script import Cold
from services.rules.ledger.take_over import Fence
from services.rules.metrics import RulesMetrics
from services.rules.worker.held_partitions import HeldPartitions
from services.rules.worker.input_topics import InputTopics, Offsets, first_offsets
from services.rules.worker.partition_owner import PartitionOwner
from services.rules.worker.walk import BatchDecider

CALL_SECONDS: Final = 1.0
"""The ledger is called at least so often, if need be with nothing: this finds a Redis that was restarted."""
COMMIT_SECONDS: Final = 0.1
"""The shortest time between two commits while there is work: a commit costs as much as deciding twenty cases.

When a worker is killed, its uncommitted records come again and are answered from the journal.
"""
REST_SECONDS: Final = 0.5
"""The pause of a partition whose batch could not be finished because something was away."""


class Worker:
    """Decides batches, commits what is decided, and hands partitions that failed to their owner.

    The methods that begin with `on_` are called by the subscription, one at a time.
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
        self._partitions = partitions
        self._topics = InputTopics()
        self._offsets = Offsets(self._topics, commit_seconds)
        self._called_at = 0.0
        self.owner = PartitionOwner(
            ledger=ledger,
            journal=journal,
            partitions=partitions,
            topics=self._topics,
            fence=fence,
            metrics=metrics,
            on_bug=on_bug,
        )
        metrics.partitions_held.set_function(lambda: len(partitions.held))

    def attach(self, subscription: Subscription) -> None:
        """Work on what this subscription gives. It calls this worker, so it is made after it."""
        self._topics.subscription = subscription

    def ready(self) -> str | None:
        """The problem that /readyz reports, or None."""
        return self.owner.ready()

    async def on_assigned(self, partitions: set[TopicPartition]) -> None:
        """Take these partitions; no record of theirs comes before. Raises TryAgain: the ledger is away."""
        await self.owner.assign({tp.partition for tp in partitions})
        self._offsets.forget_all()

    async def on_revoked(self, partitions: set[TopicPartition]) -> None:
        """Confirm and commit what is due: the next owner finds nothing pending, and nothing to repeat."""
        gone = {tp.partition for tp in partitions}
        try:
            if due := gone & self._partitions.due:
                await self._confirm(due)
        except (Cold, TryAgain) as away:
            log.warning("not_confirmed", error=str(away))
        await self._offsets.commit()
        self.owner.give_up(gone)
        self._offsets.forget(gone)

    async def on_batch(self, records: list[ConsumedRecord]) -> None:
        """Decide a batch, commit what is done, take over what failed.

        Raises TryAgain if the tables cannot be read, before anything is settled.
        """
        first = first_offsets(records)
        held = [record for record in records if record.partition in self._partitions]
        self._topics.read_again(first, {tp.partition for tp in first} - self._partitions.held)
        if not held:
            return
        try:
            outcome = await self._decider.decide_batch(held)
        except Cold as cold:
            self._topics.read_again(first, {tp.partition for tp in first})
            self.owner.rebuild(str(cold))
            return
        self._called_at = time.monotonic()
        unfinished = outcome.unfinished
        self._topics.read_again(first, unfinished)
        self.owner.take_again(outcome.take_over)
        self._rest(outcome.retry - outcome.take_over.keys())
        self._offsets.add(record for record in held if record.partition not in unfinished)
        await self._offsets.commit_when_due()

    async def on_idle(self) -> None:
        """Send the confirms that are due; and now and then an empty call, which finds a restart."""
        await self._offsets.commit()
        if self.owner.is_rebuilding:
            return
        probing = time.monotonic() - self._called_at >= CALL_SECONDS
        wanted = self._partitions.held if probing else self._partitions.due
        if not wanted and not probing:
            return
        try:
            await self._confirm(wanted)
        except Cold as cold:
            self.owner.rebuild(str(cold))
        except TryAgain as away:
            log.warning("ledger_away", error=str(away))
            self.owner.note_away(away)
            self._called_at = time.monotonic()
            self.owner.take_again(dict.fromkeys(wanted))

    async def stop(self) -> None:
        """End what goes on in the background; the partitions were given up before."""
        await self.owner.stop()

    async def _confirm(self, partitions: Iterable[int]) -> None:
        parts = self._partitions.parts(partitions)
        settled = await self._ledger.call(parts)
        self._called_at = time.monotonic()
        self.owner.note_back()
        self._partitions.confirmed(parts)
        self.owner.take_again(dict.fromkeys(settled.refused))

    def _rest(self, partitions: Collection[int]) -> None:
        """Their records come again after a moment."""
        if not partitions:
            return
        self._topics.pause(partitions)
        resting = frozenset(partitions)
        loop = asyncio.get_running_loop()
        loop.call_later(REST_SECONDS, lambda: self._topics.resume(self._partitions.held & resting))
