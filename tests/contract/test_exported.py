"""The exported schemas are up to date, and accept the examples as the models do."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any, Final

import pytest
from jsonschema import Draft202012Validator, ValidationError

from schemas import json_schema
from schemas.export import exports, main, out_of_date
from schemas.topics import CASES, DEAD_LETTERS, DECISIONS, INBOUND, RECORDS, STAFF
from tests.contract.examples import EVENTS, EXAMPLES, Example, example

SCHEMAS: Final = json_schema.files()


def schema_of(one: Example) -> dict[str, Any]:
    """The schema of an example."""
    if one.topic in RECORDS:
        return SCHEMAS[f"records/{'staff' if one.topic == STAFF else 'policy_record'}.schema.json"]
    if one.topic == INBOUND:
        return SCHEMAS[f"bodies/{_inbound_body(one)}.schema.json"]
    return SCHEMAS[f"events/{one.event_type}.schema.json"]


def _inbound_body(one: Example) -> str:
    structured = one.path.stem.endswith("--structured")
    if one.name == "case.withdrawn":
        # in binary mode the body has the case id, which is in the path over HTTP
        return "inbound_withdrawal" if structured else "withdrawal"
    return "inbound_event" if structured else "case"


def test_the_exported_files_are_up_to_date() -> None:
    """If this fails, run `make schemas`."""
    assert out_of_date(exports()) == []
    assert main(["--check"]) == 0


def test_a_file_that_is_out_of_date_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("schemas.export.HERE", tmp_path / "schemas")
    monkeypatch.setattr("schemas.export.PAGE", tmp_path / "page.md")
    (tmp_path / "page.md").write_text("<!-- table: reasons -->\n<!-- end -->\n")
    here = exports()

    assert len(here) == len(SCHEMAS) + 2
    assert set(out_of_date(here)) == set(here)
    assert main(["--check"]) == 1
    assert main([]) == 0
    assert main(["--check"]) == 0

    stray = tmp_path / "schemas" / "json" / "events" / "mandaat.gone.v1.schema.json"
    stray.write_text("{}")
    assert out_of_date(here) == [stray]
    assert main([]) == 0
    assert not stray.exists()


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_schema_is_valid(name: str) -> None:
    Draft202012Validator.check_schema(SCHEMAS[name])

    assert SCHEMAS[name]["$id"] == f"urn:mandaat:schema:{name.removesuffix('.schema.json')}"


@pytest.mark.parametrize("one", [one for one in EXAMPLES if one.topic != DEAD_LETTERS], ids=str)
def test_an_example_fits_its_schema(one: Example) -> None:
    Draft202012Validator(schema_of(one)).validate(one.json)


@pytest.mark.parametrize(
    ("one", "path"),
    [
        (example(CASES, "case.submitted"), "data/request/kind"),
        (example(CASES, "case.submitted"), "tenant"),
        (example(CASES, "case.submitted"), "specversion"),
        (example(DECISIONS, "decision.escalated"), "sequence"),
        (example(DECISIONS, "decision.escalated"), "data/final"),
        (example(DECISIONS, "approval.closed"), "data/approval/version"),
    ],
    ids=str,
)
def test_a_schema_requires_the_fields_that_are_always_there(one: Example, path: str) -> None:
    event = copy.deepcopy(one.json)
    *parents, key = path.split("/")
    place = event
    for parent in parents:
        place = place[parent]
    del place[key]

    with pytest.raises(ValidationError, match="required property"):
        Draft202012Validator(schema_of(one)).validate(event)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("type", "mandaat.case.submitted.v2"),
        ("data/request/amount", "1e3"),
        ("data/request/amount", 45),
        ("data/case_id", ""),
        ("data/case_id", "a\nb"),
        ("data/facts", ["late"]),
        ("data/request/discretion", "true"),
    ],
)
def test_a_schema_refuses_what_the_model_refuses(path: str, value: object) -> None:
    one = example(CASES, "case.submitted")
    event = json.loads(one.value)
    *parents, key = path.split("/")
    place = event
    for parent in parents:
        place = place[parent]
    place[key] = value

    with pytest.raises(ValidationError):
        Draft202012Validator(schema_of(one)).validate(event)


@pytest.mark.parametrize("name", [name for name in SCHEMAS if name.startswith("events/")])
def test_a_schema_accepts_keys_that_are_added_later(name: str) -> None:
    (one,) = {
        one.event_type: one for one in EVENTS if name == f"events/{one.event_type}.schema.json"
    }.values()
    event = json.loads(one.value)
    event["added"] = event["data"]["added"] = "later"

    Draft202012Validator(SCHEMAS[name]).validate(event)
