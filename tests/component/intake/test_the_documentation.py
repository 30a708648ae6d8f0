"""docs/intake.md: its examples work, and its tables agree with the code."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from schemas.errors import REASONS
from schemas.ids import approval_id
from schemas.withdrawal import Withdrawal
from services.intake.doors.http import AcceptedCase
from services.intake.reading.inbound import read_inbound
from tests.builders.bodies import as_bytes
from tests.builders.cases import a_case_body, a_request_body
from tests.builders.events import STRUCTURED
from tests.builders.received import case_of
from tests.component.intake.conftest import World

TEXT = (Path(__file__).parents[3] / "docs" / "intake.md").read_text(encoding="utf-8")


def examples(kind: str) -> list[str]:
    found = re.findall(rf"^```json {kind}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    assert found, kind
    return found


def rows(head: str) -> list[list[str]]:
    """The rows of the table whose first column has that heading."""
    table = TEXT.split(f"\n| {head} |", 1)[1].split("\n\n", 1)[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def named(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


@pytest.mark.parametrize("example", examples("case"))
async def test_the_cases_are_accepted_at_both_doors(
    client: httpx.AsyncClient, world: World, example: str
) -> None:
    answer = await client.post("/v1/cases", json=json.loads(example))
    assert answer.status_code == 202
    assert case_of(read_inbound(None, example.encode(), ())).case_id == answer.json()["case_id"]


async def test_the_answer_has_the_fields_of_the_example(client: httpx.AsyncClient) -> None:
    (example,) = examples("accepted")
    AcceptedCase.model_validate_json(example)
    answer = await client.post("/v1/cases", json=a_case_body())
    assert list(answer.json()) == list(json.loads(example))


async def test_the_reply_is_accepted(client: httpx.AsyncClient) -> None:
    (example,) = examples("reply")
    path = f"/v1/approvals/{approval_id('c-1', 'r1')}/approve"
    assert (await client.post(path, json=json.loads(example))).status_code == 202


async def test_the_withdrawals_are_accepted(client: httpx.AsyncClient) -> None:
    (example,) = examples("withdrawal")
    answer = await client.post("/v1/cases/c-1/withdrawal", json=json.loads(example))
    assert answer.status_code == 202
    (event,) = examples("withdrawn")
    withdrawal = read_inbound(None, event.encode(), STRUCTURED).data
    assert isinstance(withdrawal, Withdrawal)
    assert (withdrawal.tenant, withdrawal.case_id, withdrawal.request_id) == ("acme", "c-3", "r1")


async def test_the_problem_is_that_of_the_example(client: httpx.AsyncClient) -> None:
    (example,) = examples("problem")
    answer = await client.post("/v1/cases", json=a_case_body(request=a_request_body(amount="45.001")))
    assert answer.json() == json.loads(example)


def test_the_event_is_read() -> None:
    (example,) = examples("structured")
    case = case_of(read_inbound(None, example.encode(), STRUCTURED))
    assert (case.tenant, case.case_id) == ("acme", "c-3")


def test_the_same_event_is_read_in_binary_mode() -> None:
    (example,) = examples("structured")
    event: dict[str, Any] = json.loads(example)
    headers = dict(re.findall(r"`(ce_[a-z]+): ([^`]+)`", TEXT))
    assert headers == {f"ce_{name}": event[name] for name in ("specversion", "id", "source", "type")}
    read_inbound(
        b"acme/c-3", as_bytes(event["data"]), [(name, text.encode()) for name, text in headers.items()]
    )


def test_every_reason_is_in_the_table_or_below_it() -> None:
    above = {name for row in rows("reason") for name in named(row[0])}
    below = set(named(TEXT.split("Rules adds", 1)[1].split(".", 1)[0]))
    assert above | below == set(REASONS) - {"unknown_case", "unknown_agent"}


def test_every_problem_of_a_body_has_the_status_in_the_table() -> None:
    status = {slug: int(row[0]) for row in rows("status") for slug in named(row[1])}
    for reason in {
        "empty",
        "not_json",
        "too_deep",
        "missing_field",
        "invalid",
        "unknown_currency",
        "conflict",
    }:
        assert status[reason.replace("_", "-")] == REASONS[reason].status
