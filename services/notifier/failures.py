"""The records about a case that became dead letters, so that `GET` can say so.

mandaat.dead-letters need not have as many partitions as mandaat.cases, so no process owns those of a case.
Every process reads the whole topic, without a group, and keeps in memory what it needs: a code and a
sentence, and no words of people.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

from aiokafka import TopicPartition
from pydantic_core import from_json

from schemas import types
from schemas.ids import record_key, split_record_key
from schemas.topics import DEAD_LETTERS
from services.chassis.kafka.dead_letters import PREFIX, ConsumedRecord
from services.chassis.kafka.follower import Follower
from services.chassis.kafka.reader import Reader

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
        self._kept = kept
        self._clock = clock
        self._by_case: OrderedDict[str, tuple[FailedRecord, ...]] = OrderedDict()
        self._follower = Follower(
            DEAD_LETTERS,
            bootstrap=bootstrap,
            client_id="mandaat-notifier-dead-letters",
            name="dead_letters",
            begin=self._begin,
            take=self.take_in,
            on_bug=on_bug,
        )

    def of(self, case_key: str) -> Sequence[FailedRecord]:
        """The failed records of a case, oldest first."""
        return self._by_case.get(case_key, ())

    def start(self) -> None:
        """Begin to follow the topic. While Kafka is away, it waits."""
        self._follower.start()

    async def stop(self) -> None:
        """Stop following."""
        await self._follower.stop()

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

    async def _begin(self, reader: Reader, partitions: list[TopicPartition]) -> Mapping[TopicPartition, int]:
        since = round((self._clock() - self._kept).timestamp() * 1000)
        ends = await reader.ends(partitions)
        found = await reader.since(dict.fromkeys(partitions, since))
        return {tp: ends[tp] if (at := found[tp]) is None else at for tp in partitions}


def read_failed(record: ConsumedRecord) -> FailedRecord | None:
    """The failure in a dead letter; None if it is about no request, or cannot be read."""
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
