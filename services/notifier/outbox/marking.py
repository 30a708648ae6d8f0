"""Marks notices: publishes how they ended, then removes them from the outbox or puts them back.

A notice leaves the outbox after mandaat.notices has acknowledged how it ended. If the process is killed in
between, the next owner finds it `sending`, and sends it again under the same message id.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from schemas.cloud_event import HEADERS
from schemas.ids import record_key
from schemas.topics import NOTICES
from services.chassis.kafka.producer import Outgoing
from services.chassis.process.errors import TryAgain
from services.notifier.outbox import case_file
from services.notifier.outbox.owned_partitions import OwnedPartition, OwnedPartitions
from services.notifier.outbox.results import Ended, Postponed, Result
from services.notifier.outbox.store import EndedNotice, OutboxStore, PostponedNotice


class Publisher(Protocol):
    """Publishes to Kafka and awaits the acknowledgements."""

    async def send_all(self, records: Sequence[Outgoing]) -> list[int]:
        """The offsets, in order. Raises TryAgain."""
        ...


class FinishedTry(NamedTuple):
    """The result of a try of a notice of partition p."""

    p: int
    result: Result

    @property
    def notice_id(self) -> str:
        """The id of the notice."""
        return self.result.notice.notice_id


class Marking:
    """Publishes and settles results. `on_marked` is called for each that Redis has taken."""

    def __init__(
        self,
        store: OutboxStore,
        partitions: OwnedPartitions,
        publisher: Publisher,
        on_marked: Callable[[Result], None],
    ) -> None:
        self._store = store
        self._partitions = partitions
        self._publisher = publisher
        self._on_marked = on_marked
        self._offsets: dict[str, int] = {}

    async def mark(self, tried: Sequence[FinishedTry]) -> None:
        """Publish first, then settle each partition. Raises TryAgain; those that are marked stay marked.

        All are of partitions that we own now.
        """
        await self._publish(tried)
        for p in dict.fromkeys(one.p for one in tried):
            owned = self._partitions.owned.get(p)
            if owned is not None:
                await self._settle(owned, [one.result for one in tried if one.p == p])

    def forget(self, notice_id: str) -> None:
        """The notice is somebody else's now, or marked."""
        self._offsets.pop(notice_id, None)

    async def _publish(self, tried: Sequence[FinishedTry]) -> None:
        """Publish how notices ended, each once also when marking is repeated."""
        new = [
            (one.notice_id, _outgoing(one.p, one.result))
            for one in tried
            if isinstance(one.result, Ended) and one.notice_id not in self._offsets
        ]
        offsets = await self._publisher.send_all([record for _, record in new])
        self._offsets |= {id_: offset for (id_, _), offset in zip(new, offsets, strict=True)}

    async def _settle(self, owned: OwnedPartition, results: Sequence[Result]) -> None:
        ended = [one for one in results if isinstance(one, Ended)]
        postponed = [one for one in results if isinstance(one, Postponed)]
        offsets = [self._offsets[one.notice.notice_id] for one in ended]
        try:
            await self._store.settle(
                owned.p,
                owned.generation,
                {NOTICES: max(offsets) + 1} if offsets else {},
                [_ended(one) for one in ended],
                [_postponed(one) for one in postponed],
            )
        except TryAgain as why:
            self._partitions.drop(owned, why)
            raise
        for one in results:
            self.forget(one.notice.notice_id)
            self._on_marked(one)


def _outgoing(p: int, one: Ended) -> Outgoing:
    return Outgoing(NOTICES, p, _case_key(one).encode(), one.event.to_bytes(), HEADERS)


def _ended(one: Ended) -> EndedNotice:
    notice, line = one.notice, case_file.notice_line(one.event)
    return EndedNotice(notice.notice_id, notice.recipient.channel, _case_key(one), line)


def _postponed(one: Postponed) -> PostponedNotice:
    notice, entry = one.notice, one.notice.model_dump_json().encode()
    return PostponedNotice(notice.notice_id, notice.recipient.channel, entry, round(one.pause_seconds * 1000))


def _case_key(result: Result) -> str:
    return record_key(result.notice.tenant, result.notice.case_id)
