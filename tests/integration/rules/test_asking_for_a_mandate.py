"""The mandate page over HTTP while cases are decided, on a real stack."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from deploy.local.stack import Stack
from schemas.ids import uuid7
from services.chassis.kafka.producer import Outgoing
from services.cli.publish import publish_app
from tests.builders.policies import a_mandate, a_policy
from tests.integration.rules.input_sender import InputSender
from tests.integration.rules.journal_watch import JournalWatch, assert_promises_kept
from tests.waiting import eventually

LEAD = "lead-north"


@pytest.fixture
def tenant() -> str:
    """A tenant with a key of the stack, which no other test uses."""
    return "acme"


@pytest.fixture
async def client(worker: Stack) -> Any:
    headers = {"Authorization": f"Bearer {worker.api_key('acme')}"}
    async with httpx.AsyncClient(base_url=worker.http("rules"), headers=headers) as opened:
        yield opened


class Publisher:
    """Run `mandaat publish`."""

    def __init__(self, bootstrap: str, folder: Path) -> None:
        self._bootstrap = bootstrap
        self._folder = folder

    async def policy(self, version: str, cap: int) -> None:
        """A policy by which agents grant up to 50, from a daily pool."""
        small = a_mandate(id="small", limit=50, budgets=["day"])
        lead = a_mandate(id="lead", grants="*", to="team_lead", limit=500)
        pool = {"day": {"per": "agent", "window": "year", "cap": cap}}
        zone = "Europe/Amsterdam"
        await self._publish("policy", a_policy(small, lead, version=version, budgets=pool, timezone=zone))

    async def staff(self, agent_id: str, role: str = "agent") -> None:
        """Publish a staff member."""
        record = {"agent_id": agent_id, "tenant": "acme", "name": agent_id, "role": role, "team": "north"}
        await self._publish("staff", json.dumps(record) + "\n")

    async def _publish(self, what: str, text: str) -> None:
        file = self._folder / what
        file.write_text(text)
        words = [what, str(file), "--kafka", self._bootstrap]
        done = await asyncio.to_thread(CliRunner().invoke, publish_app, words)
        assert done.exit_code == 0, done.output


@pytest.fixture
def publish(worker: Stack, tmp_path: Path) -> Publisher:
    return Publisher(worker.bootstrap, tmp_path)


async def budget(client: httpx.AsyncClient, agent: str) -> tuple[str, str]:
    """The version of the policy and what is left of the pool; nothing for an unknown agent."""
    answer = await client.get(f"/v1/agents/{agent}/mandate")
    if answer.status_code != 200:
        return "", ""
    view = answer.json()
    (item,) = [one for one in view["mandates"] if one["mandate"] == "small"]
    return view["policy"]["version"], item["budgets"][0]["left"]


def now(record: Outgoing) -> Outgoing:
    """The same case with the present time."""
    event = {**json.loads(record.value or b""), "time": datetime.now(UTC).isoformat()}
    return record._replace(value=json.dumps(event).encode())


async def test_the_mandate_page_follows_decisions_policies_and_staff(
    worker: Stack, sender: InputSender, watch: JournalWatch, client: httpx.AsyncClient, publish: Publisher
) -> None:
    agent, new = f"agent-{uuid7()}", f"agent-{uuid7()}"
    pid = worker.part("rules").process.running()
    await publish.policy("first", 80)
    await publish.staff(agent)
    await publish.staff(LEAD, "team_lead")
    await eventually(lambda: _is(client, agent, ("first", "80.00")), seconds=30, what="the first policy")

    await sender.send(now(sender.case("m-1", agent_id=agent)))
    await watch.until(lambda: watch.kinds("m-1") == ["decision.approved"])
    assert await budget(client, agent) == ("first", "35.00")
    await sender.send(now(sender.case("m-2", agent_id=agent)))
    await watch.until(lambda: "decision.escalated" in watch.kinds("m-2"))
    assert await budget(client, agent) == ("first", "35.00")

    await publish.policy("second", 200)
    await eventually(lambda: _is(client, agent, ("second", "155.00")), seconds=30, what="the second policy")
    await sender.send(now(sender.case("m-3", agent_id=agent)))
    await watch.until(lambda: watch.kinds("m-3") == ["decision.approved"])
    assert await budget(client, agent) == ("second", "110.00")
    versions = [watch.of(case)[0].event["data"]["policy"]["version"] for case in ("m-1", "m-2", "m-3")]
    assert versions == ["first", "first", "second"]

    assert (await client.get(f"/v1/agents/{new}/mandate")).status_code == 404
    await publish.staff(new)
    await sender.send(now(sender.case("m-4", agent_id=new)))
    await watch.until(lambda: watch.kinds("m-4") == ["decision.approved"])
    assert await budget(client, new) == ("second", "155.00")

    assert worker.part("rules").process.running() == pid
    assert_promises_kept(watch.all)


async def test_the_mandate_page_answers_503_while_the_ledger_is_away(
    worker: Stack, sender: InputSender, client: httpx.AsyncClient, publish: Publisher
) -> None:
    agent = f"agent-{uuid7()}"
    await publish.policy("first", 80)
    await publish.staff(agent)
    await eventually(lambda: _is(client, agent, ("first", "80.00")), seconds=30)
    worker.stop("redis")
    answer = await client.get(f"/v1/agents/{agent}/mandate")
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:mandaat:problem:try-again")
    worker.start("redis")
    await eventually(lambda: _is(client, agent, ("first", "80.00")), seconds=60, what="the ledger is back")


async def _is(client: httpx.AsyncClient, agent: str, expected: tuple[str, str]) -> bool:
    return await budget(client, agent) == expected
