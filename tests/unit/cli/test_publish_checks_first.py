"""Publishing checks everything first, and reports wrong lines before it publishes anything."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from services.cli.publish import publish_app

GOOD = {"agent_id": "agent-01", "tenant": "acme", "name": "R. Visser", "role": "agent", "team": "north"}
NOWHERE = ("--kafka", "127.0.0.1:1")


def test_every_wrong_line_of_staff_is_reported(tmp_path: Path) -> None:
    file = tmp_path / "staff.jsonl"
    lines = [json.dumps(GOOD), "not json", json.dumps({**GOOD, "agent_id": 7}), "", json.dumps(GOOD)]
    file.write_text("\n".join(lines))
    outcome = CliRunner().invoke(publish_app, ["staff", str(file), *NOWHERE])
    assert outcome.exit_code == 1
    assert [line.split(":")[1] for line in outcome.stderr.splitlines()] == ["2", "3", "5"]
    assert "/agent_id" in outcome.stderr.splitlines()[1]
    assert outcome.stdout == ""


def test_an_absence_that_does_not_end_after_its_start_is_refused_with_line_and_field(tmp_path: Path) -> None:
    file = tmp_path / "staff.jsonl"
    same = {"from": "2026-03-02T00:00:00+01:00", "until": "2026-03-01T23:00:00Z"}
    good = {"from": "2026-03-01T00:00:00Z", "until": "2026-03-02T00:00:00Z"}
    lines = [{**GOOD, "absences": [good]}, {**GOOD, "agent_id": "agent-02", "absences": [good, same]}]
    file.write_text("\n".join(map(json.dumps, lines)))
    outcome = CliRunner().invoke(publish_app, ["staff", str(file), *NOWHERE])
    assert outcome.exit_code == 1
    (line,) = outcome.stderr.splitlines()
    assert f"{file}:2:226: /absences/1/until: must be after `from`" in line


def test_an_unusable_policy_is_not_published(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text("policy: acme\nversion: 1\n")
    outcome = CliRunner().invoke(publish_app, ["policy", str(file), *NOWHERE])
    assert outcome.exit_code == 1
    assert all(line.startswith(f"{file}:") for line in outcome.stderr.splitlines())
    assert outcome.stdout == ""


def test_an_unreachable_kafka_is_reported_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "staff.jsonl"
    file.write_text(json.dumps(GOOD))
    outcome = CliRunner().invoke(publish_app, ["staff", str(file), *NOWHERE])
    assert outcome.exit_code == 2
    assert "mandaat: kafka at 127.0.0.1:1 does not answer" in outcome.stderr


def test_a_missing_file_exits_with_2() -> None:
    assert CliRunner().invoke(publish_app, ["staff", "/nowhere"]).exit_code == 2
