"""The sending half of the walk: claim -> send -> mark (the other half is services.notifier.walk).

Each step is a loop of its own. `claim` takes due notices out of the outbox. `send` runs side by side for each
notice that a channel sends at the same time. `mark` says how they ended.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from schemas.ids import record_key
from services.chassis.process.errors import TryAgain
from services.chassis.process.families import Family, family_of
from services.chassis.process.log import log
from services.notifier.channels.channel import Channel, DeliveryAttempt
from services.notifier.channels.outcome import Permanent
from services.notifier.metrics import NotifierMetrics
from services.notifier.outbox import case_file
from services.notifier.outbox.fairness import MOST_IN_HAND, ChannelQueue
from services.notifier.outbox.in_hand import ClaimedNotice, NoticesInHand
from services.notifier.outbox.loops import BACK_OFF, Loops, Step, Turn
from services.notifier.outbox.marking import FinishedTry, Marking, Publisher
from services.notifier.outbox.owned_partitions import OwnedPartition, OwnedPartitions
from services.notifier.outbox.report import OutboxReport
from services.notifier.outbox.results import Postponed, Result, result_of
from services.notifier.outbox.retry import too_old
from services.notifier.outbox.store import OutboxStore
from services.notifier.planning.notice import PendingNotice

MOST_AT_ONCE: Final = 64
"""Claimed from one partition in one call."""
IDLE_SECONDS: Final = 0.25
GATHER_SECONDS: Final = 0.01
FINISH_SECONDS: Final = 5.0
LOOKUP_PAUSE_SECONDS: Final = 1.0


class Dispatcher:
    """Sends the notices that are due on the partitions that we own."""

    def __init__(
        self,
        *,
        store: OutboxStore,
        partitions: OwnedPartitions,
        publisher: Publisher,
        channels: Sequence[Channel],
        metrics: NotifierMetrics,
        give_up_after: timedelta,
        clock: Callable[[], datetime],
        on_bug: Callable[[BaseException], None],
    ) -> None:
        self._store = store
        self._partitions = partitions
        self._give_up_after = give_up_after
        self._clock = clock
        self._in_hand = NoticesInHand()
        self._queues = [ChannelQueue(channel, self._in_hand) for channel in channels]
        self._tried: asyncio.Queue[FinishedTry] = asyncio.Queue()
        self._report = OutboxReport(store, partitions, metrics, clock)
        self._marking = Marking(store, partitions, publisher, on_marked=self._marked)
        self._woken = asyncio.Event()
        self._finishing: frozenset[int] = frozenset()
        self._loops = Loops("sending", on_bug)

    # Life

    async def start(self) -> None:
        """Start the loops."""
        steps: dict[str, Step] = {
            "claim": self._claim,
            "mark": self._mark,
            "measure": self._report.measure,
        }
        for queue in self._queues:
            for number in range(1, queue.channel.concurrency + 1):
                steps[f"{queue.channel.name} {number}"] = partial(self._send, queue)
        self._loops.start(steps)

    async def stop(self) -> None:
        """Stop the loops. The next owner finds what is in hand `sending`."""
        await self._loops.stop()

    def alive(self) -> str | None:
        """The loop that ended or hangs, for /livez, or None."""
        return self._loops.alive()

    def wake(self) -> None:
        """Something may be due."""
        self._woken.set()

    async def finish(self, partitions: frozenset[int]) -> None:
        """Claim nothing more from these, and wait some seconds for what is in hand."""
        self._finishing = partitions
        try:
            async with asyncio.timeout(FINISH_SECONDS):
                await self._in_hand.until_released(partitions)
        except TimeoutError:
            log.warning("left_in_hand", number=len(self._in_hand))
        finally:
            self._finishing = frozenset()

    # The walk

    async def _claim(self, turn: Turn) -> None:
        """Claim what is due, for each channel as much as there is room for; wait where nothing is."""
        self._woken.clear()
        claimed = 0
        for queue in self._queues:
            if queue.channel.ready() is not None:
                continue
            for owned in list(self._partitions.owned.values()):
                turn.begins()
                most = min(queue.room(), MOST_AT_ONCE)
                if most > 0 and owned.p not in self._finishing:
                    claimed += await self._claim_from(owned, queue, most)
        if not claimed:
            try:
                async with asyncio.timeout(IDLE_SECONDS):
                    await self._woken.wait()
            except TimeoutError:
                return

    async def _send(self, queue: ChannelQueue, turn: Turn) -> None:
        """Send the next notice of a channel, if it is still ours, and pass the result on."""
        turn.waits()
        claimed = await queue.get()
        turn.begins()
        try:
            if await self._is_ours(claimed.p):
                self._tried.put_nowait(FinishedTry(claimed.p, await self._try(queue, claimed)))
            else:
                self._release(claimed.notice)  # the partition's owner finds it `sending`
        except TryAgain:
            self._tried.put_nowait(FinishedTry(claimed.p, Postponed(claimed.notice, LOOKUP_PAUSE_SECONDS)))
            raise
        finally:
            queue.done(claimed.notice.tenant)

    async def _mark(self, turn: Turn) -> None:
        """Mark the tries that are over, and repeat until none of them is in hand."""
        turn.waits()
        tried = [await self._tried.get()]
        await asyncio.sleep(GATHER_SECONDS)
        failures = 0
        while tried:
            turn.begins()
            while not self._tried.empty():
                tried.append(self._tried.get_nowait())
            outcome = await family_of(self._marking.mark(self._still_ours(tried)))
            if outcome.family is Family.BUG and outcome.error is not None:
                raise outcome.error
            tried = [one for one in tried if one.notice_id in self._in_hand]
            if tried:
                log.warning("try_again", what="mark", number=len(tried), error=str(outcome.error))
                failures += 1
                await asyncio.sleep(BACK_OFF.pause(failures))

    # Its parts

    async def _claim_from(self, owned: OwnedPartition, queue: ChannelQueue, most: int) -> int:
        channel = queue.channel
        try:
            entries = await self._store.due(owned.p, owned.generation, channel.name, most)
            owned.checked = time.monotonic()
            notices = [PendingNotice.model_validate_json(entry) for entry in entries]
            new = [notice for notice in notices if notice.notice_id not in self._in_hand]
            materials = await self._store.read_fields([_wanted(notice, channel) for notice in new])
        except TryAgain as why:
            # Notices that the call took are `sending` and not in hand: only taking the partition finds them.
            self._partitions.drop(owned, why)
            raise
        for notice, material in zip(new, materials, strict=True):
            pause = queue.pause_seconds(notice.tenant)
            claimed = ClaimedNotice(owned.p, notice, material)
            self._in_hand.add(claimed)
            if pause is None:
                queue.put(claimed)
            else:
                pause *= random.uniform(0.5, 1.5)  # noqa: S311 - jitter
                self._tried.put_nowait(FinishedTry(owned.p, Postponed(notice, pause)))
        return len(new)

    async def _is_ours(self, p: int) -> bool:
        owned = self._partitions.owned.get(p)
        if owned is None or p in self._finishing:
            return False
        try:
            await self._partitions.check(owned)
        except TryAgain:
            return False
        return True

    async def _try(self, queue: ChannelQueue, claimed: ClaimedNotice) -> Result:
        channel = queue.channel
        notice = claimed.notice.model_copy(update={"attempts": claimed.notice.attempts + 1})
        attempt = await _attempt(channel, notice, claimed.material, self._clock())
        queue.learn(notice.tenant, attempt.outcome)
        chance = random.random()  # noqa: S311 - jitter
        message_id = channel.message_id(notice)
        result = result_of(notice, attempt, message_id, self._clock(), self._give_up_after, chance)
        self._report.tried(result)
        return result

    def _still_ours(self, tried: Sequence[FinishedTry]) -> list[FinishedTry]:
        """Those of partitions that we own. Those that Kafka took away are released to the new owner."""
        for one in tried:
            if one.p not in self._partitions.owned and one.p not in self._partitions.assigned:
                self._release(one.result.notice)
        return [one for one in tried if one.p in self._partitions.owned]

    def _marked(self, result: Result) -> None:
        self._release(result.notice)
        self._report.marked(result)

    def _release(self, notice: PendingNotice) -> None:
        self._in_hand.release(notice.notice_id)
        self._marking.forget(notice.notice_id)
        if len(self._in_hand) < MOST_IN_HAND // 2:
            self.wake()


async def _attempt(
    channel: Channel, notice: PendingNotice, values: Sequence[bytes | None], now: datetime
) -> DeliveryAttempt:
    if too_old(notice.about_time, now):
        return DeliveryAttempt(Permanent("too_old"))
    material = case_file.read_material(values)
    if material is None:
        return DeliveryAttempt(Permanent("case_gone"))
    return await channel.send(notice, material, now)


def _wanted(notice: PendingNotice, channel: Channel) -> tuple[str, tuple[str, ...]]:
    fields = case_file.material_fields(notice, needs_case=channel.needs_case)
    return record_key(notice.tenant, notice.case_id), fields
