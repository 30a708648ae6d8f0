"""`GET /v1/cases/{id}` and one request of it, with doubles of Redis and Kafka."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from aiokafka import TopicPartition

from schemas.case import Case
from schemas.ids import record_key
from schemas.request_status import RequestStatus
from schemas.withdrawal import WITHDRAWN, Withdrawal
from services.chassis.http.keys import Keys, digest_of
from services.chassis.http.server import Health, create_app
from services.chassis.kafka.reader import Stretch
from services.chassis.process.errors import TryAgain
from services.chassis.process.metrics import Metrics
from services.notifier import case_reader
from services.notifier.case_reader import CaseReader
from services.notifier.failures import FailedRecord
from services.notifier.outbox import case_file
from services.notifier.routes import CaseView, add_routes
from tests.builders.cases import a_case
from tests.builders.decisions import a_decision
from tests.builders.events import a_decision_event

SCOPES = {
    "key-acme": ("acme", ["read"]),
    "key-globex": ("globex", ["read"]),
    "key-writer": ("acme", ["submit"]),
}


@dataclass
class World:
    """Case files, and a log of mandaat.cases of which the last `arriving` cases are still to be read."""

    files: dict[str, dict[bytes, bytes]] = field(default_factory=dict)
    arriving: list[Case | Withdrawal] = field(default_factory=list)
    failures: dict[str, Sequence[FailedRecord]] = field(default_factory=dict)
    end: int = 0
    read: int = 0
    stalled: bool = False

    def keep(self, case: Case | Withdrawal, *events: Any) -> None:
        """A case that was read, and the events about it."""
        fields = self.files.setdefault(record_key(case.tenant, case.case_id), {})
        new = [
            *case_file.of_case(case),
            *(one for event in events for one in case_file.of_event(event, event.to_bytes())[0]),
        ]
        fields.update({name.encode(): value for name, value in new})

    def accept(self, case: Case | Withdrawal) -> None:
        """A case that was accepted and is not read yet."""
        self.arriving.append(case)
        self.end += 1

    async def case(self, key: str) -> dict[bytes, bytes]:
        return self.files.get(key, {})

    async def position(self, p: int, topic: str) -> int | None:
        """One more is read at each look."""
        if self.arriving and not self.stalled:
            self.keep(self.arriving.pop(0))
            self.read += 1
        return self.read or None

    async def partitions(self, topic: str) -> int:
        return 6

    async def bounds(self, tp: TopicPartition) -> Stretch:
        return Stretch(0, self.end)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
async def client(world: World, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    path = tmp_path / "keys.jsonl"
    lines = [
        json.dumps({"sha256": digest_of(key), "tenant": tenant, "scopes": scopes})
        for key, (tenant, scopes) in SCOPES.items()
    ]
    path.write_text("\n".join(lines))
    path.chmod(0o600)
    app = create_app("Mandaat notifier", health=Health(), metrics=Metrics())
    reader = CaseReader(world, lambda key: world.failures.get(key, ()), world.partitions, world.bounds)
    add_routes(app, reader, Keys.load(path))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://127.0.0.1",
        headers={"authorization": "Bearer key-acme"},
    ) as one:
        yield one


def address(case_id: str, request_id: str | None = None) -> str:
    of_case = f"/v1/cases/{quote(case_id, safe='')}"
    return of_case if request_id is None else f"{of_case}/requests/{quote(request_id, safe='')}"


async def test_a_case_that_was_just_accepted_is_never_unknown(
    world: World, client: httpx.AsyncClient
) -> None:
    for number in range(3):
        world.accept(a_case(f"c-{number}"))
    assert (await client.get(address("c-2"))).status_code == 200


async def test_a_request_that_was_just_accepted_is_pending_and_never_unknown(
    world: World, client: httpx.AsyncClient
) -> None:
    world.keep(a_case())
    world.accept(a_case(request_id="r2"))
    answer = await client.get(address("c-1", "r2"))
    assert (answer.status_code, answer.json()["state"]) == (200, "pending")


async def test_a_withdrawal_before_its_request_has_an_address_too(
    world: World, client: httpx.AsyncClient
) -> None:
    withdrawal, case = Withdrawal(tenant="acme", case_id="c-1", request_id="r1"), a_case()
    world.accept(withdrawal)
    first = (await client.get(address("c-1"))).json()
    assert (first["case"], [one["state"] for one in first["requests"]]) == (None, ["pending"])
    early = a_decision(case, "withdrawn", customer_id=None, agent_id=None, request_digest=WITHDRAWN)
    world.keep(withdrawal, a_decision_event(early))
    shown = CaseView.model_validate_json((await client.get(address("c-1"))).content)
    assert [(one.state, one.request) for one in shown.requests] == [("withdrawn", None)]
    assert (await client.get(address("c-1", "r1"))).json()["state"] == "withdrawn"


async def test_a_case_that_nobody_submitted_is_unknown(world: World, client: httpx.AsyncClient) -> None:
    world.accept(a_case())
    answer = await client.get(address("c-9"))
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:mandaat:problem:unknown-case")
    answer = await client.get(address("c-1", "r9"))
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:mandaat:problem:unknown-request")


async def test_a_caller_comes_back_later_when_it_cannot_be_told_whether_a_case_is_known(
    world: World, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(case_reader, "WAIT_SECONDS", 0.1)
    world.stalled = True
    world.accept(a_case())
    answer = await client.get(address("c-1"))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    monkeypatch.setattr(world, "bounds", raising)
    assert (await client.get(address("c-1"))).status_code == 503


async def raising(_: TopicPartition) -> Stretch:
    raise TryAgain("kafka is away")


async def test_a_case_is_unknown_to_other_tenants_and_to_keys_that_may_not_read(
    world: World, client: httpx.AsyncClient
) -> None:
    world.keep(a_case())
    for path in (address("c-1"), address("c-1", "r1")):
        for key, status in (("key-acme", 200), ("key-globex", 404), ("key-writer", 403), ("nonsense", 401)):
            answer = await client.get(path, headers={"authorization": f"Bearer {key}"})
            assert answer.status_code == status, (path, key)


@pytest.mark.parametrize("case_id", ["c/1", "a/requests/b", "c-1/requests/r1", "é /?#%2F"])
@pytest.mark.parametrize("request_id", ["r1", "r/1", "x/requests/y"])
async def test_ids_with_slashes_name_one_request(
    world: World, client: httpx.AsyncClient, case_id: str, request_id: str
) -> None:
    case = a_case(case_id, request_id=request_id)
    world.keep(case, a_decision_event(a_decision(case)))
    whole = (await client.get(address(case_id))).json()
    assert [one["request_id"] for one in whole["requests"]] == [request_id]
    status = RequestStatus.model_validate_json((await client.get(address(case_id, request_id))).content)
    assert (status.case_id, status.request_id, status.state) == (case_id, request_id, "approved")


async def test_a_case_id_with_a_slash_that_is_not_encoded_is_still_found(
    world: World, client: httpx.AsyncClient
) -> None:
    world.keep(a_case("c/1"))
    assert (await client.get("/v1/cases/c/1")).status_code == 200


async def test_the_openapi_document_says_that_a_key_is_needed_and_names_its_operations(
    client: httpx.AsyncClient,
) -> None:
    document = (await client.get("/openapi.json")).json()
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    assert sorted(one["operationId"] for one in operations) == ["read_case", "read_request"]
    schemes = document["components"]["securitySchemes"]
    assert {scheme["scheme"] for scheme in schemes.values()} == {"bearer"}
    for operation in operations:
        assert [set(one) for one in operation["security"]] == [set(schemes)]
