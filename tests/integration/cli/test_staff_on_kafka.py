"""`mandaat staff` on a real topic."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from services.cli.app import build

ABSENCE = {"from": "2026-03-02T00:00:00+01:00", "until": "2026-03-09T00:00:00+01:00", "delegate": "agent-02"}


@pytest.fixture
def people(kafka: str, tenant: str, tmp_path: Path) -> list[dict[str, Any]]:
    """Three people, published."""
    person: dict[str, Any] = {"tenant": tenant, "role": "agent", "team": "north"}
    found = [
        {"agent_id": "agent-01", "name": "Roos [Visser]", **person, "absences": [ABSENCE]},
        {"agent_id": "agent-02", "name": "Sem de Boer", **person, "absences": []},
        {"agent_id": "lead-01", "name": "Anna Novak", **person, "email": "a@example.org", "absences": []},
    ]
    file = tmp_path / "staff.json"
    file.write_text(json.dumps(found, indent=2))
    assert run(kafka, "publish", "staff", str(file)).exit_code == 0
    return found


def run(kafka: str, *words: str) -> Result:
    return CliRunner().invoke(build(words[0]), [*words, "--kafka", kafka], env={"COLUMNS": "160"})


def listed(kafka: str, tenant: str) -> list[dict[str, Any]]:
    done = run(kafka, "staff", "list", "--tenant", tenant, "--json")
    assert done.exit_code == 0
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_list_shows_what_was_published_with_absences(
    kafka: str, tenant: str, people: list[dict[str, Any]]
) -> None:
    assert listed(kafka, tenant) == people
    table = run(kafka, "staff", "list", "--tenant", tenant).stdout
    for text in ("Roos [Visser]", "a@example.org", "stand-in agent-02"):
        assert text in table


def test_a_list_can_be_published_again(
    kafka: str, tenant: str, people: list[dict[str, Any]], tmp_path: Path
) -> None:
    file = tmp_path / "again.jsonl"
    file.write_text(run(kafka, "staff", "list", "--tenant", tenant, "--json").stdout)
    assert run(kafka, "publish", "staff", str(file)).exit_code == 0
    assert listed(kafka, tenant) == people


def test_a_person_is_removed_and_it_says_whom(kafka: str, tenant: str, people: list[dict[str, Any]]) -> None:
    remove = ("staff", "remove", "agent-02", "--tenant", tenant)
    tried = run(kafka, *remove, "--dry-run")
    said = {"tenant": tenant, "agent_id": "agent-02", "name": "Sem de Boer"}
    assert json.loads(tried.stdout) == {**said, "removed": False, "why": "dry run"}
    assert listed(kafka, tenant) == people
    done = run(kafka, *remove)
    assert (done.exit_code, json.loads(done.stdout)) == (0, {**said, "removed": True})
    assert "warning: 'agent-01' names 'agent-02' as stand-in" in done.stderr
    assert [one["agent_id"] for one in listed(kafka, tenant)] == ["agent-01", "lead-01"]


def test_an_unknown_person_or_tenant_removes_nobody(
    kafka: str, tenant: str, people: list[dict[str, Any]]
) -> None:
    done = run(kafka, "staff", "remove", "agent-02", "laed-01", "--tenant", tenant)
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == (
        f"mandaat: nobody on the staff of {tenant} has the id 'laed-01'; did you mean `lead-01`?\n"
    )
    assert listed(kafka, tenant) == people
    unknown = run(kafka, "staff", "list", "--tenant", f"{tenant}x")
    assert unknown.exit_code == 1
    assert f"{tenant}x has no staff; did you mean `{tenant}`?" in unknown.stderr
