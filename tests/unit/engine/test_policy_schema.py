"""The JSON Schema of policies for editors, schemas/json/policy.schema.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

import deploy.local
import schemas
from engine.policy.checking import check_policy
from engine.policy.editor_schema import policy_schema
from tests.builders.bodies import LEFT_OUT
from tests.builders.policies import a_budget, a_mandate, a_policy

HERE = {"timezone": "Europe/Amsterdam"}
FILE = Path(schemas.__path__[0]) / "json" / "policy.schema.json"


def a_ladder(**changes: Any) -> str:
    return a_policy(escalation=[{"id": "default", "steps": [{"to": "team_lead"}], **changes}])


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    schema = json.loads(FILE.read_text())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def test_the_exported_schema_is_current() -> None:
    assert FILE.read_text() == policy_schema(), "mandaat policy schema > schemas/json/policy.schema.json"


def test_every_key_is_described() -> None:
    def undescribed(name: str, part: Any) -> list[str]:
        keys = part.get("properties", {})
        return [f"{name}.{key}" for key, value in keys.items() if not value.get("description")]

    schema = json.loads(FILE.read_text())
    parts = {"policy": schema, **schema["$defs"]}
    assert [key for name, part in parts.items() for key in undescribed(name, part)] == []


@pytest.mark.parametrize("budgets", ["pool", ["pool"], a_budget(), [a_budget(), "pool"]])
def test_one_budget_needs_no_list_in_the_schema(validator: Draft202012Validator, budgets: Any) -> None:
    text = a_policy(a_mandate(budgets=budgets), budgets={"pool": a_budget()}, **HERE)
    assert check_policy(text).book is not None
    assert list(validator.iter_errors(YAML(typ="safe", pure=True).load(text))) == []


def test_the_retail_policy_fits(validator: Draft202012Validator) -> None:
    text = (Path(deploy.local.__path__[0]) / "retail" / "policy.yaml").read_text()
    assert list(validator.iter_errors(YAML(typ="safe", pure=True).load(text))) == []


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
        (a_policy(a_mandate(categories="x")), False),
        (a_policy(define={"a b": "true"}), False),
        (a_policy(roles={"Agent": {}}), False),
        (a_policy(roles={}), False),
        (a_policy(version=1), False),
        (a_policy(currency="eur"), False),
        (a_policy(escalation=[]), False),
        (a_policy(escalation=[{"id": "a", "steps": [{"to": "agent"}]}] * 2), False),
        (a_policy(escalation=[{"id": "a", "steps": [{"to": "agent"}, {"to": "senior"}]}]), True),
        (a_ladder(promise="4h", acknowledge_within="15m", when_exhausted="refuse"), True),
        (a_ladder(promise="4 hours"), False),
        (a_ladder(promise="0h"), False),
        (a_ladder(when_nobody="refuse"), True),
        (a_ladder(when_nobody="keep_open"), False),
        (a_ladder(steps=[{"to": "agent", "within": "30m"}]), True),
        (a_ladder(steps=[{"to": "agent", "within": "30"}]), False),
        (a_policy(hours={"mon-fri": ["08:00-12:00", "13:00-24:00"], "sat": ["09:00-17:00"]}, **HERE), True),
        (a_policy(hours={"mon-fri": "08:00-20:00"}, **HERE), False),
        (a_policy(hours={"mon-fri": ["8:00-20:00"]}, **HERE), False),
        (a_policy(hours={"monday": ["08:00-20:00"]}, **HERE), False),
        (a_policy(hours={"mon": []}, **HERE), False),
        (a_policy(hours={}, **HERE), False),
        (a_policy(holidays="NL"), True),
        (a_policy(holidays="Netherlands"), False),
        (a_policy(a_mandate(discretion={})), True),
        (a_policy(a_mandate(discretion={"review_within": "5d", "reviewer": "senior"})), True),
        (a_policy(a_mandate(discretion=True)), False),
        (a_policy(a_mandate(discretion={"review_within": 5})), False),
        (a_policy(a_mandate(budgets=[a_budget()]), **HERE), True),
        (a_policy(a_mandate(budgets=[a_budget(id="a"), a_budget(window="30d")]), **HERE), True),
        (a_policy(a_mandate(budgets=a_budget()), **HERE), True),
        (a_policy(a_mandate(budgets=[]), **HERE), False),
        (a_policy(a_mandate(budgets=["a", "a"]), budgets={"a": a_budget()}, **HERE), False),
        (a_policy(a_mandate(budgets=[a_budget(id="a b")]), **HERE), False),
        (a_policy(a_mandate(budgets=["a"]), budgets={"a": a_budget()}, **HERE), True),
        (a_policy(a_mandate(budgets=["a"]), budgets={"a": a_budget(id="a")}, **HERE), False),
        (a_policy(a_mandate(budgets=["a"]), budgets={"a": a_budget(count=1)}, **HERE), False),
        (a_policy(a_mandate(budgets=["a"]), budgets={"a": a_budget(cap=LEFT_OUT)}, **HERE), False),
        (a_policy(a_mandate(budgets=["a"]), budgets={"a": a_budget(cap=0)}, **HERE), False),
        (a_policy(a_mandate(budgets=["a"]), budgets={"a": a_budget(cap="250")}, **HERE), False),
        (a_policy(a_mandate(budgets=["a"]), budgets={"a": a_budget(per="person")}, **HERE), False),
        *(
            (a_policy(a_mandate(budgets=[a_budget(window=window)]), **HERE), fits)
            for window, fits in (
                *(
                    ("hour", True),
                    ("quarter", True),
                    ("day", True),
                    ("week", True),
                    ("month", True),
                    ("year", True),
                    ("1d", True),
                ),
                *(("366d", True), ("367d", False), ("0d", False), ("30", False), ("days", False)),
            )
        ),
        *(
            (a_policy(a_mandate(budgets=[a_budget(cap=LEFT_OUT, count=count)]), **HERE), fits)
            for count, fits in (
                (1, True),
                (20.0, True),
                (0, False),
                (2.5, False),
                (True, False),
                ("2", False),
            )
        ),
    ],
)
def test_the_schema_and_the_check_agree_on_the_shape(
    validator: Draft202012Validator, text: str, fits: bool
) -> None:
    assert validator.is_valid(json.loads(text)) is fits
    assert (check_policy(text).book is not None) is fits
