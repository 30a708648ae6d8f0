"""Every route of every service: who may call it, and how its errors are described.

A new route without a row in ROUTES fails here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from schemas.ids import approval_id
from services.chassis.http.keys import Keys, Scope, digest_of
from services.chassis.http.server import Health, create_app
from services.chassis.process.metrics import Metrics
from services.intake.doors.routes import add_all_routes
from services.notifier import routes as notifier
from services.rules.mandate import route as rules
from tests.builders.cases import a_case_body
from tests.component.intake.conftest import World

APPROVAL: Final = approval_id("c1", "r1")
OPEN: Final = {"/livez", "/readyz", "/metrics", "/openapi.json"}
"""Routes that need no key."""


class Row(NamedTuple):
    """One route: its scope, a call of it, and whether it names an agent or a tenant in the call."""

    scope: Scope
    url: str
    body: dict[str, Any] | None = None
    agent: bool = False
    tenant: bool = False


ROUTES: Final = {
    ("POST", "/v1/cases"): Row("submit", "/v1/cases", a_case_body(agent_id="other"), True, True),
    ("POST", "/v1/cases/{case_id:path}/withdrawal"): Row(
        "submit", "/v1/cases/c1/withdrawal", {"request_id": "r1", "agent_id": "other"}, True, True
    ),
    ("POST", "/v1/approvals/{approval_id}/approve"): Row(
        "reply", f"/v1/approvals/{APPROVAL}/approve", {"agent_id": "lead-01", "reply_id": "1"}, True
    ),
    ("POST", "/v1/approvals/{approval_id}/reject"): Row(
        "reply", f"/v1/approvals/{APPROVAL}/reject", {"agent_id": "lead-01", "reply_id": "1"}, True
    ),
    ("GET", "/v1/agents/{agent_id:path}/mandate"): Row("read", "/v1/agents/other/mandate", agent=True),
    ("GET", "/v1/cases/{case_id:path}"): Row("read", "/v1/cases/c1"),
    ("GET", "/v1/cases/{case_id:path}/requests/{request_id:path}"): Row("read", "/v1/cases/c1/requests/r1"),
}


class Nothing:
    """A store and an inquiry that find nothing; they keep the tenants that they were asked about."""

    def __init__(self) -> None:
        self.tenants: list[str] = []

    async def mandate(self, tenant: str, *_: object) -> tuple[bytes, str]:
        """The answer of the mandate page."""
        self.tenants.append(tenant)
        return b"{}", "en"

    async def read(self, key: str, _: object) -> None:
        """No case."""
        self.tenants.append(key.partition("/")[0])


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    everything = ["submit", "reply", "read"]
    lines: dict[str, dict[str, Any]] = {
        "right": {"tenant": "acme", "scopes": everything},
        "globex": {"tenant": "globex", "scopes": everything},
        "expired": {"tenant": "acme", "scopes": everything, "expires": "2020-01-01"},
        "bot": {"tenant": "acme", "scopes": everything, "agents": ["bot-01"]},
        **{
            f"no {one}": {"tenant": "acme", "scopes": [s for s in everything if s != one]}
            for one in everything
        },
    }
    path = tmp_path / "keys.jsonl"
    path.write_text(
        "".join(json.dumps({"sha256": digest_of(key), **line}) + "\n" for key, line in lines.items())
    )
    path.chmod(0o600)
    return Keys.load(path)


def _new_app() -> FastAPI:
    return create_app("a service", health=Health(), metrics=Metrics())


@pytest.fixture
def found() -> Nothing:
    return Nothing()


@pytest.fixture
def apps(keys: Keys, found: Nothing) -> list[FastAPI]:
    world, made = World(), [_new_app() for _ in range(3)]
    add_all_routes(made[0], world.intake, keys, None, world.waiters)
    rules.add_routes(made[1], cast("Any", found), keys)
    notifier.add_routes(made[2], cast("Any", found), keys)
    return made


def routes_of(app: FastAPI) -> set[tuple[str, str]]:
    found = [route for route in app.routes if isinstance(route, APIRoute) and route.path not in OPEN]
    return {(method, route.path) for route in found for method in route.methods or ()}


def test_every_route_has_a_row(apps: list[FastAPI]) -> None:
    assert {route for app in apps for route in routes_of(app)} == set(ROUTES)


async def call(apps: list[FastAPI], route: tuple[str, str], key: str | None) -> httpx.Response:
    app = next(app for app in apps if route in routes_of(app))
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://service", headers=headers) as client:
        return await client.request(route[0], ROUTES[route].url, json=ROUTES[route].body)


@pytest.mark.parametrize("route", ROUTES, ids=" ".join)
async def test_a_route_lets_in_only_the_right_keys(
    apps: list[FastAPI], found: Nothing, route: tuple[str, str]
) -> None:
    row = ROUTES[route]
    for key in (None, "wrong", "expired"):
        assert (await call(apps, route, key)).status_code == 401, key
    assert "expired" in (await call(apps, route, "expired")).json()["detail"]
    assert (await call(apps, route, f"no {row.scope}")).status_code == 403
    assert (await call(apps, route, "bot")).status_code == 403 if row.agent else True
    assert found.tenants in ([], ["acme"])
    found.tenants.clear()
    other = await call(apps, route, "globex")
    if row.body is not None and "tenant" in row.body:
        assert other.status_code == 403
    assert set(found.tenants) <= {"globex"}, "a key reads only its own tenant"
    assert (await call(apps, route, "right")).status_code in (200, 202, 404)


async def test_every_error_in_an_openapi_document_is_the_one_problem(apps: list[FastAPI]) -> None:
    for app in apps:
        document = app.openapi()
        assert document["components"]["schemas"]["Problem"]["required"]
        assert "HTTPValidationError" not in document["components"]["schemas"]
        for path in document["paths"].values():
            for operation in path.values():
                errors = {code: one for code, one in operation["responses"].items() if code[0] not in "23"}
                assert "default" in errors
                for code, response in errors.items():
                    schema = response["content"]["application/problem+json"]["schema"]
                    assert schema == {"$ref": "#/components/schemas/Problem"}, code
