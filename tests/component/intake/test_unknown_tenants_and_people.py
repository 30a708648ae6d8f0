"""What intake can tell about a tenant or a person, it tells at the door (docs/intake.md, Errors)."""

from __future__ import annotations

import httpx
import pytest

from schemas.ids import approval_id
from services.chassis.process.errors import TryAgain
from tests.builders.bodies import as_bytes
from tests.builders.cases import a_case_body, a_request_body
from tests.builders.records import a_record
from tests.component.intake.conftest import World

REPLY = f"/v1/approvals/{approval_id('c1', 'r1')}/approve"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/cases", a_case_body()),
        ("/v1/cases/c1/withdrawal", {"request_id": "r1"}),
        (REPLY, {"agent_id": "lead-01", "reply_id": "p1"}),
    ],
)
async def test_a_tenant_without_a_policy_is_refused_at_every_door(
    client: httpx.AsyncClient, world: World, path: str, body: dict[str, object]
) -> None:
    world.directory.tenants = {"globex"}
    answer = await client.post(path, json=body)
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:mandaat:problem:unknown-tenant")
    assert "mandaat publish policy" in answer.json()["detail"]
    assert world.publisher.sent == []


async def test_a_tenant_that_was_published_a_second_ago_is_known(
    client: httpx.AsyncClient, world: World
) -> None:
    world.directory.tenants, world.directory.coming = set(), {"acme"}
    assert (await client.post("/v1/cases", json=a_case_body())).status_code == 202


async def test_nobody_is_refused_while_it_cannot_be_told(client: httpx.AsyncClient, world: World) -> None:
    world.directory.tenants, world.directory.away = set(), True
    answer = await client.post("/v1/cases", json=a_case_body())
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    with pytest.raises(TryAgain):
        await world.accept_records(
            [a_record(as_bytes(a_case_body(tenant="acme")), topic="mandaat.inbound", headers=())]
        )
    assert world.dead_letters.letters == []


async def test_a_known_request_is_repeated_after_its_policy_was_removed(
    client: httpx.AsyncClient, world: World
) -> None:
    assert (await client.post("/v1/cases", json=a_case_body())).status_code == 202
    world.directory.tenants = set()
    assert (await client.post("/v1/cases", json=a_case_body())).status_code == 202


async def test_a_record_of_an_unknown_tenant_is_a_dead_letter_and_its_neighbours_pass(world: World) -> None:
    bodies = [
        a_case_body(case_id=f"c{number}", tenant=name) for number, name in enumerate(("acme", "x", "acme"))
    ]
    batch = [
        a_record(as_bytes(body), topic="mandaat.inbound", offset=place, headers=())
        for place, body in enumerate(bodies)
    ]
    await world.accept_records(batch)
    assert [record.key for record in world.publisher.sent] == [b"acme/c0", b"acme/c2"]
    ((record, why),) = world.dead_letters.letters
    assert (record, why.reason) == (batch[1], "unknown_tenant")


@pytest.mark.parametrize(
    ("agent", "said"),
    [
        ("LEAD-01", "did you mean 'lead-01'?"),
        ("lead-1", "did you mean 'lead-01'?"),
        ("somebody", "is not the id of anybody on the staff"),
        (" lead-01", "white space"),
    ],
)
async def test_a_reply_by_an_unknown_person_is_refused_with_the_id_that_was_meant(
    client: httpx.AsyncClient, world: World, agent: str, said: str
) -> None:
    answer = await client.post(REPLY, json={"agent_id": agent, "reply_id": "p1"})
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["pointer"] == "/agent_id"
    assert said in error["detail"]
    assert world.publisher.sent == []


async def test_the_409_is_no_promise_once_redis_has_lost_its_data(
    client: httpx.AsyncClient, world: World
) -> None:
    changed = a_case_body(request=a_request_body(amount="90.00"))
    assert (await client.post("/v1/cases", json=a_case_body())).status_code == 202
    assert (await client.post("/v1/cases", json=changed)).status_code == 409
    world.known.digests = {}
    assert (await client.post("/v1/cases", json=changed)).status_code == 202
