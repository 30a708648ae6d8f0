"""The examples in docs/policy-tests.md and docs/mandate.md are real output."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel
from typer.testing import CliRunner

import deploy.local
from engine.policy_tests.document import Expectation, StepOfTest
from services.cli.app import build
from services.rules.mandate.view import MandateView

DOCS = Path(__file__).parents[3] / "docs"
HOTEL = Path(deploy.local.__path__[0]) / "hotel"
ABOUT_TESTS, ABOUT_MANDATES = (
    (DOCS / name).read_text(encoding="utf-8") for name in ("policy-tests.md", "mandate.md")
)


def example(page: str, kind: str) -> str:
    found = re.search(rf"^```{kind}\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert found is not None, kind
    return found[1]


def test_the_shown_tests_pass(tmp_path: Path) -> None:
    for name in ("policy.yaml", "staff.jsonl"):
        shutil.copy(HOTEL / name, tmp_path)
    (tmp_path / "shown.test.yaml").write_text(example(ABOUT_TESTS, "yaml tests"), encoding="utf-8")
    done = CliRunner().invoke(build("policy"), ["policy", "test", str(tmp_path)])
    assert done.exit_code == 0, done.stdout


def test_every_key_of_a_test_is_documented() -> None:
    for name in (*Expectation.model_fields, *StepOfTest.model_fields):
        assert re.search(rf"`{name}[`:]", ABOUT_TESTS) or name == "expect", name


def test_the_shown_explanation_is_the_real_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(HOTEL)
    command, _, shown = example(ABOUT_MANDATES, "console explain").partition("\n")
    words = command.removeprefix("$ mandaat ").split()
    done = CliRunner().invoke(build("explain"), words)
    assert done.stdout.replace("\u00a0", " ") == shown


def test_the_shown_answer_has_the_right_shape() -> None:
    _same_keys(json.loads(example(ABOUT_MANDATES, "json answer")), MandateView)


def _same_keys(value: dict[str, Any], model: type[BaseModel]) -> None:
    fields = {field.serialization_alias or name: field for name, field in model.model_fields.items()}
    assert list(value) == list(fields)
    model.model_validate(value)
    for name, field in fields.items():
        below = [field.annotation, *get_args(field.annotation)]
        parts = [one for one in below if isinstance(one, type) and issubclass(one, BaseModel)]
        items = value[name] if isinstance(value[name], list) else [value[name]]
        for item in items:
            if parts and item is not None:
                _same_keys(item, parts[0])


def test_the_hotel_cases_get_the_decisions_of_its_page() -> None:
    page = (HOTEL / "README.md").read_text(encoding="utf-8")
    said = re.findall(r"^\| (h-\d) \|[^|]*\| (\w+) \|", page, re.MULTILINE)
    words = [
        "decide",
        "--policy",
        HOTEL / "policy.yaml",
        "--staff",
        HOTEL / "staff.jsonl",
        HOTEL / "cases.jsonl",
    ]
    done = CliRunner().invoke(build("decide"), [str(word) for word in words])
    decided = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(one["case_id"], one["outcome"]) for one in decided] == said
