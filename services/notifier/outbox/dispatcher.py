"""From the outbox to people: due -> sending -> told or tried again later -> published -> removed.

A notice leaves the outbox after mandaat.notices has acknowledged how it ended. Killed in between, it is found
`sending` and sent again under the same Message-ID or webhook-id.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final, Protocol

from schemas.cloud_event import HEADERS, CloudEvent
from schemas.ids import record_key
from schemas.notice import Notice
from schemas.topics import NOTICES
from services.chassis.kafka.producer import Outgoing
from services.chassis.process.errors import TryAgain
from services.chassis.process.families import Family, family_of
from services.chassis.process.log import log
from services.notifier.channels.delivery import DeliveryAttempt, Material, NoticeDelivery
from services.notifier.channels.fair_queue import FairQueue
from services.notifier.channels.outcome import Delivered, Passing, Permanent
from services.notifier.metrics import NotifierMetrics
from services.notifier.outbox import case_file
from services.notifier.outbox.loops import Loops, Step, Turn
from services.notifier.outbox.owned_partitions import OwnedPartition, OwnedPartitions
from services.notifier.outbox.retry import given_up, pause_seconds, too_old
from services.notifier.outbox.store import EndedNotice, Later, OutboxStore
from services.notifier.planning.notice import PendingNotice, ended

MOST_IN_HAND: Final = 256
MOST_AT_ONCE: Final = 64
IDLE_SECONDS: Final = 0.25
LOOK_SECONDS: Final = 5.0
GATHER_SECONDS: Final = 0.01
FINISH_SECONDS: Final = 5.0
CROWDED_SECONDS: Final = 1.0
FAILING_SECONDS: Final = 10.0
"""About so long a notice is put back whose tenant has its share in hand: shorter where that moves."""


def share_of(whole: int, tenants: int) -> int:
    """What one of so many tenants may take of what they share: at most a quarter, where they are four."""
    return max(1, whole // min(4, max(1, tenants)))


class Publisher(Protocol):
    """What publishes to Kafka and awaits the acknowledgements."""

    async def send_all(self, records: Sequence[Outgoing]) -> list[int]:
        """Offsets in order. Raises TryAgain."""
        ...


@dataclass(frozen=True)
class InHand:
    """A notice that is being told."""

    p: int
    pending: PendingNotice
    material: Material


@dataclass(frozen=True)
class Done:
    """A try that is over: the event that says how the notice ended, or when it is tried again."""

    p: int
    pending: PendingNotice
    event: CloudEvent[Notice] | None
    pause_seconds: float = 0.0


class Dispatcher:
    """Tells what is due on the partitions that are held, so many notices of each channel at a time."""

    def __init__(
        self,
        *,
        store: OutboxStore,
        partitions: OwnedPartitions,
        publisher: Publisher,
        telling: NoticeDelivery,
        metrics: NotifierMetrics,
        give_up_after: timedelta,
        workers: Mapping[str, int],
        tenants_with_webhook: int,
        clock: Callable[[], datetime],
        on_bug: Callable[[BaseException], None],
    ) -> None:
        self._store = store
        self._partitions = partitions
        self._publisher = publisher
        self._telling = telling
        self._metrics = metrics
        self._give_up_after = give_up_after
        self._workers = workers
        self._clock = clock
        self._in_hand: dict[str, InHand] = {}
        self._of_tenant = {"webhook": share_of(MOST_IN_HAND, tenants_with_webhook)}
        shares = {"webhook": share_of(workers["webhook"], tenants_with_webhook)}
        self._jobs: dict[str, FairQueue[InHand]] = {
            lane: FairQueue(shares.get(lane, number)) for lane, number in workers.items()
        }
        self._failing: set[str] = set()  # tenants whose webhook did not take the last post
        self._over: asyncio.Queue[Done] = asyncio.Queue()
        self._published: dict[str, int] = {}
        self._let_go = asyncio.Event()
        self._woken = asyncio.Event()
        self._finishing: frozenset[int] = frozenset()
        self._loops = Loops("sending", on_bug)

    # Life

    async def start(self) -> None:
        """Begins to tell."""
        steps: dict[str, Step] = {"fetch": self._fetch, "settle": self._settle, "look": self._look}
        for lane, number in self._workers.items():
            steps |= {f"{lane} {n}": partial(self._work, self._jobs[lane]) for n in range(1, number + 1)}
        self._loops.start(steps)

    async def stop(self) -> None:
        """Ends; what is in hand is found `sending` by the next owner."""
        await self._loops.stop()

    def alive(self) -> str | None:
        """What is wrong for /livez, or None."""
        return self._loops.alive()

    def wake(self) -> None:
        """Something may be due."""
        self._woken.set()

    async def finish(self, partitions: frozenset[int]) -> None:
        """Begin nothing more on these, and wait for what is in hand, for some seconds."""
        self._finishing = partitions
        try:
            async with asyncio.timeout(FINISH_SECONDS):
                while any(job.p in partitions for job in self._in_hand.values()):
                    self._let_go.clear()
                    await self._let_go.wait()
        except TimeoutError:
            log.warning("left_in_hand", number=len(self._in_hand))
        finally:
            self._finishing = frozenset()

    # Steps, each repeated for ever

    async def _fetch(self, turn: Turn) -> None:
        """Takes what is due into hand."""
        self._woken.clear()
        fetched = 0
        for lane in self._jobs if self._telling.ready() is None else ():
            for held in list(self._partitions.held.values()):
                room = MOST_IN_HAND - sum(job.pending.told.channel == lane for job in self._in_hand.values())
                turn.begins()
                if room > 0 and held.p not in self._finishing:
                    fetched += await self._fetch_from(held, lane, min(room, MOST_AT_ONCE))
        if not fetched:
            try:
                async with asyncio.timeout(IDLE_SECONDS):
                    await self._woken.wait()
            except TimeoutError:
                return

    async def _fetch_from(self, held: OwnedPartition, lane: str, most: int) -> int:
        try:
            entries = await self._store.due(held.p, held.generation, lane, most)
            held.checked = time.monotonic()
            pending = [PendingNotice.model_validate_json(entry) for entry in entries]
            new = [one for one in pending if one.notice_id not in self._in_hand]
            material = await self._store.of_cases([_wanted(one) for one in new])
        except TryAgain as why:
            # What the call gave is `sending` and not in hand: only taking the partition anew finds it.
            self._partitions.drop(held, why)
            raise
        for one, (case, event, note) in zip(new, material, strict=True):
            crowded = self._is_crowded(lane, one.tenant)
            self._in_hand[one.notice_id] = job = InHand(held.p, one, Material(case, event, note))
            if crowded:
                pause = FAILING_SECONDS if one.tenant in self._failing else CROWDED_SECONDS
                pause *= random.uniform(0.5, 1.5)  # noqa: S311 - jitter
                self._over.put_nowait(Done(held.p, one, None, pause_seconds=pause))
            else:
                self._jobs[lane].put(one.tenant, job)
        return len(new)

    def _is_crowded(self, lane: str, tenant: str) -> bool:
        """Whether so much of a tenant is in hand that, if it hangs, the others would find no room."""
        most = self._of_tenant.get(lane)
        if most is None:
            return False
        mine = (job.pending for job in self._in_hand.values() if job.pending.tenant == tenant)
        return sum(one.told.channel == lane for one in mine) >= most

    async def _work(self, lane: FairQueue[InHand], turn: Turn) -> None:
        """Tells one notice."""
        turn.waits()
        job = await lane.get()
        turn.begins()
        try:
            await self._tell(job)
        finally:
            lane.done(job.pending.tenant)

    async def _tell(self, job: InHand) -> None:
        held = self._partitions.held.get(job.p)
        if held is None or job.p in self._finishing:
            self._release(job.pending)
            return
        try:
            await self._partitions.check(held)
        except TryAgain:
            self._release(job.pending)  # whoever takes the partition finds it `sending`
            return
        pending = job.pending.model_copy(update={"attempts": job.pending.attempts + 1})
        now = self._clock()
        try:
            if too_old(pending.about_time, now):
                told = self._telling.unsent(pending, Permanent("too_old"))
            else:
                told = await self._telling.tell(pending, job.material, now)
        except TryAgain:
            self._over.put_nowait(Done(job.p, job.pending, None, pause_seconds=1.0))
            raise
        self._over.put_nowait(self._judge(job.p, pending, told))

    def _release(self, pending: PendingNotice) -> None:
        self._in_hand.pop(pending.notice_id, None)
        self._published.pop(pending.notice_id, None)
        self._let_go.set()
        if len(self._in_hand) < MOST_IN_HAND // 2:
            self.wake()

    def _judge(self, p: int, pending: PendingNotice, told: DeliveryAttempt) -> Done:
        now, outcome = self._clock(), told.outcome
        if pending.told.channel == "webhook":
            (self._failing.add if isinstance(outcome, Passing) else self._failing.discard)(pending.tenant)
        match outcome:
            case Passing() if not given_up(pending.about_time, now, self._give_up_after, pending.attempts):
                self._metrics.retries.labels(pending.told.channel).inc()
                _log("notice_tried", pending, reason=outcome.reason)
                chance = random.random()  # noqa: S311 - jitter
                return Done(
                    p, pending, None, pause_seconds(pending.attempts, chance, outcome.retry_after_seconds)
                )
            case Passing():
                return Done(p, pending, _failed(pending, told, now, f"gave_up: {outcome.reason}"))
            case Permanent():
                return Done(p, pending, _failed(pending, told, now, outcome.reason))
            case Delivered():
                self._metrics.told_seconds.labels(pending.told.channel).observe(
                    max(0.0, now.timestamp() - pending.settled_us / 1e6)
                )
                event = ended(pending, "delivered", now, message_id=told.message_id, language=told.language)
                return Done(p, pending, event)

    async def _settle(self, turn: Turn) -> None:
        """Publishes how notices ended, then removes them; puts the others back with their time."""
        turn.waits()
        gathered = [await self._over.get()]
        await asyncio.sleep(GATHER_SECONDS)
        pause = 0.1
        while gathered:
            turn.begins()
            while not self._over.empty():
                gathered.append(self._over.get_nowait())
            outcome = await family_of(self._settle_all(gathered))
            if outcome.family is Family.BUG and outcome.error is not None:
                raise outcome.error
            gathered = [done for done in gathered if done.pending.notice_id in self._in_hand]
            if gathered:
                log.warning("try_again", what="settle", number=len(gathered), error=str(outcome.error))
                await asyncio.sleep(pause)
                pause = min(pause * 2, 2.0)

    async def _settle_all(self, gathered: Sequence[Done]) -> None:
        """Those of partitions that are held; those of others' are let go, who find them `sending`."""
        by_partition: dict[int, list[Done]] = {}
        for done in gathered:
            if done.p in self._partitions.held:
                by_partition.setdefault(done.p, []).append(done)
            elif done.p not in self._partitions.wanted:
                self._release(done.pending)
        await self._publish([done for part in by_partition.values() for done in part])
        for p, part in by_partition.items():
            held = self._partitions.held.get(p)
            if held is not None:
                await self._settle_partition(held, part)

    async def _publish(self, gathered: Sequence[Done]) -> None:
        new = [
            (done.pending.notice_id, _outgoing(done, done.event))
            for done in gathered
            if done.event is not None and done.pending.notice_id not in self._published
        ]
        offsets = await self._publisher.send_all([record for _, record in new])
        self._published |= {id_: offset + 1 for (id_, _), offset in zip(new, offsets, strict=True)}

    async def _settle_partition(self, held: OwnedPartition, part: Sequence[Done]) -> None:
        over, later = [], []
        for done in part:
            id_, lane = done.pending.notice_id, done.pending.told.channel
            if done.event is not None:
                over.append(EndedNotice(id_, lane, _key(done.pending), case_file.notice_line(done.event)))
            else:
                entry = done.pending.model_dump_json().encode()
                later.append(Later(id_, lane, entry, round(done.pause_seconds * 1000)))
        position = max((self._published[ended_.id] for ended_ in over), default=-1)
        try:
            await self._store.settle(held.p, held.generation, position, over, later)
        except TryAgain as why:
            self._partitions.drop(held, why)
            raise
        for done in part:
            self._release(done.pending)
            if done.event is not None:
                self._count(done.pending, done.event)

    def _count(self, pending: PendingNotice, event: CloudEvent[Notice]) -> None:
        outcome = "failed" if event.data.reason is not None else "delivered"
        told = pending.told
        self._metrics.notices.labels(told.audience, told.channel, outcome).inc()
        _log(f"notice_{outcome}", pending, reason=event.data.reason)

    async def _look(self, turn: Turn) -> None:
        """Says how much waits, and since when."""
        number, oldest = 0, None
        for p in list(self._partitions.held):
            turn.begins()
            more, since = await self._store.waiting(p)
            number += more
            oldest = since if oldest is None or (since is not None and since < oldest) else oldest
        self._metrics.outbox.set(number)
        age = self._clock().timestamp() - oldest / 1000 if oldest is not None else 0.0
        self._metrics.oldest.set(max(0.0, age))
        await asyncio.sleep(LOOK_SECONDS)


def _wanted(pending: PendingNotice) -> tuple[str, tuple[str, ...]]:
    submission = case_file.submission_field(pending.request_id, pending.request_digest)
    note = case_file.note_field(pending.request_id)
    return _key(pending), (submission, case_file.event_field(pending.about), note)


def _key(pending: PendingNotice) -> str:
    return record_key(pending.tenant, pending.case_id)


def _failed(pending: PendingNotice, told: DeliveryAttempt, now: datetime, reason: str) -> CloudEvent[Notice]:
    return ended(pending, "failed", now, message_id=told.message_id, language=told.language, reason=reason)


def _outgoing(done: Done, event: CloudEvent[Notice]) -> Outgoing:
    return Outgoing(NOTICES, done.p, _key(done.pending).encode(), event.to_bytes(), HEADERS)


def _log(what: str, pending: PendingNotice, reason: str | None = None) -> None:
    log.info(
        what,
        case_id=pending.case_id,
        request_id=pending.request_id,
        notice_id=pending.notice_id,
        about_type=pending.about_type,
        audience=pending.told.audience,
        channel=pending.told.channel,
        attempts=pending.attempts,
        reason=reason,
    )
