"""A key may be limited to some agents, to claims instead of facts, and to known keys (docs/keys.md)."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from schemas.ids import approval_id
from tests.builders.bodies import LEFT_OUT
from tests.builders.cases import a_case_body, a_request_body
from tests.component.intake.conftest import World

REPLY = f"/v1/approvals/{approval_id('c1', 'r1')}/approve"
WITHDRAWAL = "/v1/cases/c1/withdrawal"


async def post(
    client: httpx.AsyncClient, body: dict[str, Any], key: str, path: str = "/v1/cases"
) -> httpx.Response:
    return await client.post(path, json=body, headers={"Authorization": f"Bearer {key}"})


def published(world: World) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(world.publisher.sent[-1].value or b"")["data"]
    return data


@pytest.mark.parametrize("agent", ["manager-01", "bot-01 2", None, LEFT_OUT])
async def test_a_key_with_agents_cannot_ask_as_somebody_else(
    client: httpx.AsyncClient, world: World, agent: Any
) -> None:
    answer = await post(client, a_case_body(agent_id=agent), "key-bot")
    assert answer.status_code == 403
    assert answer.json()["type"] == "urn:mandaat:problem:other-agent"
    assert answer.json()["errors"][0]["pointer"] == "/agent_id"
    assert world.publisher.sent == []
    assert world.value("mandaat_intake_outcomes_total", door="http", outcome="other_agent") == 1


async def test_a_key_with_agents_asks_as_each_of_them(client: httpx.AsyncClient) -> None:
    for agent in ("bot-01", "bot-02"):
        body = a_case_body(case_id=agent, agent_id=agent)
        assert (await post(client, body, "key-bot")).status_code == 202


async def test_a_key_with_agents_withdraws_only_as_these(client: httpx.AsyncClient) -> None:
    for body, status in (
        ({"request_id": "r1"}, 403),
        ({"request_id": "r1", "agent_id": "agent-01"}, 403),
        ({"request_id": "r1", "agent_id": "bot-01"}, 202),
    ):
        assert (await post(client, body, "key-bot", WITHDRAWAL)).status_code == status


async def test_a_key_with_agents_never_replies(client: httpx.AsyncClient, world: World) -> None:
    answer = await post(client, {"agent_id": "bot-01", "reply_id": "p1"}, "key-bot", REPLY)
    assert answer.status_code == 403
    assert "cannot answer approvals" in answer.json()["detail"]
    assert world.publisher.sent == []


async def test_what_a_key_without_facts_sends_as_facts_is_a_claim(
    client: httpx.AsyncClient, world: World
) -> None:
    body = a_case_body(facts={"days_late": 6, "vip": True}, claims={"days_late": 2, "broken": True})
    assert (await post(client, body, "key-claims")).status_code == 202
    assert published(world)["facts"] == {}
    assert published(world)["claims"] == {"days_late": 2, "vip": True, "broken": True}
    assert (await post(client, body | {"case_id": "c9"}, "key-acme")).status_code == 202
    assert published(world)["facts"] == {"days_late": 6, "vip": True}


async def test_an_expired_key_is_refused_with_its_own_sentence(client: httpx.AsyncClient) -> None:
    answer = await post(client, a_case_body(), "key-expired")
    assert answer.status_code == 401
    assert "expired at 2020-01-02" in answer.json()["detail"]


async def test_misspelt_keys_are_named_in_the_202_at_every_level(client: httpx.AsyncClient) -> None:
    body = a_case_body(agent_id=LEFT_OUT, facts={"agentId": 1}) | {"agentId": "agent-01", "color": "red"}
    body["request"] = a_request_body() | {"discretoin": True}
    body["customer"] = {"id": "cu-1", "Email": "a@example.org"}
    answer = await post(client, body, "key-acme")
    assert answer.status_code == 202
    assert {one["pointer"]: one["detail"] for one in answer.json()["warnings"]} == {
        "/agentId": "is unknown and was ignored; did you mean agent_id?",
        "/request/discretoin": "is unknown and was ignored; did you mean discretion?",
        "/customer/Email": "is unknown and was ignored; did you mean email?",
    }


async def test_misspelt_facts_are_named_in_the_202(client: httpx.AsyncClient) -> None:
    answer = await post(client, a_case_body(facts=LEFT_OUT) | {"facs": {"days_late": 6}}, "key-acme")
    assert answer.json()["warnings"][0]["pointer"] == "/facs"


async def test_misspelt_keys_of_replies_and_withdrawals_are_named(client: httpx.AsyncClient) -> None:
    reply = {"agent_id": "lead-01", "reply_id": "p1", "ammount": "10.00"}
    withdrawal = {"request_id": "r1", "agentId": "agent-01"}
    answers = [await post(client, reply, "key-acme", REPLY)]
    answers.append(await post(client, withdrawal, "key-acme", WITHDRAWAL))
    assert [answer.status_code for answer in answers] == [202, 202]
    assert [answer.json()["warnings"][0]["pointer"] for answer in answers] == ["/ammount", "/agentId"]


async def test_a_body_without_misspelt_keys_has_no_warnings(client: httpx.AsyncClient) -> None:
    answer = await post(client, a_case_body() | {"x-internal": 1, "colour": "red"}, "key-acme")
    assert "warnings" not in answer.json()


async def test_a_strict_key_refuses_each_unknown_key(client: httpx.AsyncClient, world: World) -> None:
    body = a_case_body() | {"agentId": "agent-01", "color": "red", "a/b": 1}
    answer = await post(client, body, "key-strict")
    assert answer.status_code == 422
    assert {one["pointer"] for one in answer.json()["errors"]} == {"/agentId", "/color", "/a~1b"}
    assert world.publisher.sent == []
    reply = {"agent_id": "lead-01", "reply_id": "p1", "x": 1}
    assert (await post(client, reply, "key-strict", REPLY)).status_code == 422
    assert (await post(client, {"request_id": "r1", "x": 1}, "key-strict", WITHDRAWAL)).status_code == 422
    assert (await post(client, a_case_body(), "key-strict")).status_code == 202


@pytest.mark.parametrize(
    ("key", "pointers"),
    [("key-acme", {"/case_id", "/caseId"}), ("key-strict", {"/case_id", "/caseId", "/color"})],
)
async def test_a_refusal_names_unknown_keys_beside_the_other_mistakes(
    client: httpx.AsyncClient, key: str, pointers: set[str]
) -> None:
    answer = await post(client, a_case_body(case_id=LEFT_OUT) | {"caseId": "c1", "color": "red"}, key)
    assert answer.status_code == 422
    assert {one["pointer"] for one in answer.json()["errors"]} == pointers


async def test_thousands_of_unknown_keys_do_not_make_thousands_of_warnings(client: httpx.AsyncClient) -> None:
    answer = await post(
        client, a_case_body(agent_id=LEFT_OUT) | {f"agentId{n}": n for n in range(5000)}, "key-acme"
    )
    assert answer.status_code == 202
    assert len(answer.json()["warnings"]) <= 50
