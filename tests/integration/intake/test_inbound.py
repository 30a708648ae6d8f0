"""Records of mandaat.inbound get to mandaat.cases, also if the process is killed meanwhile."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict

from cloudevents.core.bindings import kafka as sdk
from cloudevents.core.v1.event import CloudEvent as SdkEvent

from deploy.local.stack import Stack
from schemas.case import Case
from schemas.cloud_event import CloudEvent
from schemas.ids import derived_id
from schemas.reading import read
from services.chassis.kafka.producer import partition_for
from services.cli.kafka import read_to_the_end
from tests.builders.bodies import as_bytes
from tests.builders.cases import a_case_body, a_request_body, a_withdrawal_body
from tests.builders.events import STRUCTURED, an_inbound_event
from tests.integration.intake.conftest import publish, records_of
from tests.raw_records import Raw
from tests.waiting import eventually

MANY = 3_000
REQUESTS_A_CASE = 3


async def accepted(intake: Stack, tenant: str) -> list[CloudEvent[Case]]:
    """The events of a tenant on mandaat.cases, in the order of their partitions."""
    records = await records_of(intake.bootstrap, "mandaat.cases", tenant)
    return [read(CloudEvent[Case], record.value) for record in records]


def many(tenant: str) -> list[Raw]:
    """Cases with several requests each, all in order."""
    return [
        Raw(
            as_bytes(
                a_case_body(
                    request=a_request_body(request_id=f"r{number}"), case_id=f"c-{case}", tenant=tenant
                )
            ),
            None,
        )
        for case in range(MANY // REQUESTS_A_CASE)
        for number in range(REQUESTS_A_CASE)
    ]


async def test_a_case_in_every_mode_gets_the_key_and_the_partition_of_its_case(
    intake: Stack, tenant: str
) -> None:
    attributes = {"id": "evt-7", "source": "/crm", "type": "mandaat.case.submitted.v1"}
    records = [Raw(as_bytes(a_case_body(case_id="bare", tenant=tenant)), None)]
    for mode, write in (("binary", sdk.to_binary_event), ("structured", sdk.to_structured_event)):
        data = a_case_body(case_id=mode, tenant=tenant)
        written = write(SdkEvent({**attributes, "datacontenttype": "application/json"}, data))
        records.append(Raw(written.value, None, list(written.headers.items())))
    await publish(intake.bootstrap, records)

    async def all_there() -> bool:
        return len(await accepted(intake, tenant)) == len(records)

    await eventually(all_there, seconds=30)
    for record in await records_of(intake.bootstrap, "mandaat.cases", tenant):
        event = read(CloudEvent[Case], record.value)
        key = f"{tenant}/{event.subject}".encode()
        assert (record.key, record.partition) == (key, partition_for(key, 6))
        assert record.headers == (("content-type", b"application/cloudevents+json"),)
        origin = event.data.origin
        assert (origin and (origin.id, origin.source)) == (
            None if event.subject == "bare" else ("evt-7", "/crm")
        )


async def test_a_withdrawal_is_published_in_its_place(intake: Stack, tenant: str) -> None:
    event = an_inbound_event(a_withdrawal_body(tenant=tenant), type="mandaat.case.withdrawn.v1")
    await publish(
        intake.bootstrap,
        [Raw(as_bytes(a_case_body(tenant=tenant)), None), Raw(as_bytes(event), None, STRUCTURED)],
    )

    async def types() -> list[str]:
        records = await records_of(intake.bootstrap, "mandaat.cases", tenant)
        return [str(json.loads(record.value or b"")["type"]) for record in records]

    async def both() -> bool:
        return len(await types()) == 2

    await eventually(both, seconds=30)
    assert await types() == ["mandaat.case.submitted.v1", "mandaat.case.withdrawn.v1"]


async def test_after_a_kill_nothing_is_lost_and_a_repeat_has_the_same_id(intake: Stack, tenant: str) -> None:
    intake.stop("intake")
    await publish(intake.bootstrap, many(tenant))
    killed = 0
    while killed < 3:
        intake.begin("intake")
        before = len(await accepted(intake, tenant))

        async def some_more(before: int = before) -> bool:
            return len(await accepted(intake, tenant)) > min(before + 100, MANY - 1)

        await eventually(some_more, seconds=60)
        intake.kill("intake")
        killed += 1
    await asyncio.to_thread(intake.start, "intake")

    async def all_there() -> bool:
        return len({event.id for event in await accepted(intake, tenant)}) >= MANY

    await eventually(all_there, seconds=60)
    ids: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    order: defaultdict[str, list[str]] = defaultdict(list)
    for event in await accepted(intake, tenant):
        request = event.data.request.request_id
        ids[event.data.case_id, request].add(event.id)
        if request not in order[event.data.case_id]:
            order[event.data.case_id].append(request)
    assert len(ids) == MANY
    assert {len(of_one) for of_one in ids.values()} == {1}
    assert {tuple(requests) for requests in order.values()} == {("r0", "r1", "r2")}


async def test_a_stop_finishes_the_current_batch_and_repeats_nothing(intake: Stack, tenant: str) -> None:
    records = many(tenant)
    await publish(intake.bootstrap, records[:100])

    async def some() -> bool:
        return len(await accepted(intake, tenant)) >= 100

    await eventually(some, seconds=60)
    await publish(intake.bootstrap, records[100:])
    began = asyncio.get_running_loop().time()
    code = await asyncio.to_thread(intake.stop, "intake")
    assert (code, asyncio.get_running_loop().time() - began < 10) == (0, True)
    assert len(await accepted(intake, tenant)) < MANY, "the stop came too late to show anything"
    await asyncio.to_thread(intake.start, "intake")

    async def all_there() -> bool:
        return len(await accepted(intake, tenant)) >= MANY

    await eventually(all_there, seconds=60)
    assert len(await accepted(intake, tenant)) == MANY


async def test_the_id_of_an_event_is_derived_from_its_place_in_the_log(intake: Stack, tenant: str) -> None:
    await publish(intake.bootstrap, [Raw(as_bytes(a_case_body(tenant=tenant)), None)])

    async def there() -> bool:
        return len(await accepted(intake, tenant)) == 1

    await eventually(there, seconds=30)
    (event,) = await accepted(intake, tenant)
    places = [
        derived_id("mandaat.inbound", record.partition, record.offset)
        async for record in read_to_the_end(intake.bootstrap, "mandaat.inbound")
        if record.value and tenant.encode() in record.value
    ]
    assert places == [event.id]
