"""Reading the topics from outside: plain consumers and plain JSON, without code of the services."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

DECISIONS, NOTICES, DEAD_LETTERS = "mandaat.decisions", "mandaat.notices", "mandaat.dead-letters"


@dataclass(frozen=True)
class SeenEvent:
    """One record of a topic: its CloudEvent, and the record itself."""

    event: dict[str, Any]
    record: ConsumerRecord[bytes, bytes]

    @property
    def case_id(self) -> str:
        """The case it is about."""
        return str(self.event.get("subject"))

    @property
    def type(self) -> str:
        """Such as `decision.approved`."""
        return str(self.event["type"]).removeprefix("mandaat.").removesuffix(".v1")


class TopicWatcher:
    """Reads topics from their start, and keeps the records of the watched cases."""

    def __init__(self, bootstrap: str, case_ids: Collection[str], topics: Iterable[str]) -> None:
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap, auto_offset_reset="earliest", enable_auto_commit=False
        )
        self._topics = tuple(topics)
        self._case_ids = frozenset(case_ids)
        self.seen: list[SeenEvent] = []

    async def __aenter__(self) -> TopicWatcher:
        await self._consumer.start()
        cluster = await self._consumer._client.fetch_all_metadata()
        places = [
            TopicPartition(topic, p) for topic in self._topics for p in cluster.partitions_for_topic(topic)
        ]
        self._consumer.assign(places)
        await self._consumer.seek_to_beginning()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()

    async def read_on(self) -> list[SeenEvent]:
        """Read on for a moment. Returns all records so far."""
        for records in (await self._consumer.getmany(timeout_ms=200, max_records=5000)).values():
            for record in records:
                event = _event(record)
                if str(event.get("subject")) in self._case_ids:
                    self.seen.append(SeenEvent(event, record))
        return self.seen

    def decided(self) -> dict[str, str]:
        """Case -> outcome of its first decision."""
        first: dict[str, str] = {}
        for one in self.seen:
            if one.type.startswith("decision."):
                first.setdefault(one.case_id, one.event["data"]["outcome"])
        return first

    def ended_notices(self) -> dict[str, set[tuple[str, str, str | None, str]]]:
        """Case -> (event, audience, person, outcome) of every notice that ended."""
        told: dict[str, set[tuple[str, str, str | None, str]]] = defaultdict(set)
        for one in self.seen:
            if one.type.startswith("notice."):
                data = one.event["data"]
                told[one.case_id].add((data["about"], data["audience"], data["person"], one.type))
        return told

    def expected_notices(self) -> dict[str, set[tuple[str, str, str | None]]]:
        """Case -> (event, audience, person) of every notice that docs/notices.md, Who is told, asks for."""
        wanted: dict[str, set[tuple[str, str, str | None]]] = defaultdict(set)
        approvers: dict[str, list[str]] = {}
        escalated: set[str] = set()
        closed: set[str] = set()
        for one in self.seen:
            event, data, case_id = one.event["id"], one.event["data"], one.case_id
            if one.type in (
                "decision.approved",
                "decision.refused",
                "decision.escalated",
                "decision.withdrawn",
            ):
                wanted[case_id] |= {
                    (event, "customer", data["customer_id"]),
                    (event, "agent", data["agent_id"]),
                    (event, "webhook", None),
                } - {(event, "customer", None), (event, "agent", None)}
                if one.type == "decision.escalated":
                    escalated.add(case_id)
                elif case_id in escalated - closed:
                    wanted[case_id] |= {(event, "approver", name) for name in approvers.get(case_id, ())}
            elif one.type == "approval.closed":
                closed.add(case_id)
            elif one.type == "approval.requested":
                approvers[case_id] = data["approval"]["approvers"]
                wanted[case_id] |= {(event, "approver", name) for name in approvers[case_id]}
        return wanted

    def all_notices_ended(self) -> bool:
        """Whether every expected notice has ended, delivered or failed."""
        told = self.ended_notices()
        return all(
            notices <= {(event, audience, person) for event, audience, person, _ in told.get(case_id, ())}
            for case_id, notices in self.expected_notices().items()
        )

    async def wait_until(
        self, condition: Callable[[TopicWatcher], bool], *, seconds: float, what: str
    ) -> None:
        """Read until the condition holds; fail if it does not within `seconds`."""
        deadline = time.monotonic() + seconds
        while not condition(self):
            assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
            await self.read_on()


def _event(record: ConsumerRecord[bytes, bytes]) -> dict[str, Any]:
    try:
        event = json.loads(record.value or b"")
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}


def assert_decided_once(seen: Iterable[SeenEvent]) -> None:
    """Check that each request has one first decision, each event id one content, and that sequences rise."""
    contents: dict[str, bytes] = {}
    decisions: dict[str, set[str]] = defaultdict(set)
    newest: dict[int, int] = defaultdict(int)
    for one in seen:
        if one.record.topic != DECISIONS:
            continue
        event_id = one.event["id"]
        if event_id not in contents:
            assert int(one.event["sequence"]) >= newest[one.record.partition], "sequences fall"
            newest[one.record.partition] = int(one.event["sequence"])
        assert contents.setdefault(event_id, one.record.value) == one.record.value, (
            "two contents of one event id"
        )
        if one.type.startswith("decision.") and not one.event["data"].get("decided_by"):
            decisions[one.case_id].add(event_id)
    twice = {case_id: ids for case_id, ids in decisions.items() if len(ids) > 1}
    assert not twice, f"decided twice: {twice}"
