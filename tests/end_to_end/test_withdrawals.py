"""Withdrawing requests over HTTP, through all services on the real stack."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.local.sinks.mail import KeptMail, kept_mails
from deploy.local.stack import Stack
from tests.builders.bodies import LEFT_OUT
from tests.builders.cases import a_case_body
from tests.command_line import mandaat
from tests.topic_watcher import DEAD_LETTERS, DECISIONS, NOTICES, SeenEvent, TopicWatcher, assert_decided_once
from tests.waiting import eventually

TENANT = "acme"
WITHIN_SECONDS = 45.0
POLICY = """\
policy: acme
version: withdrawals
currency: EUR
timezone: Europe/Amsterdam
roles:
  agent: {}
  team_lead: {extends: agent}
mandates:
  - id: gesture
    grants: goodwill
    to: agent
    limit: 50
    budgets: [{id: year, per: agent, window: year, cap: 50}]
  - {id: lead, grants: "*", to: team_lead}
escalation:
  - {id: team-lead, steps: [{to: team_lead}]}
"""


@dataclass
class InMemoryRules:
    """The stack, with a policy that gives each agent a budget, and an agent and a lead of this test."""

    stack: Stack
    mark: str
    intake: httpx.AsyncClient
    rules: httpx.AsyncClient
    notifier: httpx.AsyncClient

    @property
    def agent(self) -> str:
        """The agent who asks."""
        return f"agent-{self.mark}"

    @property
    def lead(self) -> str:
        """The lead who may approve what the agent may not."""
        return f"lead-{self.mark}"

    def a_case(self, number: int, amount: str) -> dict[str, Any]:
        """A case of this test."""
        return a_case_body(
            f"c/{self.mark}/{number}",
            tenant=LEFT_OUT,
            subject=LEFT_OUT,
            customer={"id": f"cu-{self.mark}", "email": f"cu-{self.mark}@example.com", "language": "en"},
            agent_id=self.agent,
            kind="goodwill",
            amount=amount,
        )

    async def submit(self, case: dict[str, Any]) -> None:
        """Over HTTP."""
        answer = await self.intake.post("/v1/cases", json=case)
        assert answer.status_code == 202, answer.text

    async def withdraw(self, case_id: str) -> None:
        """Over HTTP."""
        body = {"request_id": "r1", "agent_id": self.agent, "reason": "asked by mistake"}
        answer = await self.intake.post(f"/v1/cases/{case_id.replace('/', '%2F')}/withdrawal", json=body)
        assert answer.status_code == 202, answer.text

    async def left(self) -> str:
        """The rest of the agent's budget, as rules gives it."""
        answer = await self.rules.get(f"/v1/agents/{self.agent}/mandate")
        assert answer.status_code == 200, answer.text
        return str(answer.json()["mandates"][0]["budgets"][0]["left"])

    async def until_left(self, amount: str) -> None:
        """Wait until that is left. A credit counts a moment after its event is published."""

        async def so_much() -> bool:
            return await self.left() == amount

        await eventually(so_much, seconds=WITHIN_SECONDS)

    def mails(self, to: str) -> list[KeptMail]:
        """The mails to a person."""
        return [mail for mail in kept_mails(self.stack.mail_folder) if mail.to == (f"{to}@example.com",)]

    def subjects(self, to: str) -> list[str]:
        """The subjects of the mails to a person."""
        return [mail.subject for mail in self.mails(to)]


@pytest.fixture
async def shop(stack: Stack, tmp_path: Path) -> AsyncIterator[InMemoryRules]:
    headers = {"authorization": f"Bearer {stack.api_key(TENANT)}"}
    async with AsyncExitStack() as clients:
        intake, rules, notifier = [
            await clients.enter_async_context(
                httpx.AsyncClient(base_url=stack.http(service), headers=headers, timeout=10.0)
            )
            for service in ("intake", "rules", "notifier")
        ]
        one = InMemoryRules(stack, uuid.uuid4().hex[:10], intake, rules, notifier)
        (tmp_path / "policy.yaml").write_text(POLICY)
        (tmp_path / "staff.jsonl").write_text(
            "".join(
                json.dumps(
                    {
                        "agent_id": agent_id,
                        "tenant": TENANT,
                        "name": agent_id,
                        "role": role,
                        "team": one.mark,
                        "email": f"{agent_id}@example.com",
                        "language": "en",
                    }
                )
                + "\n"
                for agent_id, role in ((one.agent, "agent"), (one.lead, "team_lead"))
            )
        )
        mandaat(stack, "publish", "policy", str(tmp_path / "policy.yaml"))
        mandaat(stack, "publish", "staff", str(tmp_path / "staff.jsonl"))
        yield one


def newest(watcher: TopicWatcher, case_id: str, kind: str) -> dict[str, Any] | None:
    """The data of the newest event of that type about the case."""
    found = [one for one in watcher.seen if one.case_id == case_id and one.type == kind]
    data: dict[str, Any] | None = found[-1].event["data"] if found else None
    return data


async def wait_for_event(watcher: TopicWatcher, case_id: str, kind: str) -> dict[str, Any]:
    """The data of an event of that type about the case, when it is there."""
    await watcher.wait_until(
        lambda one: newest(one, case_id, kind) is not None,
        seconds=WITHIN_SECONDS,
        what=f"{kind} of {case_id}",
    )
    data = newest(watcher, case_id, kind)
    assert data is not None
    return data


def dead_letters(seen: list[SeenEvent]) -> list[SeenEvent]:
    return [one for one in seen if one.record.topic == DEAD_LETTERS]


