"""The log of a refusal names its case and request, and holds no text of people."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from schemas.ids import approval_id
from services.intake import accepting
from tests.builders.cases import a_case_body, a_request_body
from tests.component.intake.conftest import World
from tests.component.intake.test_accepting_records import records


class Lines:
    """A log that keeps its lines in memory."""

    def __init__(self) -> None:
        self.kept: list[dict[str, Any]] = []

    def info(self, event: str, **values: Any) -> None:
        """Keep one line."""
        self.kept.append({"event": event, **values})

    @property
    def refused(self) -> dict[str, Any]:
        """The only refusal."""
        (line,) = [line for line in self.kept if line["event"] == "refused"]
        return line


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Lines:
    kept = Lines()
    monkeypatch.setattr(accepting, "log", kept)
    return kept


JSON = {"content-type": "application/json"}
C_1 = {"tenant": "acme", "case_id": "c-1", "request_id": "r1"}


async def test_a_conflict_is_logged_with_its_case_and_request(
    client: httpx.AsyncClient, lines: Lines
) -> None:
    await client.post("/v1/cases", json=a_case_body())
    await client.post("/v1/cases", json=a_case_body(request=a_request_body(amount="45.01")))
    assert lines.refused == {"event": "refused", "door": "http", "reason": "conflict", **C_1}


async def test_an_unreadable_verdict_is_logged_with_case_and_request_of_its_approval(
    client: httpx.AsyncClient, lines: Lines
) -> None:
    await client.post(f"/v1/approvals/{approval_id('c-1', 'r1')}/approve", content=b"{", headers=JSON)
    assert lines.refused == {"event": "refused", "door": "http", "reason": "not_json", **C_1}


async def test_an_unreadable_case_is_logged_with_its_tenant(client: httpx.AsyncClient, lines: Lines) -> None:
    await client.post("/v1/cases", content=b"{", headers=JSON)
    assert lines.refused == {"event": "refused", "door": "http", "reason": "not_json", "tenant": "acme"}


@pytest.mark.parametrize(
    ("key", "named"),
    [
        (b"acme/c/1", {"tenant": "acme", "case_id": "c/1"}),
        (None, {}),
        (b"Jan de Vries", {}),
        (b"acme/" + b"x" * 201, {}),
        (b"acme/c\n1", {}),
        (b"\xff/c-1", {}),
        (b"acme/", {}),
    ],
)
async def test_an_unreadable_record_is_logged_with_tenant_and_case_of_a_well_formed_key(
    world: World, lines: Lines, key: bytes | None, named: dict[str, str]
) -> None:
    (record,) = records(b"{", key=key)
    await world.accept_records([record])
    assert lines.refused == {"event": "refused", "door": "kafka", "reason": "not_json", **named}
