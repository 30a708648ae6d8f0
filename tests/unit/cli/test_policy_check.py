"""`mandaat policy check`: problems with their places, and the staff compared with the policy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from services.cli.app import build
from tests.builders.policies import a_lead, a_mandate, a_policy

WARNED = "nobody on the staff has role `manager`, or one that extends it"


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    file = tmp_path / "policy.yaml"
    file.write_text(a_policy(a_mandate(), a_lead()))
    return file


def _check(*words: str | Path) -> Result:
    return CliRunner().invoke(build("policy"), ["policy", "check", *map(str, words)])


def _staff(folder: Path, *people: dict[str, Any] | str) -> Path:
    file = folder / "staff.jsonl"
    lines = [
        one if isinstance(one, str) else json.dumps({"tenant": "acme", "name": "n", "team": "north", **one})
        for one in people
    ]
    file.write_text("\n".join(lines) + "\n")
    return file


def _person(agent_id: str, role: str, **changes: Any) -> dict[str, Any]:
    return {"agent_id": agent_id, "role": role, **changes}


def test_a_good_policy_can_be_used(policy: Path) -> None:
    done = _check(policy)
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{policy}: can be used: policy acme, version 1, digest ")


def test_a_warning_stands_at_its_place_and_the_policy_can_be_used(policy: Path) -> None:
    policy.write_text(a_policy(a_mandate(), a_mandate(id="n"), a_lead()))
    done = _check(policy)
    assert done.exit_code == 0
    first, last = done.stdout.splitlines()
    assert first.startswith(f"{policy}:1:")
    assert ": warning: this mandate is never used: `m`" in first
    assert ": can be used: " in last


def test_an_error_exits_with_1_and_a_missing_file_with_2(policy: Path) -> None:
    policy.write_text(a_policy(a_mandate(to="agnt"), a_lead()))
    done = _check(policy)
    assert done.exit_code == 1
    (only,) = done.stdout.splitlines()
    assert only.endswith("there is no role `agnt`; did you mean `agent`?")
    assert _check(policy.parent / "other.yaml").exit_code == 2
    assert _check(policy, "--staff", policy.parent / "other.jsonl").exit_code == 2


def test_roles_are_compared_with_the_staff(policy: Path, tmp_path: Path) -> None:
    staff = _staff(tmp_path, _person("a", "agent"), _person("b", "team_lead"))
    done = _check(policy, "--staff", staff)
    assert done.exit_code == 0
    assert [line.rpartition(": ")[2] for line in done.stdout.splitlines()[:-1]] == [WARNED]
    assert WARNED not in _check(policy, "--staff", _staff(tmp_path, _person("m", "manager"))).stdout
    assert WARNED not in _check(policy).stdout


def test_staff_with_an_unknown_role_are_reported(policy: Path, tmp_path: Path) -> None:
    staff = _staff(tmp_path, _person("m", "manager"), _person("b", "boss"))
    done = _check(policy, "--staff", staff)
    assert done.exit_code == 0
    assert done.stdout.splitlines()[0] == (
        f"{staff}:2:75: warning: 'b' has role `boss`, which is not in the policy; "
        "everything they request is escalated"
    )


def test_an_unusable_staff_file_exits_with_1(policy: Path, tmp_path: Path) -> None:
    staff = _staff(tmp_path, _person("m", "manager"), "nothing", _person("a", "agent", tenant="other"))
    done = _check(policy, "--staff", staff)
    assert done.exit_code == 1
    assert [line.split(":")[1] for line in done.stderr.splitlines()] == ["2", "3"]