async def test_a_withdrawn_approval_gives_its_budget_back_and_everybody_is_told(shop: InMemoryRules) -> None:
    first, second, third = (shop.a_case(number, amount) for number, amount in enumerate(("20", "45", "45")))
    case_ids = [case["case_id"] for case in (first, second, third)]
    async with TopicWatcher(shop.stack.bootstrap, case_ids, (DECISIONS, NOTICES, DEAD_LETTERS)) as watcher:
        await shop.submit(first)
        approved = await wait_for_event(watcher, case_ids[0], "decision.approved")
        assert [charge["amount"] for charge in approved["charges"]] == ["20.00"]
        await shop.submit(second)
        escalated = await wait_for_event(watcher, case_ids[1], "decision.escalated")
        assert (
            escalated["reasons"][0]["figures"].items() >= {"left": "30.00", "budget": "gesture.year"}.items()
        )
        assert escalated["on_the_spot"] == "30.00"

        await shop.withdraw(case_ids[0])
        withdrawn = await wait_for_event(watcher, case_ids[0], "decision.withdrawn")
        assert [charge["amount"] for charge in withdrawn["charges"]] == ["-20.00"]
        await shop.until_left("50.00")
        await shop.submit(third)
        again = await wait_for_event(watcher, case_ids[2], "decision.approved")
        assert [charge["amount"] for charge in again["charges"]] == ["45.00"]

        await shop.submit(first)
        await watcher.wait_until(
            lambda one: [seen.type for seen in one.seen].count("decision.withdrawn") == 2,
            seconds=WITHIN_SECONDS,
            what="the withdrawal, as the answer to a repeat",
        )
        await watcher.wait_until(TopicWatcher.all_notices_ended, seconds=WITHIN_SECONDS, what="every notice")
        assert_decided_once(watcher.seen)
        assert not dead_letters(watcher.seen)
    await shop.until_left("5.00")
    assert shop.subjects(f"cu-{shop.mark}").count("Your request has been withdrawn") == 1
    mails = [mail for mail in shop.mails(shop.agent) if mail.subject.startswith("Withdrawn: goodwill")]
    assert [mail.subject for mail in mails] == [f"Withdrawn: goodwill payment, €20.00 (case {case_ids[0]})"]
    assert "asked by mistake" in (shop.stack.mail_folder / mails[0].file).read_text()
    (passed_on,) = (mail for mail in shop.mails(shop.agent) if mail.subject.startswith("Passed on"))
    text = (shop.stack.mail_folder / passed_on.file).read_text()
    assert "There is room again from" in text.replace("=\n", "")


async def test_a_verdict_on_a_withdrawn_request_is_late_and_its_approvers_were_told(
    shop: InMemoryRules,
) -> None:
    case = shop.a_case(0, "60")
    case_id = case["case_id"]
    async with TopicWatcher(shop.stack.bootstrap, [case_id], (DECISIONS, NOTICES, DEAD_LETTERS)) as watcher:
        await shop.submit(case)
        requested = await wait_for_event(watcher, case_id, "approval.requested")
        assert requested["approval"]["approvers"] == [shop.lead]
        await shop.withdraw(case_id)
        closed = await wait_for_event(watcher, case_id, "approval.closed")
        assert closed["approval"]["closing"]["outcome"] == "withdrawn"
        verdict = {"agent_id": shop.lead, "reply_id": f"v-{shop.mark}"}
        approval_id = requested["approval"]["approval_id"]
        answer = await shop.intake.post(f"/v1/approvals/{approval_id}/approve", json=verdict)
        assert answer.status_code == 202, answer.text
        late = await wait_for_event(watcher, case_id, "approval.late")
        assert late["approval"] == closed["approval"]
        await watcher.wait_until(TopicWatcher.all_notices_ended, seconds=WITHIN_SECONDS, what="every notice")
        await eventually(
            lambda: any("Already decided" in subject for subject in shop.subjects(shop.lead)), seconds=20
        )
        assert_decided_once(watcher.seen)
        assert not dead_letters(watcher.seen)
        assert newest(watcher, case_id, "decision.approved") is None
    assert f"Withdrawn: goodwill payment, €60.00 (case {case_id})" in shop.subjects(shop.lead)
    assert await shop.left() == "50.00"
    found = (await shop.notifier.get(f"/v1/cases/{case_id.replace('/', '%2F')}")).json()
    (request,) = found["requests"]
    assert [one["outcome"] for one in request["decisions"]] == ["escalated", "withdrawn"]
    assert request["approval"]["state"] == "closed"


async def test_a_request_that_was_withdrawn_before_it_came_gets_the_withdrawal(shop: InMemoryRules) -> None:
    case = shop.a_case(0, "10")
    case_id = case["case_id"]
    async with TopicWatcher(shop.stack.bootstrap, [case_id], (DECISIONS, NOTICES, DEAD_LETTERS)) as watcher:
        await shop.withdraw(case_id)
        withdrawn = await wait_for_event(watcher, case_id, "decision.withdrawn")
        assert (withdrawn["customer_id"], withdrawn["charges"]) == (None, [])
        await shop.submit(case)
        told = {("customer", f"cu-{shop.mark}"), ("agent", shop.agent), ("webhook", None)}
        await watcher.wait_until(
            lambda one: {(who, person) for _, who, person, _ in one.ended_notices()[case_id]} == told,
            seconds=WITHIN_SECONDS,
            what="customer, agent and webhook told",
        )
        assert_decided_once(watcher.seen)
        assert not dead_letters(watcher.seen)
        assert newest(watcher, case_id, "decision.approved") is None
    assert shop.subjects(f"cu-{shop.mark}") == ["Your request has been withdrawn"]
    assert await shop.left() == "50.00"
