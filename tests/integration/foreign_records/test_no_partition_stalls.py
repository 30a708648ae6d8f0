"""A record that Mandaat did not write stops no partition: it is one dead letter, or counted and skipped."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

import httpx
import pytest
import redis
from aiokafka import AIOKafkaProducer

from deploy.local.stack import Stack
from schemas import topics
from services.chassis.kafka.dead_letters import ConsumedRecord
from services.cli.kafka import read_to_the_end
from services.cli.kept_dead_letters import read_dead_letter
from tests.builders.bodies import as_bytes
from tests.builders.events import a_submitted_event, a_verdict_event
from tests.integration.rules.input_sender import PARTITIONS, InputSender, case_ids_in_partition
from tests.waiting import eventually

WITHIN_SECONDS = 40.0
LARGE = as_bytes({"a": "x" * 2 * 1024 * 1024})
OF_A_LATER_VERSION: Mapping[str, dict[str, Any]] = {
    topics.CASES: a_submitted_event(type="mandaat.case.submitted.v9"),
    topics.REPLIES: a_verdict_event() | {"type": "mandaat.verdict.approve.v9"},
    topics.DECISIONS: a_submitted_event(type="mandaat.decision.approved.v9", sequence="1772438400000000"),
    topics.STAFF: {"specversion": "1.0", "type": "mandaat.staff.v9", "data": {}},
    topics.POLICIES: {"specversion": "1.0", "type": "mandaat.policy.v9", "data": {}},
}


def foreign(topic: str) -> list[bytes | None]:
    """Records that Mandaat did not write."""
    return [b"\x00", b"{}", None, as_bytes(OF_A_LATER_VERSION[topic]), LARGE]


async def put(stack: Stack, topic: str, keys: tuple[str, str]) -> list[tuple[int, int]]:
    """Write them under the first key, a null under the second; answers partitions and offsets.

    Kafka's limits are for compressed records, so a larger one fits.
    """
    producer = AIOKafkaProducer(
        bootstrap_servers=stack.bootstrap, compression_type="gzip", max_request_size=8 << 20
    )
    await producer.start()
    try:
        key, key_of_null = (one.encode() for one in keys)
        sent = [
            await producer.send_and_wait(topic, value, key=key if value is not None else key_of_null)
            for value in foreign(topic)
        ]
    finally:
        await producer.stop()
    return [(one.partition, one.offset) for one in sent]


async def records(stack: Stack, topic: str) -> list[ConsumedRecord]:
    return [record async for record in read_to_the_end(stack.bootstrap, topic)]


async def assert_cases_are_decided(stack: Stack, sender: InputSender, nth: int) -> None:
    """A new case in every partition is decided, and a verdict counts."""
    case_ids = [case_ids_in_partition(sender.tenant, p, nth + 1)[nth] for p in range(PARTITIONS)]
    for outcome, send in (("escalated", sender.case), ("approved", sender.verdict)):
        await sender.send(*map(send, case_ids))
        expected = {(f"mandaat.decision.{outcome}.v1", case_id): 1 for case_id in case_ids}

        async def decided(expected: Mapping[tuple[str, str], int] = expected) -> bool:
            found = Counter(await decisions_of(stack, sender.tenant))
            return all(found[one] == number for one, number in expected.items())

        await eventually(decided, seconds=WITHIN_SECONDS, what=f"{outcome} in every partition")


async def decisions_of(stack: Stack, tenant: str) -> list[tuple[str, str]]:
    """Type and case id of each event about the tenant, without foreign records."""
    found: list[tuple[str, str]] = []
    for record in await records(stack, topics.DECISIONS):
        if (record.key or b"").startswith(f"{tenant}/".encode()) and b'"sequence"' in (record.value or b""):
            event = json.loads(record.value or b"")
            found.append((event["type"], event["subject"]))
    return found


async def letters_of(stack: Stack, topic: str, places: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The places of these records, once for each dead letter about one of them."""
    found = [read_dead_letter(record) for record in await records(stack, topics.DEAD_LETTERS)]
    about = [(one.partition or 0, one.offset or 0) for one in found if one.topic == topic]
    return sorted(place for place in about if place in places)


