"""/openapi.json describes the bodies and the answers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from jsonschema import Draft202012Validator

from tests.builders.cases import a_case_body, a_request_body

PAGE: Final = Path(__file__).parents[3] / "docs" / "intake.md"


@pytest.fixture
async def document(client: httpx.AsyncClient) -> dict[str, Any]:
    answer: dict[str, Any] = (await client.get("/openapi.json")).json()
    return answer


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        here = [value["$ref"]] if "$ref" in value else []
        return here + [name for item in value.values() for name in _references(item)]
    return [name for item in value for name in _references(item)] if isinstance(value, list) else []


async def test_every_reference_has_a_target(document: dict[str, Any]) -> None:
    references = _references(document)
    assert references
    for reference in references:
        prefix, _, name = reference.rpartition("/")
        assert prefix == "#/components/schemas"
        assert name in document["components"]["schemas"]


async def test_the_body_of_a_case_is_described(document: dict[str, Any]) -> None:
    body = document["paths"]["/v1/cases"]["post"]["requestBody"]
    schema = {**body["content"]["application/json"]["schema"], "components": document["components"]}
    validator = Draft202012Validator(schema)
    assert validator.is_valid(a_case_body())
    assert not validator.is_valid(a_case_body(request=a_request_body(amount="12,50")))
    assert not validator.is_valid({})


async def test_the_body_of_a_withdrawal_is_described(document: dict[str, Any]) -> None:
    operation = document["paths"]["/v1/cases/{case_id}/withdrawal"]["post"]
    assert [one["name"] for one in operation["parameters"]] == ["case_id"]
    body = operation["requestBody"]
    schema = {**body["content"]["application/json"]["schema"], "components": document["components"]}
    validator = Draft202012Validator(schema)
    assert validator.is_valid({"request_id": "r1"})
    assert not validator.is_valid({"agent_id": "agent-01"})


async def test_the_paths_are_those_of_the_page(document: dict[str, Any]) -> None:
    assert set(document["paths"]) == set(re.findall(r"`POST (/v1/[^`]+)`", PAGE.read_text(encoding="utf-8")))


async def test_answers_and_keys_are_described(document: dict[str, Any]) -> None:
    for path in document["paths"].values():
        operation = path["post"]
        assert "202" in operation["responses"]
        assert "application/problem+json" in operation["responses"]["default"]["content"]
        assert operation["security"] == [{"HTTPBearer": []}]


async def test_every_operation_needs_a_key_and_has_a_readable_name(document: dict[str, Any]) -> None:
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    assert sorted(one["operationId"] for one in operations) == ["approve", "reject", "submit", "withdraw"]
    schemes = document["components"]["securitySchemes"]
    for operation in operations:
        assert [set(one) for one in operation["security"]] == [set(schemes)], operation["operationId"]
