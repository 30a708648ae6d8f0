"""Reads the journal and the dead letters from outside, and checks the promises (docs/ledger.md, Promises)."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition

from tests.integration.rules.input_sender import RecordPosition
from tests.waiting import eventually

DECISIONS, DEAD_LETTERS = "mandaat.decisions", "mandaat.dead-letters"
UNHEARD = ("mandaat.approval.late.v1", "mandaat.approval.not_entitled.v1")


class JournalEvent(NamedTuple):
    """One record of the journal."""

    partition: int
    offset: int
    timestamp_ms: int
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...]
    event: dict[str, Any]

    @property
    def kind(self) -> str:
        """The type of the event, shortened."""
        return str(self.event["type"]).removeprefix("mandaat.").removesuffix(".v1")

    @property
    def request(self) -> tuple[str, str, str]:
        """The request that the event is about."""
        about = self.event["data"].get("approval") or self.event["data"]
        return self.event["tenant"], about["case_id"], about["request_id"]


class WatchedDeadLetter(NamedTuple):
    """One dead letter."""

    reason: str
    detail: str
    place: RecordPosition
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]


class JournalWatch:
    """Reads the journal and the dead letters from their beginning."""

    def __init__(self, bootstrap: str, tenant: str) -> None:
        self._tenant = tenant
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=8 << 20,
            retry_backoff_ms=200,
        )
        self.all: list[JournalEvent] = []
        self.letters: list[WatchedDeadLetter] = []

    async def __aenter__(self) -> JournalWatch:
        await self._consumer.start()
        cluster = await self._consumer._client.fetch_all_metadata()
        self._consumer.assign(
            [
                TopicPartition(topic, p)
                for topic in (DECISIONS, DEAD_LETTERS)
                for p in cluster.partitions_for_topic(topic)
            ]
        )
        await self._consumer.seek_to_beginning()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()

    @property
    def events(self) -> list[JournalEvent]:
        """The events of our tenant."""
        return [one for one in self.all if one.event.get("tenant") == self._tenant]

    def kinds(self, case_id: str) -> list[str]:
        """The kinds of the events about a case, in order."""
        return [one.kind for one in self.events if one.event["subject"] == case_id]

    def of(self, case_id: str) -> list[JournalEvent]:
        """The events about a case, in order."""
        return [one for one in self.events if one.event["subject"] == case_id]

    def letter_at(self, place: RecordPosition) -> list[WatchedDeadLetter]:
        """The dead letters of one record."""
        return [letter for letter in self.letters if letter.place == place]

    async def look(self) -> None:
        """Read on for a moment."""
        for tp, records in (await self._consumer.getmany(timeout_ms=100, max_records=5000)).items():
            for record in records:
                headers = tuple(record.headers)
                if tp.topic == DEAD_LETTERS:
                    self.letters.append(_letter(record.key, record.value, headers))
                else:
                    event = json.loads(record.value)
                    place = (tp.partition, record.offset, record.timestamp)
                    self.all.append(JournalEvent(*place, record.key, record.value, headers, event))

    async def until(self, condition: Callable[[], Any], *, seconds: float = 30.0, what: str = "") -> None:
        """Read on until the condition holds."""

        async def looked() -> Any:
            await self.look()
            answer = condition()
            return await answer if isinstance(answer, Awaitable) else answer

        await eventually(looked, seconds=seconds, what=what)

    async def to_the_end(self) -> None:
        """Read up to the present end."""
        tps = list(self._consumer.assignment())
        ends = await self._consumer.end_offsets(tps)

        async def reached() -> bool:
            return all([await self._consumer.position(tp) >= end for tp, end in ends.items()])

        await self.until(reached, what="the end of the topics")


def _letter(
    key: bytes | None, value: bytes | None, headers: tuple[tuple[str, bytes | None], ...]
) -> WatchedDeadLetter:
    said = {name: (text or b"").decode() for name, text in headers if name.startswith("mandaat-")}
    place = RecordPosition(said["mandaat-topic"], int(said["mandaat-partition"]), int(said["mandaat-offset"]))
    theirs = tuple(pair for pair in headers if not pair[0].startswith("mandaat-"))
    return WatchedDeadLetter(said["mandaat-reason"], said["mandaat-detail"], place, key, value, theirs)


def _which(decision: Any) -> str:
    """Whether a decision is the first on its request, the one that closes it, or its withdrawal."""
    if decision["outcome"] == "withdrawn":
        return "withdrawn"
    return "closing" if decision["decided_by"] else "first"


def assert_promises_kept(events: Iterable[JournalEvent]) -> None:
    """Each event id has one content, sequences rise, requests have one decision, versions rise by one."""
    contents: dict[str, tuple[bytes, bytes, Any, int]] = {}
    newest: defaultdict[int, int] = defaultdict(int)
    versions: defaultdict[tuple[str, str, str], list[int]] = defaultdict(list)
    decisions: defaultdict[tuple[str, str, str], list[str]] = defaultdict(list)
    for one in events:
        if one.event["type"] == "mandaat.ledger.marked.v1":
            continue
        content = (one.key, one.value, one.headers, one.partition)
        if one.event["id"] in contents:
            assert contents[one.event["id"]] == content, f"two contents of event {one.event['id']}"
            continue
        contents[one.event["id"]] = content
        sequence = int(one.event["sequence"])
        assert sequence >= newest[one.partition], f"sequences fall in partition {one.partition}"
        newest[one.partition] = sequence
        assert one.timestamp_ms == sequence // 1000
        if one.kind.startswith("decision."):
            decisions[one.request].append(_which(one.event["data"]))
        elif one.event["type"] not in UNHEARD:
            versions[one.request].append(one.event["data"]["approval"]["version"])
    for request, found in decisions.items():
        lasting = [which for which in found if which != "withdrawn"]
        assert lasting in ([], ["first"], ["first", "closing"]), f"{request} has decisions {found}"
        assert found.count("withdrawn") <= 1, f"{request} has decisions {found}"
        assert "withdrawn" not in found[:-1], f"{request} was decided after it was withdrawn: {found}"
    for request, numbers in versions.items():
        assert numbers == list(range(1, len(numbers) + 1)), f"{request} has versions {numbers}"
