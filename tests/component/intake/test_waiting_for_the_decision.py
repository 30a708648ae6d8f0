"""`Prefer: wait`: the decision comes in the same call, or the answer is the 202 of always."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from schemas import types
from schemas.case import Case
from schemas.cloud_event import CloudEvent
from schemas.ids import record_key
from schemas.reading import read
from schemas.request_status import RequestStatus
from schemas.withdrawal import WITHDRAWN
from services.chassis.kafka.producer import Outgoing
from services.intake.answering.waiters import Waiters
from tests.builders.approvals import an_approval
from tests.builders.bodies import LEFT_OUT
from tests.builders.cases import a_case, a_case_body, a_request_body
from tests.builders.decisions import a_decision
from tests.builders.events import a_decision_event, an_approval_event
from tests.component.intake.conftest import World
from tests.waiting import eventually

WAIT = {"Prefer": "wait=10"}


def tell(world: World, case: Case, *events: Any) -> None:
    """Events of rules about a case arrive."""
    for event in events:
        world.waiters.take(record_key(case.tenant, case.case_id).encode(), event.to_bytes())


def answers(world: World, make: Any) -> None:
    """Rules answers each case that is published with the events that `make` returns for it."""
    send = world.publisher.send_all

    async def and_answer(records: Sequence[Outgoing], **options: Any) -> list[int]:
        offsets = await send(records, **options)
        for record in records:
            case = read(CloudEvent[Case], record.value).data
            asyncio.get_running_loop().call_soon(tell, world, case, *make(case))
        return offsets

    world.publisher.send_all = and_answer  # type: ignore[method-assign] # rules, as this test plays it


async def post(
    client: httpx.AsyncClient, headers: dict[str, str] | None = None, **case: Any
) -> httpx.Response:
    return await client.post("/v1/cases", json=a_case_body(**case), headers=headers or WAIT)


async def test_an_approved_request_is_answered_in_the_same_call(
    client: httpx.AsyncClient, world: World
) -> None:
    answers(world, lambda case: [a_decision_event(a_decision(case))])
    answer = await post(client)
    assert (answer.status_code, answer.headers["preference-applied"]) == (200, "wait")
    status = RequestStatus.model_validate_json(answer.content)
    assert (status.state, status.request_id, status.approvers) == ("approved", "r1", ())
    assert status.decision is not None
    assert status.decision.mandate == "late-delivery"
    assert status.status_url == "http://notifier.example/v1/cases/c-1"
    assert answer.headers["content-location"] == f"{status.status_url}/requests/r1"


async def test_an_escalated_request_says_who_is_asked_and_what_could_be_granted_now(
    client: httpx.AsyncClient, world: World
) -> None:
    def escalated(case: Case) -> list[Any]:
        decision = a_decision(case, "escalated", on_the_spot="25.00")
        approval = an_approval(case, "lead-01", "lead-02")
        return [a_decision_event(decision), an_approval_event(types.APPROVAL_REQUESTED, approval)]

    answers(world, escalated)
    status = RequestStatus.model_validate_json((await post(client)).content)
    assert (status.state, status.step, status.approvers) == (
        "escalated",
        "team_lead",
        ("lead-01", "lead-02"),
    )
    assert status.decision is not None
    assert status.decision.on_the_spot == "25.00"


async def test_a_request_that_was_withdrawn_before_it_arrived_is_answered_as_withdrawn(
    client: httpx.AsyncClient, world: World
) -> None:
    def withdrawn(case: Case) -> list[Any]:
        return [a_decision_event(a_decision(case, "withdrawn", request_digest=WITHDRAWN))]

    answers(world, withdrawn)
    answer = await asyncio.wait_for(post(client), 10)
    assert (answer.status_code, answer.json()["state"]) == (200, "withdrawn")


@pytest.mark.parametrize(("asked", "applied"), [("wait=10", "wait"), ("wait=3600", "wait=10")])
async def test_the_answer_says_to_what_a_longer_wait_was_cut(
    client: httpx.AsyncClient, world: World, asked: str, applied: str
) -> None:
    answers(world, lambda case: [a_decision_event(a_decision(case))])
    answer = await post(client, {"Prefer": asked})
    assert answer.headers["preference-applied"] == applied


async def test_the_two_events_of_an_escalation_may_come_in_either_order(
    client: httpx.AsyncClient, world: World
) -> None:
    answers(
        world,
        lambda case: [
            an_approval_event(types.APPROVAL_REQUESTED, an_approval(case, "lead-01")),
            a_decision_event(a_decision(case, "escalated")),
        ],
    )
    assert (await post(client)).json()["approvers"] == ["lead-01"]


@pytest.mark.parametrize(
    "prefer", [{}, {"Prefer": "wait=0"}, {"Prefer": "respond-async"}, {"Prefer": "wait=x"}]
)
async def test_nobody_waits_who_does_not_ask_for_it(
    client: httpx.AsyncClient, world: World, prefer: dict[str, str]
) -> None:
    answer = await post(client, prefer or {"X-Other": "1"})
    assert answer.status_code == 202
    assert "preference-applied" not in answer.headers
    assert world.value("mandaat_intake_waits_total", outcome="timed_out") == 0


async def test_without_a_decision_in_time_the_answer_is_202(client: httpx.AsyncClient, world: World) -> None:
    world.waiters.longest = 0.01  # a longer wait is cut to this
    answer = await post(client)
    assert (answer.status_code, answer.json()["request_url"]) == (
        202,
        "http://notifier.example/v1/cases/c-1/requests/r1",
    )
    assert world.value("mandaat_intake_waits_total", outcome="timed_out") == 1
    assert len(world.publisher.sent) == 1


@pytest.mark.parametrize(
    "other",
    [
        lambda case: a_decision(case, request_id="r2"),
        lambda case: a_decision(case, request_digest="of other content"),
    ],
    ids=["another request of the case", "other content under the same ids"],
)
async def test_a_decision_on_something_else_is_no_answer(
    client: httpx.AsyncClient, world: World, other: Any
) -> None:
    answers(
        world,
        lambda case: [
            a_decision_event(other(case)),
            a_decision_event(a_decision(case, decision_id="the-right-one")),
        ],
    )
    assert (await post(client)).json()["decision"]["decision_id"] == "the-right-one"


async def test_two_callers_who_wait_for_one_request_both_get_the_decision(
    client: httpx.AsyncClient, world: World
) -> None:
    both = asyncio.gather(post(client), post(client))
    await eventually(lambda: world.value("mandaat_intake_waiting") == 2 and len(world.publisher.sent) == 2)
    case = read(CloudEvent[Case], world.publisher.sent[0].value).data
    tell(world, case, a_decision_event(a_decision(case)))
    first, second = await both
    assert first.status_code == second.status_code == 200
    assert first.json() == second.json()
    assert world.value("mandaat_intake_waiting") == 0


async def test_a_conflict_is_still_409(client: httpx.AsyncClient, world: World) -> None:
    answers(world, lambda case: [a_decision_event(a_decision(case))])
    assert (await post(client)).status_code == 200
    assert (await post(client, request=a_request_body(amount="46.00"))).status_code == 409
    assert world.value("mandaat_intake_waiting") == 0


async def test_when_too_many_wait_the_next_gets_202_at_once(client: httpx.AsyncClient, world: World) -> None:
    world.waiters._most = 0
    assert (await post(client)).status_code == 202
    assert world.value("mandaat_intake_waits_total", outcome="too_many") == 1


async def test_at_a_stop_those_who_wait_get_202(client: httpx.AsyncClient, world: World) -> None:
    waiting = asyncio.create_task(post(client))
    await eventually(lambda: world.value("mandaat_intake_waiting") == 1 and len(world.publisher.sent) == 1)
    world.waiters.close()
    assert (await waiting).status_code == 202
    assert (await post(client, case_id="c-2")).status_code == 202, "nobody waits any more"
    assert world.value("mandaat_intake_waits_total", outcome="stopping") == 2


async def test_a_caller_who_goes_away_waits_no_longer(world: World) -> None:
    case = a_case()
    left = asyncio.Event()

    async def receive() -> dict[str, Any]:
        await left.wait()
        return {"type": "http.disconnect"}

    async def accept() -> None:
        return None

    waiting = asyncio.create_task(world.waiters.answer_to(case, 30, accept, receive))
    await eventually(lambda: world.value("mandaat_intake_waiting") == 1)
    left.set()
    assert await waiting is None
    assert world.value("mandaat_intake_waiting") == 0
    assert world.value("mandaat_intake_waits_total", outcome="gone") == 1


def test_a_record_is_only_looked_into_when_somebody_waits_for_its_case(world: World) -> None:
    class Unread(bytes):
        def __iter__(self) -> Any:
            raise AssertionError("looked into")

    Waiters(1, 1.0, world.waiters._metrics).take(b"acme/c-1", Unread(b"{not json"))


async def test_a_record_that_cannot_be_read_does_not_end_the_wait(
    client: httpx.AsyncClient, world: World
) -> None:
    waiting = asyncio.create_task(post(client))
    await eventually(lambda: world.value("mandaat_intake_waiting") == 1 and len(world.publisher.sent) == 1)
    for value in (None, b"", b"\x00", b"{}", b'{"type": 1}', b'{"type": "mandaat.decision.approved.v1"}'):
        world.waiters.take(b"acme/c-1", value)
    case = read(CloudEvent[Case], world.publisher.sent[0].value).data
    tell(world, case, a_decision_event(a_decision(case)))
    assert (await waiting).status_code == 200


async def test_a_misspelt_key_is_named_beside_the_decision_too(
    client: httpx.AsyncClient, world: World
) -> None:
    answers(world, lambda case: [a_decision_event(a_decision(case))])
    answer = await client.post("/v1/cases", json=a_case_body(facts=LEFT_OUT, facs={}), headers=WAIT)
    assert answer.status_code == 200
    assert [one["pointer"] for one in answer.json()["warnings"]] == ["/facs"]
