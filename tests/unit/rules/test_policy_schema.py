"""The JSON Schema that editors complete a policy by, schemas/json/policy.schema.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

import deploy.local
import schemas
from services.rules.core.policy import check_policy
from services.rules.core.policy.document import NOT_YET, policy_schema
from tests.judging import a_mandate, a_policy

FILE = Path(schemas.__path__[0]) / "json" / "policy.schema.json"


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    schema = json.loads(FILE.read_text())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def test_the_file_is_what_the_model_says() -> None:
    assert FILE.read_text() == policy_schema(), "mandaat policy schema > schemas/json/policy.schema.json"


def test_every_key_is_described() -> None:
    def undescribed(name: str, part: Any) -> list[str]:
        keys = part.get("properties", {})
        return [f"{name}.{key}" for key, value in keys.items() if not value.get("description")]

    schema = json.loads(FILE.read_text())
    parts = {"policy": schema, **schema["$defs"]}
    assert [key for name, part in parts.items() for key in undescribed(name, part)] == []


def test_the_retail_policy_fits(validator: Draft202012Validator) -> None:
    text = (Path(deploy.local.__path__[0]) / "retail" / "policy.yaml").read_text()
    assert list(validator.iter_errors(YAML(typ="safe", pure=True).load(text))) == []


def test_the_words_that_are_not_supported_yet_are_not_in_it() -> None:
    schema = json.loads(FILE.read_text())
    keys = {key for part in (schema, *schema["$defs"].values()) for key in part.get("properties", {})}
    assert keys & NOT_YET == set()


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        (
            a_policy(a_mandate(grants="*", to=["agent", "senior"], limit=5.5, when="true", categories=["x"])),
            True,
        ),
        (a_policy(prohibitions=[{"id": "p", "kinds": ["x"], "except": "agent", "reason": "no"}]), True),
        (a_policy(define={"late": "true"}, timezone="Europe/Amsterdam"), True),
        (a_policy(prohibitions=[]), True),
        (a_policy(a_mandate(grants=[])), False),
        (a_policy(a_mandate(grants="Refund")), False),
        (a_policy(a_mandate(grants=["x", "x"])), False),
        (a_policy(a_mandate(limit=-1)), False),
        (a_policy(a_mandate(limit=True)), False),
        (a_policy(a_mandate(when="")), False),
        (a_policy(a_mandate(when=None)), False),
        (a_policy(a_mandate(budgets=["x"])), False),
        (a_policy(a_mandate(categories="x")), False),
        (a_policy(define={"a b": "true"}), False),
        (a_policy(roles={"Agent": {}}), False),
        (a_policy(roles={}), False),
        (a_policy(version=1), False),
        (a_policy(currency="eur"), False),
        (a_policy(escalation=[]), False),
        (a_policy(escalation=[{"id": "a", "steps": [{"to": "agent"}]}] * 2), False),
        (a_policy(escalation=[{"id": "a", "steps": [{"to": "agent"}, {"to": "senior"}]}]), False),
        (a_policy(escalation=[{"id": "a", "steps": [{"to": "agent", "within": "30m"}]}]), False),
    ],
)
def test_the_schema_and_the_check_agree_on_the_shape(
    validator: Draft202012Validator, text: str, fits: bool
) -> None:
    assert validator.is_valid(json.loads(text)) is fits
    assert (check_policy(text).book is not None) is fits
