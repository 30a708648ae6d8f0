"""The records about a case that became dead letters, so that `GET` can say so.

mandaat.dead-letters need not have as many partitions as mandaat.cases, so no process owns those of a case.
Every process reads the whole topic, without a group, and keeps in memory what it needs: a code and a
sentence, and no words of people.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

from aiokafka import TopicPartition
from pydantic_core import from_json

from schemas import types
from schemas.ids import record_key, split_record_key
from schemas.topics import DEAD_LETTERS
from services.chassis.kafka.dead_letters import PREFIX, ConsumedRecord
from services.chassis.kafka.reader import Reader
from services.chassis.process.back_off import BackOff, repeat_until_done
from services.chassis.process.log import log

BACK_OFF: Final = BackOff(first=0.5)
CASES_KEPT: Final = 10_000
"""With more cases than these, the ones whose last failure is oldest are forgotten."""
KEPT_OF_A_CASE: Final = 20

_VERDICTS: Final[dict[str, Literal["approve", "reject"]]] = {
    types.VERDICT_APPROVE: "approve",
    types.VERDICT_REJECT: "reject",
}
_TOPICS: Final = {one.name: one.topic for one in types.EVENT_TYPES}


@dataclass(frozen=True)
class FailedRecord:
    """A submission, a withdrawal or a reply that became a dead letter. `place` is where the record stands."""

    of: Literal["submission", "withdrawal", "reply"]
    request_id: str
    reason: str
    detail: str
    time: datetime
    place: str = ""
    reply_id: str | None = None
    giver: str | None = None
    verdict: Literal["approve", "reject"] | None = None

    @property
    def is_final(self) -> bool:
        """Whether the request gets no decision, unless an operator sends the record again.

        A conflict is with a request that is known, so that request has its decision, or gets it.
        """
        return self.of == "submission" and self.reason != "conflict"


class FailedRecords:
    """Follows mandaat.dead-letters, from records that are as old as case files can be."""

    def __init__(
        self,
        bootstrap: str,
        *,
        kept: timedelta,
        clock: Callable[[], datetime],
        on_bug: Callable[[BaseException], None],
    ) -> None:
        self._bootstrap = bootstrap
        self._kept = kept
        self._clock = clock
        self._on_bug = on_bug
        self._next: dict[TopicPartition, int] = {}
        self._by_case: OrderedDict[str, tuple[FailedRecord, ...]] = OrderedDict()
        self._task: asyncio.Task[None] | None = None

    def of(self, case_key: str) -> Sequence[FailedRecord]:
        """The failed records of a case, oldest first."""
        return self._by_case.get(case_key, ())

    def start(self) -> None:
        """Begin to follow the topic. While Kafka is away, it waits."""
        self._task = asyncio.create_task(self._follow(), name="failed records")

    async def stop(self) -> None:
        """Stop following."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def take_in(self, record: ConsumedRecord) -> None:
        """Keep what a dead letter says of a case. Other dead letters are ignored."""
        named, failed = split_record_key(record.key), read_failed(record)
        if named is None or failed is None:
            return
        key = record_key(*named)
        others = [one for one in self.of(key) if one.place != failed.place]
        self._by_case[key] = (*others, failed)[-KEPT_OF_A_CASE:]
        self._by_case.move_to_end(key)
        if len(self._by_case) > CASES_KEPT:
            self._by_case.popitem(last=False)

    async def _follow(self) -> None:
        await repeat_until_done(
            self._read_on, BACK_OFF, on_try_again=_log_reads_again, on_bug=self._stop_loudly
        )

    def _stop_loudly(self, bug: BaseException) -> None:
        log.error("bug", topic=DEAD_LETTERS, exc_info=bug)
        self._on_bug(bug)

    async def _read_on(self) -> None:
        async with Reader(self._bootstrap, client_id="mandaat-notifier-dead-letters") as reader:
            await reader.follow(DEAD_LETTERS, begin=self._next or await self._begin(reader))
            while True:
                for records in (await reader.poll()).values():
                    for record in records:
                        self.take_in(record)
                self._next |= reader.positions()

    async def _begin(self, reader: Reader) -> dict[TopicPartition, int]:
        since = round((self._clock() - self._kept).timestamp() * 1000)
        partitions = await reader.partitions(DEAD_LETTERS)
        ends = await reader.ends(partitions)
        found = await reader.since(dict.fromkeys(partitions, since))
        return {tp: ends[tp] if (at := found[tp]) is None else at for tp in partitions}


def read_failed(record: ConsumedRecord) -> FailedRecord | None:
    """What a dead letter says of a request; None if it is about no request, or cannot be read."""
    ours = {name: (value or b"").decode(errors="replace") for name, value in record.headers}
    topic = ours.get(f"{PREFIX}topic", "")
    try:
        event = from_json(record.value or b"")
        if _TOPICS.get(event["type"]) != topic:  # such as mandaat.inbound: intake accepted nothing
            return None
        about = _about(event["type"], event["data"])
        moment = datetime.fromtimestamp(record.timestamp / 1000, UTC)
    except (ValueError, KeyError, TypeError, OverflowError, OSError):
        return None
    place = "/".join((topic, ours.get(f"{PREFIX}partition", ""), ours.get(f"{PREFIX}offset", "")))
    return FailedRecord(
        **about,
        reason=ours.get(f"{PREFIX}reason", ""),
        detail=ours.get(f"{PREFIX}detail", ""),
        time=moment,
        place=place,
    )


def _about(type_: str, data: Any) -> dict[str, Any]:
    """The fields of a failed record that come from the event. Raises KeyError, TypeError."""
    if type_ in _VERDICTS:
        return {
            "of": "reply",
            "request_id": str(data["request_id"]),
            "reply_id": str(data["reply_id"]),
            "giver": str(data["agent_id"]),
            "verdict": _VERDICTS[type_],
        }
    if type_ == types.CASE_WITHDRAWN:
        return {"of": "withdrawal", "request_id": str(data["request_id"])}
    return {"of": "submission", "request_id": str(data["request"]["request_id"])}


def _log_reads_again(error: BaseException, _: int) -> None:
    log.warning("dead_letters_read_again", topic=DEAD_LETTERS, error=str(error))