def count(stack: Stack, service: str, metric: str, topic: str) -> float:
    """A counter of a service, over all reasons."""
    text = httpx.get(f"{stack.http(service)}/metrics", timeout=10).text
    lines = re.findall(rf"^{metric}{{.*{re.escape(topic)}.*}} (\S+)$", text, re.MULTILINE)
    return sum(map(float, lines))


def is_ready(stack: Stack, service: str) -> bool:
    """Whether a service says that it is ready."""
    return httpx.get(f"{stack.http(service)}/readyz", timeout=10).status_code == 200


@pytest.mark.parametrize("topic", [topics.CASES, topics.REPLIES])
async def test_foreign_inputs_are_one_dead_letter_each_and_their_neighbours_are_decided(
    services: Stack, tenant: str, topic: str
) -> None:
    async with InputSender(services, tenant) as sender:
        await sender.open()
        places = [
            place
            for p in range(PARTITIONS)
            for place in await put(
                services, topic, (f"{tenant}/{case_ids_in_partition(tenant, p, 1)[0]}",) * 2
            )
        ]
        await assert_cases_are_decided(services, sender, 1)

        async def one_letter_each() -> bool:
            got = await letters_of(services, topic, places)
            return got == sorted(places)

        await eventually(one_letter_each, seconds=WITHIN_SECONDS, what="one dead letter for each record")


async def test_foreign_records_in_the_journal_stop_nobody_also_not_a_rebuild(
    services: Stack, tenant: str
) -> None:
    topic = topics.DECISIONS
    async with InputSender(services, tenant) as sender:
        await sender.open()
        await assert_cases_are_decided(services, sender, 0)
        places = [
            place
            for p in range(PARTITIONS)
            for place in await put(
                services, topic, (f"{tenant}/{case_ids_in_partition(tenant, p, 1)[0]}",) * 2
            )
        ]
        of_no_known_version = places[3::5]
        await assert_cases_are_decided(services, sender, 1)
        with redis.Redis.from_url(services.redis_url) as store:
            store.flushall()
        await assert_cases_are_decided(services, sender, 2)
        assert count(services, "rules", "mandaat_records_skipped_total", topic) == len(places)

        async def one_letter_each() -> bool:
            letters = await letters_of(services, topic, places)
            return set(letters) == set(places) - set(of_no_known_version)

        await eventually(one_letter_each, seconds=WITHIN_SECONDS, what="a dead letter of the notifier")
        repeated = case_ids_in_partition(tenant, 0, 1)[0]
        await sender.send(sender.case(repeated))

        async def answered_again() -> bool:
            found = [
                one for one in await records(services, topic) if one.key == f"{tenant}/{repeated}".encode()
            ]
            return sum(b"decision.approved.v1" in (one.value or b"") for one in found) == 2

        await eventually(answered_again, seconds=WITHIN_SECONDS, what="the stored answer once more")


@pytest.mark.parametrize(
    ("topic", "key", "key_of_null"),
    [
        (topics.STAFF, "{}/lead-north", "{}/nobody"),
        (topics.POLICIES, "{}", "{}-nobody"),
        (topics.POLICIES, "{}-nobody", "{}-other"),
    ],
)
async def test_foreign_records_of_a_table_are_counted_and_the_former_row_stays(
    services: Stack, tenant: str, topic: str, key: str, key_of_null: str
) -> None:
    readers = ("rules", "notifier")
    before = {name: count(services, name, "mandaat_rows_skipped_total", topic) for name in readers}
    async with InputSender(services, tenant) as sender:
        await sender.open()
        await put(services, topic, (key.format(tenant), key_of_null.format(tenant)))
        await assert_cases_are_decided(services, sender, 0)
    for name in readers:

        async def counted(name: str = name) -> bool:
            return count(services, name, "mandaat_rows_skipped_total", topic) == before[name] + 4

        await eventually(counted, seconds=WITHIN_SECONDS, what=f"four skipped records in {name}")
        assert is_ready(services, name)
