"""`GET /v1/cases/{id}` right after a case was accepted, on the real Kafka and Redis."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.parse import quote

import httpx

from deploy.local.sinks.webhook import KeptWebhook
from deploy.local.stack import Stack
from schemas import topics, types
from schemas.errors import Unreadable
from schemas.request_status import RequestStatus
from services.chassis.kafka.dead_letters import DeadLetters
from services.chassis.kafka.producer import Producer
from services.chassis.process.metrics import Metrics
from tests.builders.approvals import a_closed_approval, an_approval
from tests.builders.cases import a_case, a_case_body
from tests.builders.decisions import a_decision
from tests.builders.events import a_decision_event, a_submitted_event, an_approval_event
from tests.builders.records import a_record
from tests.publishing import Publisher
from tests.waiting import eventually

Ask = Callable[..., httpx.Response]


@asynccontextmanager
async def asking(notifier: Stack) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the notifier with a key of acme."""
    headers = {"authorization": f"Bearer {notifier.api_key('acme')}"}
    async with httpx.AsyncClient(base_url=notifier.http("notifier"), headers=headers, timeout=30) as client:
        yield client


async def test_the_address_of_a_case_that_was_accepted_is_never_unknown(
    notifier: Stack, journal: Publisher, mark: str
) -> None:
    async with asking(notifier) as client:
        for number in range(100):
            case = a_case(f"c/{mark}/{number}")
            await journal.submit(case)
            of_case = f"/v1/cases/{quote(case.case_id, safe='')}"
            assert (await client.get(of_case)).status_code == 200, number
            await journal.submit(case.model_copy(update={"request": a_case(request_id="r/2").request}))
            answer = await client.get(f"{of_case}/requests/r%2F2")
            assert answer.status_code == 200, number
            status = RequestStatus.model_validate_json(answer.content)
            assert (status.request_id, status.state) == ("r/2", "pending")
        assert (await client.get(f"/v1/cases/never-{mark}")).status_code == 404
        assert (await client.get(f"{of_case}/requests/never")).status_code == 404


async def test_a_verdict_and_a_late_one_stand_in_the_case_with_their_words(
    notifier: Stack, journal: Publisher, mark: str, ask: Ask, webhooks: Callable[[], list[KeptWebhook]]
) -> None:
    case = a_case(f"c-{mark}")
    closed = a_closed_approval(case, "lead-01", by="lead-01")
    await journal.submit(case)
    await journal.settle(
        a_decision_event(a_decision(case, "escalated")),
        an_approval_event(types.APPROVAL_REQUESTED, an_approval(case, "lead-01")),
        a_decision_event(a_decision(case, by="person", decided_by="lead-01", note="a loyal customer")),
        an_approval_event(types.APPROVAL_CLOSED, closed, giver="lead-01", reply_id="a", verdict="approve"),
        an_approval_event(types.APPROVAL_LATE, closed, giver="lead-02", reply_id="b", verdict="reject"),
    )
    await eventually(lambda: len(webhooks()) >= 3, seconds=30)
    (request,) = ask(case.case_id).json()["requests"]
    assert [(one["giver"], one["outcome"]) for one in request["replies"]] == [
        ("lead-01", "closed"),
        ("lead-02", "late"),
    ]
    assert request["decisions"][-1]["note"] == "a loyal customer"
    bodies = [one.body for one in webhooks()]
    assert sum('"note":"a loyal customer"' in body for body in bodies) == 1
    assert sum(types.APPROVAL_LATE in body for body in bodies) == 1


async def test_a_case_whose_record_became_a_dead_letter_shows_failed_until_it_is_decided(
    notifier: Stack, journal: Publisher, kafka: str, mark: str, ask: Ask
) -> None:
    case = a_case(f"c-{mark}")
    await journal.submit(case)
    record = a_record(
        json.dumps(a_submitted_event(a_case_body(case_id=case.case_id))).encode(),
        topic=topics.CASES,
        key=f"acme/{case.case_id}".encode(),
    )
    producer = Producer(kafka, client_id="test", metrics=Metrics())
    await producer.start()
    try:
        why = Unreadable("unknown_tenant", "No policy of this tenant is active.")
        await DeadLetters(producer, "rules").put_all([(record, why)])
    finally:
        await producer.stop()

    def state() -> tuple[str, list[str]]:
        (request,) = ask(case.case_id).json()["requests"]
        return request["state"], [one["reason"] for one in request["failures"]]

    await eventually(lambda: state() == ("failed", ["unknown_tenant"]), seconds=30)
    await journal.settle(a_decision_event(a_decision(case)))
    await eventually(lambda: state() == ("approved", ["unknown_tenant"]), seconds=30)
    notifier.kill("notifier")
    notifier.start("notifier")
    await eventually(lambda: state() == ("approved", ["unknown_tenant"]), seconds=30)
