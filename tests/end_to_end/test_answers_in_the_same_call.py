"""`Prefer: wait` on the real stack: the decision in the same call, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.local.stack import Stack
from tests.builders.bodies import LEFT_OUT
from tests.builders.cases import a_case_body
from tests.command_line import mandaat
from tests.waiting import eventually

TENANT = "acme"
LONG_ENOUGH = 60
OTHERS = ("intake-2", "rules-2")
POLICY = """\
policy: acme
version: answers
currency: EUR
timezone: Europe/Amsterdam
roles:
  agent: {}
  team_lead: {extends: agent}
mandates:
  - {id: gesture, grants: goodwill, to: agent, limit: 50}
  - {id: lead, grants: "*", to: team_lead}
escalation:
  - {id: team-lead, steps: [{to: team_lead}]}
"""


@dataclass
class Shop:
    """A stack whose intakes let callers wait for LONG_ENOUGH, with an agent and a lead of this test."""

    stack: Stack
    mark: str
    intake: httpx.AsyncClient
    intake_2: httpx.AsyncClient

    @property
    def lead(self) -> str:
        """The lead who may approve what the agent may not."""
        return f"lead-{self.mark}"

    def a_case(self, name: str, amount: str = "20", request_id: str = "r1") -> dict[str, Any]:
        """A case of this test."""
        return a_case_body(
            f"c-{self.mark}-{name}",
            tenant=LEFT_OUT,
            subject=LEFT_OUT,
            customer={"id": f"cu-{self.mark}"},
            agent_id=f"agent-{self.mark}",
            kind="goodwill",
            amount=amount,
            request_id=request_id,
        )

    async def post(self, case: dict[str, Any], client: httpx.AsyncClient | None = None) -> httpx.Response:
        """Submit a case and wait for its decision."""
        headers = {"Prefer": f"wait={LONG_ENOUGH}"}
        return await (client or self.intake).post("/v1/cases", json=case, headers=headers)

    async def decided(self, case: dict[str, Any], client: httpx.AsyncClient | None = None) -> dict[str, Any]:
        """The same; the body of the answer, which has the decision."""
        answer = await self.post(case, client)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    async def submit(self, path: str, body: dict[str, Any]) -> None:
        """Send something else to intake."""
        answer = await self.intake.post(path, json=body)
        assert answer.status_code == 202, answer.text

    async def metric(self, line: str) -> float:
        """The value of a metric of intake."""
        text = (await self.intake.get("/metrics")).text
        return float(next(one for one in text.splitlines() if one.startswith(f"{line} ")).rpartition(" ")[2])

    async def until_waiting(self, number: int) -> None:
        """Wait until so many callers wait at intake."""

        async def so_many() -> bool:
            return await self.metric("mandaat_intake_waiting") == number

        await eventually(so_many, seconds=20, what=f"{number} who wait")


@pytest.fixture
def answering(backing: Stack) -> Iterator[Stack]:
    """The stack, with an intake whose longest wait is LONG_ENOUGH."""
    backing.up(["kafka", "redis", "rules"])
    backing.stop("intake")
    longer = {"MANDAAT_WAIT_SECONDS_MAX": str(LONG_ENOUGH)}
    backing.start("intake", longer)
    backing.start("intake-2", longer)
    yield backing
    for name in ("intake", *OTHERS):
        backing.stop(name)


@pytest.fixture
async def shop(answering: Stack, tmp_path: Path) -> AsyncIterator[Shop]:
    mark = uuid.uuid4().hex[:10]
    people = (("agent", f"agent-{mark}"), ("team_lead", f"lead-{mark}"))
    staff = [
        {"agent_id": one, "tenant": TENANT, "name": one, "role": role, "team": mark} for role, one in people
    ]
    (tmp_path / "policy.yaml").write_text(POLICY)
    (tmp_path / "staff.jsonl").write_text("".join(json.dumps(one) + "\n" for one in staff))
    mandaat(answering, "publish", "policy", str(tmp_path / "policy.yaml"))
    mandaat(answering, "publish", "staff", str(tmp_path / "staff.jsonl"))
    headers = {"authorization": f"Bearer {answering.api_key(TENANT)}"}
    async with AsyncExitStack() as clients:
        intake, intake_2 = [
            await clients.enter_async_context(
                httpx.AsyncClient(base_url=answering.http(name), headers=headers, timeout=LONG_ENOUGH + 30.0)
            )
            for name in ("intake", "intake-2")
        ]
        yield Shop(answering, mark, intake, intake_2)


async def test_the_answer_says_granted_or_who_is_asked_and_what_could_be_granted_now(shop: Shop) -> None:
    granted = await shop.decided(shop.a_case("granted"))
    assert (granted["state"], granted["decision"]["mandate"]) == ("approved", "gesture")
    escalated = await shop.decided(shop.a_case("escalated", "80"))
    assert (escalated["state"], escalated["step"], escalated["approvers"]) == (
        "escalated",
        "team_lead",
        [shop.lead],
    )
    assert escalated["decision"]["on_the_spot"] == "50.00"


async def test_a_repeat_gets_the_newest_stored_decision(shop: Shop) -> None:
    case = shop.a_case("repeated", "80")
    first = await shop.decided(case)
    assert await shop.decided(case) == first, "the same decision, sequence and people"
    reply = {"agent_id": shop.lead, "reply_id": "rep-1"}
    await shop.submit(f"/v1/approvals/{first['decision']['approval_id']}/approve", reply)

    async def by_a_person() -> bool:
        again = await shop.decided(case, shop.intake_2)
        return (again["state"], again["decision"]["decided_by"]) == ("approved", shop.lead)

    await eventually(by_a_person, seconds=30)


async def test_a_request_withdrawn_before_it_arrived_is_answered_as_withdrawn(shop: Shop) -> None:
    case = shop.a_case("withdrawn")
    body = {"request_id": "r1", "reason": "sent twice"}
    await shop.submit(f"/v1/cases/{case['case_id']}/withdrawal", body)
    assert (await shop.decided(case))["state"] == "withdrawn"


async def test_everybody_who_waits_on_a_case_gets_their_own_answer_at_any_intake(shop: Shop) -> None:
    requests = [
        shop.a_case("shared", amount, request_id) for request_id, amount in (("r1", "20"), ("r2", "80"))
    ]
    clients = (shop.intake, shop.intake_2) * 2
    answers = await asyncio.gather(*(shop.decided(one, client) for one in requests for client in clients))
    assert [one["state"] for one in answers] == ["approved"] * 4 + ["escalated"] * 4
    for one in (answers[:4], answers[4:]):
        assert len({answer["decision"]["decision_id"] for answer in one}) == 1
    assert await shop.metric("mandaat_intake_waiting") == 0


async def test_callers_get_their_decisions_while_workers_of_rules_come_and_die(shop: Shop) -> None:
    async def wave(name: str) -> list[dict[str, Any]]:
        return await asyncio.gather(*(shop.decided(shop.a_case(f"{name}-{n}")) for n in range(24)))

    _, joining = await asyncio.gather(asyncio.to_thread(shop.stack.start, "rules-2"), wave("join"))
    shop.stack.kill("rules-2")
    dying = await wave("death")
    assert {one["state"] for one in joining + dying} == {"approved"}
    assert await shop.metric("mandaat_intake_waiting") == 0


async def test_a_caller_who_goes_away_leaves_no_waiter_and_the_case_is_decided(shop: Shop) -> None:
    case = shop.a_case("left")
    shop.stack.pause("rules")
    try:
        call = asyncio.create_task(shop.post(case))
        await shop.until_waiting(1)
        call.cancel()
        await shop.until_waiting(0)
        assert await shop.metric('mandaat_intake_waits_total{outcome="gone"}') == 1
    finally:
        shop.stack.resume("rules")
    assert (await shop.decided(case))["state"] == "approved"


async def test_intake_that_stops_answers_202_to_those_who_wait(shop: Shop) -> None:
    shop.stack.pause("rules")
    try:
        call = asyncio.create_task(shop.post(shop.a_case("stopped")))
        await shop.until_waiting(1)
        assert await asyncio.to_thread(shop.stack.stop, "intake") == 0
        assert (await call).status_code == 202
    finally:
        shop.stack.resume("rules")


async def test_after_kafka_was_away_callers_get_their_decisions_again(shop: Shop) -> None:
    await shop.decided(shop.a_case("before"))
    shop.stack.kill("kafka")

    async def not_ready() -> bool:
        return (await shop.intake.get("/readyz")).status_code == 503

    await eventually(not_ready, seconds=30)
    await asyncio.to_thread(shop.stack.start, "kafka")

    async def ready() -> bool:
        return (await shop.intake.get("/readyz")).status_code == 200

    await eventually(ready, seconds=60)
    assert (await shop.decided(shop.a_case("after")))["state"] == "approved"
