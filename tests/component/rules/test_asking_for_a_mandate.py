"""GET /v1/agents/{id}/mandate: the mandates of an agent, and the room in each budget."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo

import httpx
import pytest

from engine.explain.words import FILE, Sentences
from engine.judging.staff import Staff
from engine.policy import PolicyBook
from engine.policy.book import Budget, ByKind, Discretion, Mandate, Window
from services.chassis.http.keys import Keys, digest_of
from services.chassis.http.server import Health, create_app
from services.chassis.process.errors import TryAgain
from services.chassis.process.metrics import Metrics
from services.rules.ledger.counters import CounterReading
from services.rules.mandate.inquiry import MOST_WAITING, MandateInquiry
from services.rules.mandate.route import add_routes
from tests.builders.policies import a_book, a_mandate
from tests.builders.staff import a_member, a_staff

NOW = datetime(2026, 3, 2, 23, 30, tzinfo=UTC)
"""Half past midnight, on 3 March, in Amsterdam."""
DAY = Budget("goodwill-day", "agent", Window("day"), cap=25_000)
TEAM = Budget("gestures.week", "team", Window("week"), count=20)
MONTH = Budget("half.customer-30d", "customer", Window("days", 30), cap=10_000)
DAY_NUMBER = 20_515  # of 3 March 2026


class Counted:
    """The counters of a ledger, which may be away."""

    def __init__(self) -> None:
        self.counters: dict[str, dict[str, int]] = {}
        self.away = False
        self.lets_go = asyncio.Event()
        self.lets_go.set()

    async def read(self, wanted: Sequence[CounterReading]) -> list[dict[str, int]]:
        if self.away:
            raise TryAgain("the ledger did not answer")
        await self.lets_go.wait()
        return [
            {field: amount for field, amount in self.counters.get(key, {}).items() if days or field == one}
            for key, one, days in wanted
        ]


class World:
    """The policy, staff and counters of the route; tests change them."""

    def __init__(self) -> None:
        self.counted = Counted()
        self.books: dict[str, PolicyBook] = {"acme": with_budgets(version="1")}
        self.people: Staff = a_staff(a_member(language="en"), a_member("agents/02"), a_member("x", role="y"))
        self.unread: str | None = None

    def ready(self) -> str | None:
        return self.unread

    def book(self, tenant: str) -> PolicyBook | None:
        return self.books.get(tenant)

    def staff(self, tenant: str) -> Staff:
        return self.people if tenant == "acme" else Staff()


def with_budgets(**changes: Any) -> PolicyBook:
    """A policy with budgets of its own for each mandate."""
    book = a_book(
        a_mandate(id="own-judgement", grants="*", limit=75),
        a_mandate(id="late", categories=["delivery"], when="late", limit=50),
        a_mandate(id="half", limit="0.5 * facts.order_value"),
        a_mandate(id="gestures", grants=["flowers", "call_back"]),
        a_mandate(id="lead", grants="*", to="team_lead", limit=500),
        prohibitions=[
            {"id": "cash", "kinds": "cash", "reason": "never"},
            {"id": "fraud", "kinds": "*", "when": "late", "except": "team_lead", "reason": "fraud desk"},
        ],
        define={"late": "facts.days_late >= 2"},
        timezone="Europe/Amsterdam",
        **changes,
    )
    more: dict[str, dict[str, Any]] = {
        "own-judgement": {"discretion": Discretion("5d", "team_lead")},
        "late": {"budgets": (DAY,)},
        "half": {"budgets": (MONTH,)},
        "gestures": {"budgets": (TEAM,)},
    }
    return replace(
        book,
        zone=ZoneInfo("Europe/Amsterdam"),
        define={"late": "facts.days_late >= 2"},
        mandates={role: _changed(rows, more) for role, rows in book.mandates.items()},
    )


def _changed(rows: ByKind[Mandate], more: dict[str, dict[str, Any]]) -> ByKind[Mandate]:
    return ByKind([replace(row, **more.get(row.id, {})) for row in rows.every()])


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
async def client(world: World, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    path = tmp_path / "keys.jsonl"
    scopes = {"reader": ("acme", ["read"]), "submitter": ("acme", ["submit"]), "globex": ("globex", ["read"])}
    path.write_text(
        "".join(
            json.dumps({"sha256": digest_of(key), "tenant": tenant, "scopes": allowed}) + "\n"
            for key, (tenant, allowed) in scopes.items()
        )
    )
    path.chmod(0o600)
    app = create_app("Mandaat rules", health=Health(), metrics=Metrics())
    words = Sentences.parse(files("engine.explain").joinpath(FILE).read_text("utf-8"))
    add_routes(app, MandateInquiry(world, cast("Any", world.counted), words, lambda: NOW), Keys.load(path))
    transport = httpx.ASGITransport(app)
    headers = {"Authorization": "Bearer reader"}
    async with httpx.AsyncClient(transport=transport, base_url="http://rules", headers=headers) as opened:
        yield opened


async def ask(client: httpx.AsyncClient, agent: str = "agent-01", **more: Any) -> dict[str, Any]:
    answer = await client.get(f"/v1/agents/{agent}/mandate", **more)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def by_id(view: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {item["mandate"]: item for item in view["mandates"]}


async def test_mandates_come_in_the_order_in_which_they_are_tried(client: httpx.AsyncClient) -> None:
    view = await ask(client)
    assert [item["mandate"] for item in view["mandates"]] == ["late", "half", "gestures", "own-judgement"]


async def test_a_role_has_the_mandates_of_the_roles_it_extends(client: httpx.AsyncClient) -> None:
    assert "late" in by_id(await ask(client, "lead-north"))
    assert "lead" in by_id(await ask(client, "lead-north"))


async def test_a_mandate_says_what_the_policy_says(client: httpx.AsyncClient) -> None:
    view = await ask(client)
    late, half, own = (by_id(view)[name] for name in ("late", "half", "own-judgement"))
    assert late["kinds"] == ["refund"]
    assert late["categories"] == ["delivery"]
    assert late["when"] == "late"
    assert view["define"] == {"late": "facts.days_late >= 2"}
    assert late["limit"] == {"amount": "50.00", "formula": None}
    assert half["limit"] == {"amount": None, "formula": "0.5 * facts.order_value"}
    assert late["discretion"] is None
    assert own["kinds"] is None
    assert own["discretion"] == {"review_within": "5d", "reviewer": "team_lead"}
    assert view["agent"] == {"agent_id": "agent-01", "role": "agent", "team": "north"}
    assert view["policy"]["version"] == "1"
    assert view["at"] == "2026-03-02T23:30:00Z"


async def test_prohibitions_are_listed_beside_the_mandates(client: httpx.AsyncClient) -> None:
    view = await ask(client)
    assert [one["prohibition"] for one in view["prohibitions"]] == ["cash", "fraud"]
    assert view["prohibitions"][1] == {
        "prohibition": "fraud",
        "kinds": None,
        "categories": None,
        "when": "late",
        "except": ["team_lead"],
        "reason": "fraud desk",
        "sentence": "Nobody may grant anything, except team lead: fraud desk. Only if this condition is"
        " true: “late”. Here “late” means “facts.days_late >= 2”.",
    }
    assert view["prohibitions"][0]["except"] == []
    assert [one["prohibition"] for one in (await ask(client, "lead-north"))["prohibitions"]] == ["cash"]


async def test_a_prohibition_of_every_kind_is_good_dutch(client: httpx.AsyncClient) -> None:
    view = await ask(client, headers={"Accept-Language": "nl"})
    assert view["prohibitions"][1]["sentence"].startswith(
        "Niemand mag iets toekennen, behalve team lead: fraud desk."
    )


async def test_a_budget_shows_how_much_is_used_and_left_today(
    client: httpx.AsyncClient, world: World
) -> None:
    world.counted.counters["acme|goodwill-day|day|EUR|agent:agent-01"] = {
        "2026-03-02": 20_000,
        "2026-03-03": 4_500,
    }
    (budget,) = by_id(await ask(client))["late"]["budgets"]
    assert budget == {
        "budget": "goodwill-day",
        "per": "agent",
        "window": "day",
        "scope": "agent:agent-01",
        "cap": "250.00",
        "used": "45.00",
        "left": "205.00",
        "renews_at": "2026-03-03T23:00:00Z",
    }


async def test_a_budget_of_a_team_counts_decisions(client: httpx.AsyncClient, world: World) -> None:
    world.counted.counters["acme|gestures.week|week|count|team:north"] = {"2026-W10": 3}
    (budget,) = by_id(await ask(client))["gestures"]["budgets"]
    assert (budget["cap"], budget["used"], budget["left"]) == (20, 3, 17)
    assert budget["renews_at"] == "2026-03-08T23:00:00Z"


async def test_the_room_per_customer_is_shown_if_one_is_named(
    client: httpx.AsyncClient, world: World
) -> None:
    world.counted.counters["acme|half.customer-30d|30d|EUR|customer:cu-1"] = {
        str(DAY_NUMBER - 29): 3_000,
        str(DAY_NUMBER): 5_000,
        str(DAY_NUMBER - 400): 9_999,
    }
    (unknown,) = by_id(await ask(client))["half"]["budgets"]
    assert (unknown["cap"], unknown["used"], unknown["left"], unknown["scope"]) == (
        "100.00",
        None,
        None,
        None,
    )
    (named,) = by_id(await ask(client, params={"customer": "cu-1"}))["half"]["budgets"]
    assert (named["used"], named["left"], named["scope"]) == ("80.00", "20.00", "customer:cu-1")
    assert named["renews_at"] == "2026-03-03T23:00:00Z"  # the oldest charge has left the window then
    (other,) = by_id(await ask(client, params={"customer": "cu-2"}))["half"]["budgets"]
    assert (other["used"], other["left"], other["renews_at"]) == ("0.00", "100.00", None)


async def test_nothing_is_left_after_a_cap_was_lowered(client: httpx.AsyncClient, world: World) -> None:
    world.counted.counters["acme|goodwill-day|day|EUR|agent:agent-01"] = {"2026-03-03": 40_000}
    (budget,) = by_id(await ask(client))["late"]["budgets"]
    assert (budget["used"], budget["left"]) == ("400.00", "0.00")


async def test_the_sentence_is_in_the_language_of_the_reader(client: httpx.AsyncClient, world: World) -> None:
    world.counted.counters["acme|goodwill-day|day|EUR|agent:agent-01"] = {"2026-03-03": 4_500}
    dutch = await client.get("/v1/agents/agents%2F02/mandate")
    assert dutch.headers["content-language"] == "nl"  # no language is given
    english = await client.get("/v1/agents/agent-01/mandate")
    assert english.headers["content-language"] == "en"  # the agent's own language
    asked = await client.get("/v1/agents/agent-01/mandate", headers={"Accept-Language": "fr, nl-BE;q=0.8"})
    assert asked.headers["content-language"] == "nl"
    assert by_id(asked.json())["late"]["sentence"].replace("\u00a0", " ") == (
        "Je mag refund toekennen tot € 50,00. Alleen in zaken van de categorie delivery."
        " Alleen als deze voorwaarde klopt: “late”. Hierin betekent “late”: “facts.days_late >= 2”."
        " Budget “goodwill-day”: € 250,00 per dag, per medewerker; gebruikt € 45,00, over € 205,00."
        " Vanaf woensdag 4 maart 2026 is er weer ruimte."
    )
    assert by_id(english.json())["late"]["sentence"].replace("\u00a0", " ") == (
        "You may grant refund up to €50.00. Only in cases of the category delivery."
        " Only if this condition is true: “late”. Here “late” means “facts.days_late >= 2”."
        " Budget “goodwill-day”: €250.00 a day, for each agent; €45.00 used, €205.00 left."
        " There is room again from Wednesday 4 March 2026."
    )


async def test_a_new_policy_or_person_is_seen_at_once(client: httpx.AsyncClient, world: World) -> None:
    assert (await client.get("/v1/agents/agent-77/mandate")).status_code == 404
    world.people.put(a_member("agent-77"))
    world.books["acme"] = with_budgets(version="2")
    assert (await ask(client, "agent-77"))["policy"]["version"] == "2"


async def test_an_unknown_role_may_decide_nothing(client: httpx.AsyncClient) -> None:
    assert (await ask(client, "x"))["mandates"] == []


@pytest.mark.parametrize(
    ("key", "agent", "status", "slug"),
    [
        ("", "agent-01", 401, "unauthorized"),
        ("nobody", "agent-01", 401, "unauthorized"),
        ("submitter", "agent-01", 403, "forbidden"),
        ("reader", "agent-99", 404, "unknown-agent"),
        ("globex", "agent-01", 404, "no-policy"),
    ],
)
async def test_a_caller_without_the_right_key_is_told_why(
    client: httpx.AsyncClient, key: str, agent: str, status: int, slug: str
) -> None:
    headers = {"Authorization": f"Bearer {key}" if key else ""}
    answer = await client.get(f"/v1/agents/{agent}/mandate", headers=headers)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == f"urn:mandaat:problem:{slug}"


async def test_callers_are_told_to_retry_while_ledger_or_tables_are_away(
    client: httpx.AsyncClient, world: World
) -> None:
    world.counted.away = True
    answer = await client.get("/v1/agents/agent-01/mandate")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    world.counted.away, world.unread = False, "mandaat.staff has not been read to its end yet"
    answer = await client.get("/v1/agents/agent-01/mandate")
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:mandaat:problem:try-again")


async def test_too_many_waiting_callers_are_told_to_retry(client: httpx.AsyncClient, world: World) -> None:
    world.counted.lets_go.clear()
    asked = [asyncio.create_task(client.get("/v1/agents/agent-01/mandate")) for _ in range(MOST_WAITING + 3)]
    done, waiting = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED, timeout=10)
    while len(done) < 2:
        done, waiting = await asyncio.wait(asked, return_when=asyncio.ALL_COMPLETED, timeout=0.05)
    world.counted.lets_go.set()
    refused = [one.result() for one in done]
    assert [one.status_code for one in refused] == [503, 503]
    assert refused[0].json()["type"] == "urn:mandaat:problem:busy"
    assert refused[0].headers["retry-after"] == "1"
    assert {(await one).status_code for one in waiting} == {200}
    assert (await client.get("/v1/agents/agent-01/mandate")).status_code == 200


async def test_the_openapi_document_describes_the_answer(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    operation = document["paths"]["/v1/agents/{agent_id}/mandate"]["get"]
    reference = operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"]
    described = document["components"]["schemas"][reference.rpartition("/")[2]]
    assert set(described["properties"]) == set(await ask(client))
    assert "application/problem+json" in operation["responses"]["default"]["content"]
    assert operation["security"] == [{"HTTPBearer": []}]


async def test_the_operation_needs_a_key_and_has_a_readable_name(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    (operation,) = [operation for path in document["paths"].values() for operation in path.values()]
    assert operation["operationId"] == "mandate"
    assert [set(one) for one in operation["security"]] == [set(document["components"]["securitySchemes"])]
