"""A batch of mandaat.inbound: when the handler returns, each record is published or a dead letter."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from schemas.case import Case
from schemas.cloud_event import CloudEvent
from schemas.ids import RequestKey, derived_id
from schemas.model import Frozen
from schemas.reading import read
from schemas.types import CASE_SUBMITTED, CASE_WITHDRAWN
from schemas.withdrawal import Withdrawal
from services.chassis.kafka.dead_letters import ConsumedRecord
from services.chassis.process.errors import TryAgain
from tests.builders.bodies import as_bytes
from tests.builders.cases import a_case_body, a_request_body, a_withdrawal_body
from tests.builders.events import STRUCTURED, Headers, an_inbound_event
from tests.builders.records import a_record
from tests.component.intake.conftest import World

CREATE_TIME, LOG_APPEND_TIME = 0, 1
MONDAY = datetime(2026, 3, 2, 8, tzinfo=UTC)


class Typed(Frozen):
    """The type of an event."""

    type: str


def records(
    *values: bytes | None,
    timestamp_type: int = CREATE_TIME,
    headers: Headers = (),
    key: bytes | None = None,
) -> list[ConsumedRecord]:
    return [
        a_record(
            value,
            topic="mandaat.inbound",
            partition=3,
            offset=offset,
            key=key,
            headers=headers,
            timestamp_ms=int(MONDAY.timestamp() * 1000),
            timestamp_type=timestamp_type,
        )
        for offset, value in enumerate(values)
    ]


def events(world: World) -> list[CloudEvent[Case]]:
    return [read(CloudEvent[Case], record.value) for record in world.publisher.sent]


async def test_good_cases_are_published_and_bad_ones_become_dead_letters_with_a_reason(world: World) -> None:
    batch = records(
        as_bytes(a_case_body(case_id="c-1")), b"hello", None, as_bytes(a_case_body(case_id="c-2"))
    )
    await world.accept_records(batch)
    assert [event.subject for event in events(world)] == ["c-1", "c-2"]
    assert [(record.offset, flaw.reason) for record, flaw in world.dead_letters.letters] == [
        (1, "not_json"),
        (2, "null_value"),
    ]
    assert world.dead_letters.letters[0][0] is batch[1]
    assert world.value("mandaat_intake_unreadable_total", door="kafka", reason="not_json") == 1
    assert world.value("mandaat_intake_outcomes_total", door="kafka", outcome="accepted") == 2


async def test_a_withdrawal_is_published_in_order(world: World) -> None:
    withdrawal = an_inbound_event(a_withdrawal_body(), type=CASE_WITHDRAWN)
    values = (as_bytes(an_inbound_event()), as_bytes(withdrawal), as_bytes(an_inbound_event()))
    batch = records(*values, headers=STRUCTURED)
    await world.accept_records(batch)
    types = [read(Typed, record.value).type for record in world.publisher.sent]
    assert types == [CASE_SUBMITTED, CASE_WITHDRAWN, CASE_SUBMITTED]
    event = read(CloudEvent[Withdrawal], world.publisher.sent[1].value)
    assert (event.id, event.subject, event.tenant) == (derived_id("mandaat.inbound", 3, 1), "c-1", "acme")
    assert world.publisher.sent[1].key == b"acme/c-1"
    assert (event.data.request_id, event.data.agent_id, event.data.reason) == ("r1", "agent-01", "sent twice")
    assert list(world.known.digests) == [RequestKey("acme", "c-1", "r1")]


async def test_a_redelivered_record_gets_the_same_event_id(world: World) -> None:
    batch = records(as_bytes(a_case_body()))
    await world.accept_records(batch)
    await world.accept_records(batch)
    assert [event.id for event in events(world)] == [derived_id("mandaat.inbound", 3, 0)] * 2


async def test_with_the_brokers_clock_a_redelivered_record_gives_the_same_bytes(world: World) -> None:
    batch = records(as_bytes(a_case_body()), timestamp_type=LOG_APPEND_TIME)
    await world.accept_records(batch)
    await world.accept_records(batch)
    first, again = world.publisher.sent
    assert first == again
    assert events(world)[0].time == MONDAY


async def test_a_producers_clock_is_not_believed(world: World) -> None:
    before = datetime.now(UTC)
    await world.accept_records(records(as_bytes(a_case_body())))
    assert events(world)[0].time >= before


async def test_a_batch_that_is_not_acknowledged_is_tried_again_and_not_noted(world: World) -> None:
    world.publisher.away = True
    with pytest.raises(TryAgain):
        await world.accept_records(records(as_bytes(a_case_body()), b"hello"))
    assert world.known.digests == {}
    assert world.dead_letters.letters == []


async def test_the_first_of_two_conflicting_cases_in_a_batch_is_noted(world: World) -> None:
    batch = records(as_bytes(a_case_body()), as_bytes(a_case_body(request=a_request_body(amount="1.00"))))
    await world.accept_records(batch)
    assert len(events(world)) == 2
    (noted,) = world.known.digests.values()
    await world.accept_records(records(as_bytes(a_case_body())))
    assert world.known.digests == {events(world)[0].data.key: noted}
