"""Files of staff: each mistake is reported at its place, before anything is published."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from schemas.staff import Absence, StaffMember
from services.cli.app import build
from services.cli.staff_files import read_staff, unknown_roles, unknown_stand_ins
from tests.builders.cases import a_case_body
from tests.builders.policies import a_book, a_lead, a_mandate, a_policy

PERSON = {"agent_id": "agent-01", "tenant": "acme", "name": "R. Visser", "role": "agent", "team": "north"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "staff.json"


def _problems(file: Path, *people: dict[str, Any] | str, indent: int | None = None) -> list[str]:
    file.write_text("\n".join(x if isinstance(x, str) else json.dumps(x, indent=indent) for x in people))
    return list(map(str, read_staff(file).problems))


def _run(command: str, *words: str | Path) -> Result:
    return CliRunner().invoke(build(command), [command, *map(str, words)])


def test_a_mistyped_role_is_refused_with_the_role_that_is_meant(file: Path) -> None:
    assert _problems(file, {**PERSON, "role": "agnet"}) == []
    found = unknown_roles(read_staff(file).rows, {"acme": a_book().roles})
    assert list(map(str, found)) == [
        "1:73: the active policy of acme has no role `agnet`; did you mean `agent`?"
    ]
    _problems(file, {**PERSON, "role": "boss"})
    (other,) = unknown_roles(read_staff(file).rows, {"acme": a_book().roles})
    assert other.text.endswith("no role `boss`; the roles are agent, manager, senior, team_lead")
    assert unknown_roles(read_staff(file).rows, {}) == []


@pytest.mark.parametrize("email", ["nope", "", "a@b@c", "a b@example.org", "a@example..org"])
def test_an_address_that_mail_cannot_reach_is_refused(file: Path, email: str) -> None:
    (only,) = _problems(file, {**PERSON, "email": email}, indent=2)
    assert only.startswith("7:12: `email` is not a mail address")
    assert _problems(file, {**PERSON, "email": "anna@example.org"}, {**PERSON, "agent_id": "b"}) == []


def test_a_key_like_an_absent_field_is_refused(file: Path) -> None:
    absence = {"from": "2026-03-02T00:00:00Z", "until": "2026-03-09T00:00:00Z", "delegat": "lead-02"}
    assert _problems(file, {**PERSON, "emial": "a@example.org", "absences": [absence]}, indent=2) == [
        "7:3: unknown key `emial`; did you mean `email`?",
        "12:7: unknown key `delegat`; did you mean `delegate`?",
    ]
    missing, unknown = _problems(
        file, {**{k: v for k, v in PERSON.items() if k != "agent_id"}, "agentId": "x"}
    )
    assert missing == "1:1: /agent_id: is missing"
    assert unknown.endswith("unknown key `agentId`; did you mean `agent_id`?")


def test_another_unknown_key_is_a_warning(file: Path) -> None:
    (only,) = _problems(file, {**PERSON, "desk": "4.12"})
    assert only.startswith(
        "1:99: warning: unknown key `desk` is not kept; known keys: agent_id, tenant, name"
    )


def test_every_mistake_has_its_line_and_column_in_every_form(file: Path) -> None:
    wrong = {**PERSON, "agent_id": 7}
    assert _problems(file, PERSON, wrong) == ["2:14: /agent_id: must be text in quotes"]
    assert _problems(file, PERSON, wrong, indent=2) == ["9:15: /agent_id: must be text in quotes"]
    assert _problems(file, json.dumps([PERSON, wrong], indent=2)) == [
        "10:17: /agent_id: must be text in quotes"
    ]
    (syntax,) = _problems(file, '{\n  "agent_id": "a",,\n}')
    assert syntax.startswith("2:19: not JSON: ")


def test_an_unknown_stand_in_is_a_warning(file: Path) -> None:
    away = {"from": "2026-03-02T00:00:00Z", "until": "2026-03-09T00:00:00Z"}
    absences = [{**away, "delegate": one} for one in ("led-01", "lead-02", "lead-03")] + [away]
    _problems(file, {**PERSON, "absences": absences}, {**PERSON, "agent_id": "lead-02"})
    found = unknown_stand_ins(read_staff(file).rows, {"acme": ["lead-01", "lead-03"]})
    (only,) = map(str, found)
    assert only.endswith(
        ": warning: nobody on the staff of acme has the id `led-01`; did you mean `lead-01`?"
    )


def test_the_page_on_staff_lists_every_field_with_an_example_that_is_taken(file: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "staff.md").read_text()
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| `")]
    listed = {row[0].strip("| `"): row for row in rows if len(row) == 4}
    of: dict[str, type[StaffMember] | type[Absence]] = {"": StaffMember, "absences[].": Absence}
    fields = {
        prefix + (field.alias or name): field
        for prefix, model in of.items()
        for name, field in model.model_fields.items()
    }
    assert list(listed) == list(fields)
    assert {name: row[1] == "yes" for name, row in listed.items()} == {
        name: field.is_required() for name, field in fields.items()
    }
    examples = {name: json.loads(row[2].strip("`")) for name, row in listed.items()}
    absence = {name.partition("].")[2]: value for name, value in examples.items() if "]." in name}
    whole = {name: value for name, value in examples.items() if "]." not in name}
    assert _problems(file, whole, {**whole, "agent_id": "b", "absences": [absence]}) == []
    (shown,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    assert _problems(file, shown) == []


def test_a_person_who_is_in_the_file_twice_is_refused(file: Path) -> None:
    other = {**PERSON, "tenant": "other"}
    assert _problems(file, PERSON, other, PERSON) == ["3:14: 'agent-01' is already on line 1"]


def test_the_offline_commands_read_pretty_printed_staff_and_cases(tmp_path: Path, file: Path) -> None:
    policy, cases = tmp_path / "policy.yaml", tmp_path / "cases.json"
    policy.write_text(a_policy(a_mandate(limit=50), a_lead()))
    file.write_text(json.dumps([PERSON, {**PERSON, "agent_id": "lead-01", "role": "team_lead"}], indent=2))
    first, second = (a_case_body(f"case-{number}", amount=f"{40 + 20 * number}.00") for number in (0, 1))
    for text in (
        f"{json.dumps(first)}\n{json.dumps(second)}\n",
        f"{json.dumps(first, indent=4)}\n{json.dumps(second, indent=4)}\n",
        json.dumps([first, second], indent=2),
    ):
        cases.write_text(text)
        done = _run("decide", "--policy", policy, "--staff", file, cases)
        assert (done.exit_code, done.stderr) == (0, "")
        assert [json.loads(line)["outcome"] for line in done.stdout.splitlines()] == ["approved", "escalated"]
        assert _run("explain", "--policy", policy, "--staff", file, cases, "--lang", "en").exit_code == 0
    assert _run("policy", "check", policy, "--staff", file).exit_code == 0


def test_a_wrong_case_is_reported_at_its_place_and_the_others_are_decided(tmp_path: Path, file: Path) -> None:
    policy, cases = tmp_path / "policy.yaml", tmp_path / "cases.json"
    policy.write_text(a_policy(a_mandate(limit=50), a_lead()))
    file.write_text(json.dumps(PERSON))
    wrong = {**a_case_body("case-1", amount="40.00"), "agent_id": 7}
    cases.write_text(
        json.dumps(
            [a_case_body("case-0", amount="40.00"), wrong, a_case_body("case-2", amount="40.00")], indent=2
        )
    )
    done = _run("decide", "--policy", policy, "--staff", file, cases)
    assert done.exit_code == 1
    assert len(done.stdout.splitlines()) == 2
    line = next(n for n, text in enumerate(cases.read_text().splitlines(), 1) if '"agent_id": 7' in text)
    assert done.stderr == f"{cases}:{line}:17: /agent_id: must be text in quotes\n"
