"""Two ways to write one id in Unicode are one id, at every door (docs/contracts.md, Ids)."""

from __future__ import annotations

import json
from typing import Any
from unicodedata import normalize
from urllib.parse import quote

import httpx
import pytest

from engine.inputs import read_input
from schemas.ids import approval_id
from schemas.topics import CASES, REPLIES
from tests.builders.bodies import as_bytes, changed
from tests.builders.cases import a_case_body
from tests.builders.events import STRUCTURED, an_inbound_event
from tests.builders.policies import a_lead, a_mandate, an_own_budget
from tests.builders.records import a_record
from tests.component.intake.conftest import World
from tests.in_memory_rules import InMemoryRules

COMPOSED = normalize("NFC", "josé")
DECOMPOSED = normalize("NFD", "josé")
WRITTEN = pytest.mark.parametrize("written", [COMPOSED, DECOMPOSED], ids=["composed", "decomposed"])
SPACES = ["\u0020", "\u00a0", "\u3000", "\u2028", "\u2003"]


def a_case_of(written: str, **changes: Any) -> dict[str, Any]:
    """A case all of whose ids are written so."""
    ids = {"case_id": written, "agent_id": written, "customer.id": written, "request.request_id": written}
    return changed(a_case_body(), ids | changes)


def published(world: World) -> list[tuple[bytes | None, Any]]:
    """Key and data of each published record."""
    return [(record.key, json.loads(record.value or b"")["data"]) for record in world.publisher.sent]


def ids_of(case: dict[str, Any]) -> set[str]:
    return {case["case_id"], case["agent_id"], case["customer"]["id"], case["request"]["request_id"]}


@WRITTEN
async def test_a_case_over_http_has_composed_ids(
    client: httpx.AsyncClient, world: World, written: str
) -> None:
    answer = await client.post("/v1/cases", json=a_case_of(written))
    ((key, case),) = published(world)
    assert (answer.status_code, answer.json()["case_id"]) == (202, COMPOSED)
    assert (key, ids_of(case)) == (f"acme/{COMPOSED}".encode(), {COMPOSED})


@WRITTEN
@pytest.mark.parametrize("keyed", [COMPOSED, DECOMPOSED], ids=["key-composed", "key-decomposed"])
async def test_a_case_in_mandaat_inbound_has_composed_ids(world: World, written: str, keyed: str) -> None:
    event = an_inbound_event(a_case_of(written), subject=keyed)
    record = a_record(event, topic="mandaat.inbound", key=f"acme/{keyed}".encode(), headers=STRUCTURED)
    await world.accept_records([record])
    ((key, case),) = published(world)
    assert (key, ids_of(case)) == (f"acme/{COMPOSED}".encode(), {COMPOSED})


@WRITTEN
async def test_a_withdrawal_names_the_case_in_its_path_in_either_form(
    client: httpx.AsyncClient, world: World, written: str
) -> None:
    body = {"request_id": written, "agent_id": written}
    answer = await client.post(f"/v1/cases/{quote(written)}/withdrawal", json=body)
    ((key, withdrawal),) = published(world)
    assert (answer.status_code, key) == (202, f"acme/{COMPOSED}".encode())
    assert {withdrawal[name] for name in ("case_id", "request_id", "agent_id")} == {COMPOSED}


@WRITTEN
async def test_a_reply_finds_the_approval_of_either_form(
    client: httpx.AsyncClient, world: World, written: str
) -> None:
    world.directory.people["acme"].add(COMPOSED)
    body = {"agent_id": written, "reply_id": written}
    answer = await client.post(f"/v1/approvals/{approval_id(written, written)}/approve", json=body)
    ((key, verdict),) = published(world)
    composed = approval_id(COMPOSED, COMPOSED)
    assert (answer.status_code, answer.json()["approval_id"]) == (202, composed)
    assert (key, verdict["approval_id"]) == (f"acme/{COMPOSED}".encode(), composed)
    assert {verdict[name] for name in ("case_id", "request_id", "agent_id", "reply_id")} == {COMPOSED}
    (record,) = world.publisher.sent
    read_input(REPLIES, 0, record.key, record.value)  # rules reads it


async def test_a_customer_written_in_two_ways_has_one_budget(client: httpx.AsyncClient, world: World) -> None:
    for number, written in enumerate((COMPOSED, DECOMPOSED)):
        await client.post("/v1/cases", json=a_case_body(f"c-{number}", **{"customer.id": written}))
    once = an_own_budget(per="customer", cap=60)
    shop = InMemoryRules(a_mandate(budgets=[once]), a_lead(), timezone="UTC")
    decisions = [
        json.loads(shop.decide(read_input(CASES, 0, record.key, record.value), 1 + place).values[0])["data"]
        for place, record in enumerate(world.publisher.sent)
    ]
    assert [one["outcome"] for one in decisions] == ["approved", "escalated"]
    assert decisions[1]["reasons"][0]["code"] == "budget_exhausted"


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("field", ["case_id", "agent_id", "customer.id", "request.request_id"])
@pytest.mark.parametrize("before", [True, False])
async def test_an_id_with_outer_white_space_is_refused_at_its_place(
    client: httpx.AsyncClient, world: World, field: str, space: str, before: bool
) -> None:
    written = f"{space}x" if before else f"x{space}"
    answer = await client.post("/v1/cases", json=a_case_body(**{field: written}))
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["pointer"]) == (422, "/" + field.replace(".", "/"))
    assert "must not begin or end with white space" in error["detail"]
    assert world.publisher.sent == []


async def test_a_reply_by_a_name_with_a_stray_space_is_refused(
    client: httpx.AsyncClient, world: World
) -> None:
    path = f"/v1/approvals/{approval_id('c-1', 'r1')}/approve"
    for body in ({"agent_id": " lead-01", "reply_id": "1"}, {"agent_id": "lead-01", "reply_id": "1\u00a0"}):
        assert (await client.post(path, json=body)).status_code == 422
    withdrawal = await client.post("/v1/cases/c-1%20/withdrawal", json={"request_id": "r1"})
    assert withdrawal.status_code in (404, 422)
    assert world.publisher.sent == []


async def test_a_record_with_outer_white_space_in_an_id_becomes_a_dead_letter(world: World) -> None:
    await world.accept_records([a_record(as_bytes(a_case_of("x ")), topic="mandaat.inbound", headers=())])
    assert world.publisher.sent == []
    (letter,) = world.dead_letters.letters
    assert "white space" in letter[1].detail


async def test_white_space_inside_an_id_is_fine(client: httpx.AsyncClient) -> None:
    assert (await client.post("/v1/cases", json=a_case_of("2026 / 1"))).status_code == 202
