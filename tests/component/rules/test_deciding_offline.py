"""`mandaat policy check` and `mandaat decide`, as a person or a script calls them."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import deploy.local
from schemas.decision import Decision
from schemas.reading import read
from services.cli.app import build
from tests.builders.policies import a_mandate, a_policy

RETAIL = Path(deploy.local.__path__[0]) / "retail"
STAFF = {"agent_id": "agent-01", "tenant": "acme", "name": "R. Visser", "role": "agent", "team": "north"}
CASE = {
    "case_id": "c-1",
    "tenant": "acme",
    "opened_at": "2026-03-02T08:00:00Z",
    "customer": {"id": "cu-1"},
    "agent_id": "agent-01",
    "facts": {"days_late": 6},
    "request": {"request_id": "r1", "kind": "refund", "amount": "45.00", "currency": "EUR"},
}
Decide = Callable[..., Result]


def _run(*words: str | Path, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(build(str(words[0])), [str(word) for word in words], input=stdin)


@pytest.fixture
def decide(tmp_path: Path) -> Decide:
    return deciding(tmp_path, a_policy(a_mandate(when="facts.days_late >= 2", limit=50)))


def deciding(folder: Path, text: str) -> Decide:
    """Decide lines with this policy."""
    policy, staff = folder / "policy.yaml", folder / "staff.jsonl"
    policy.write_text(text)
    staff.write_text(json.dumps(STAFF) + "\n")

    def decide(*lines: Any) -> Result:
        stdin = b"".join(
            (line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n" for line in lines
        )
        return _run("decide", "--policy", policy, "--staff", staff, stdin=stdin)

    return decide


def _case(request: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    return {**CASE, **changes, "request": {**CASE["request"], **(request or {})}}  # type: ignore[dict-item]  # a dict


def test_the_retail_cases_get_the_expected_decisions_in_order(tmp_path: Path) -> None:
    done = _run(
        "decide",
        "--policy",
        RETAIL / "policy.yaml",
        "--staff",
        RETAIL / "staff.jsonl",
        RETAIL / "cases.jsonl",
    )
    assert (done.exit_code, done.stderr) == (0, "")
    decisions = [read(Decision, line.encode()) for line in done.stdout.splitlines()]
    with (RETAIL / "expected.csv").open() as file:
        expected = [(row["case_id"], row["expected"]) for row in csv.DictReader(file)]
    assert [(one.case_id, str(one.outcome)) for one in decisions] == expected


def test_budgets_are_charged_on_the_day_each_case_was_opened(tmp_path: Path) -> None:
    budget = {"id": "day", "per": "agent", "window": "day", "cap": 100}
    decide = deciding(tmp_path, a_policy(a_mandate(budgets=[budget]), timezone="Europe/Amsterdam"))
    the_next_day = "2026-03-02T23:30:00Z"
    done = decide(
        _case(),
        _case(case_id="c-2"),
        _case(case_id="c-3"),
        _case(case_id="c-4", opened_at=the_next_day),
        _case({"amount": "10.00"}, case_id="c-5"),
        _case(),
    )
    assert (done.exit_code, done.stderr) == (0, "")
    one, _, third, fourth, fifth, repeat = map(json.loads, done.stdout.splitlines())
    charge = {"budget": "m.day", "scope": "agent:agent-01", "window": "2026-03-02", "amount": "45.00"}
    assert one["charges"] == [charge]
    assert fourth["charges"] == [{**charge, "window": "2026-03-03"}]
    assert (third["outcome"], third["charges"], third["on_the_spot"]) == ("escalated", [], "10.00")
    assert fifth["charges"] == [{**charge, "amount": "10.00"}]
    assert repeat == one


def test_discretion_and_the_end_of_the_ladder_are_decided_offline_too(tmp_path: Path) -> None:
    own = a_mandate(id="own", discretion={}, limit=75)
    ladder = [{"id": "default", "steps": [{"to": "team_lead"}], "when_nobody": "refuse"}]
    decide = deciding(tmp_path, a_policy(a_mandate(limit=40), own, escalation=ladder))
    done = decide(
        _case({"discretion": True, "reason": "late thrice"}),
        _case({"amount": "80.00"}, case_id="c-2"),
    )
    assert done.exit_code == 0
    approved, refused = map(json.loads, done.stdout.splitlines())
    assert (approved["by"], approved["mandate"]) == ("discretion", "own")
    assert (refused["outcome"], refused["by"], refused["approval_id"]) == ("refused", "ladder", None)
    assert [reason["code"] for reason in refused["reasons"]] == ["over_limit", "nobody_may_grant"]


def test_a_decision_holds_its_explanation(decide: Decide) -> None:
    done = decide(_case({"amount": "60.00"}, facts={"days_late": 3}))
    decision = json.loads(done.stdout)
    assert decision.pop("decision_id")
    assert decision.pop("request_digest")
    assert len(decision["policy"].pop("digest")) == 64
    assert decision == {
        "case_id": "c-1",
        "request_id": "r1",
        "outcome": "escalated",
        "final": False,
        "by": None,
        "decided_by": None,
        "mandate": None,
        "amount": "60.00",
        "currency": "EUR",
        "agent_id": "agent-01",
        "customer_id": "cu-1",
        "policy": {"name": "acme", "version": "1"},
        "reasons": [
            {
                "code": "over_limit",
                "text": "Mandate m goes up to 50.00 EUR, and 60.00 is asked.",
                "mandate": "m",
                "figures": {"limit": "50.00", "amount": "60.00", "currency": "EUR"},
            }
        ],
        "on_the_spot": "50.00",
        "charges": [],
        "agent": {"role": "agent", "team": "north"},
        "approval_id": "apr_Yy0xAHIx",
        "respond_by": None,
    }


def test_a_repeated_request_gets_the_stored_decision_even_if_facts_changed(decide: Decide) -> None:
    done = decide(_case(), _case({"amount": "45.0"}, facts={"days_late": 0}))
    first, second = done.stdout.splitlines()
    assert first == second
    assert done.exit_code == 0


def test_bad_lines_and_conflicts_are_reported_and_the_others_decided(decide: Decide) -> None:
    without_tenant = {key: value for key, value in _case(case_id="c-2").items() if key != "tenant"}
    done = decide(
        _case(),
        b"not json",
        b"",
        _case({"amount": "46.00"}),
        _case(case_id="c-9", tenant="other"),
        b'{"case_id": "\xff"}',
        _case({"amount": "45.001"}, case_id="c-3"),
        b"[" * 100_000,
        without_tenant,
    )
    assert done.exit_code == 1
    assert [json.loads(line)["case_id"] for line in done.stdout.splitlines()] == ["c-1", "c-2"]
    said = done.stderr.splitlines()
    assert list(dict.fromkeys(line.split(":")[1] for line in said)) == ["2", "4", "5", "6", "7", "8"]
    assert all(line.startswith("standard input:") for line in said)
    assert "not JSON" in said[0]
    assert "request 'r1' of case 'c-1'" in said[1]
    assert "tenant 'other'" in said[2]
    assert "not UTF-8" in said[3]
    assert "/request/amount" in said[4]


def test_the_clock_is_the_time_the_case_was_opened(tmp_path: Path) -> None:
    policy, staff = tmp_path / "policy.yaml", tmp_path / "staff.jsonl"
    policy.write_text(a_policy(a_mandate(when="now == timestamp('2020-01-01T00:00:00Z')")))
    staff.write_text(json.dumps(STAFF))
    case = json.dumps(_case(opened_at="2020-01-01T01:00:00+01:00")).encode()
    done = _run("decide", "--policy", policy, "--staff", staff, "-", stdin=case)
    assert json.loads(done.stdout)["outcome"] == "approved"


def test_an_unusable_policy_decides_nothing(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(a_policy(budgets={"day": {"per": "agent"}}))
    done = _run(
        "decide", "--policy", policy, "--staff", RETAIL / "staff.jsonl", stdin=json.dumps(CASE).encode()
    )
    assert (done.exit_code, done.stdout) == (1, "")
    assert "a budget has a `cap` (money) or a `count` (decisions)" in done.stderr


def test_unreadable_staff_is_reported_line_by_line(tmp_path: Path) -> None:
    policy, staff = tmp_path / "policy.yaml", tmp_path / "staff.jsonl"
    policy.write_text(a_policy())
    staff.write_text(
        "\n".join([json.dumps(STAFF), "{}", json.dumps(STAFF), json.dumps({**STAFF, "tenant": "x"})])
    )
    done = _run("decide", "--policy", policy, "--staff", staff, stdin=b"")
    assert done.exit_code == 1
    places = [line.removeprefix(f"{staff}:").split(":")[0] for line in done.stderr.splitlines()]
    assert list(dict.fromkeys(places)) == ["2", "3", "4"]


def test_missing_files_exit_with_2(tmp_path: Path) -> None:
    policy = RETAIL / "policy.yaml"
    assert _run("policy", "check", tmp_path / "none.yaml").exit_code == 2
    assert _run("policy", "check", tmp_path).exit_code == 2
    assert _run("policy", "check").exit_code == 2
    assert _run("decide", "--policy", policy, "--staff", tmp_path / "none").exit_code == 2
    assert (
        _run("decide", "--policy", policy, "--staff", RETAIL / "staff.jsonl", tmp_path / "none").exit_code
        == 2
    )
    assert _run("decide", "--policy", policy).exit_code == 2


def test_check_reports_file_line_and_column_of_every_problem(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(
        "policy: acme\nversion: 1\ncurrency: EUR\nroles: {agent: {}}\nmandates: []\nescalation: []\n"
    )
    done = _run("policy", "check", policy)
    assert done.exit_code == 1
    assert done.stdout.splitlines() == [
        f'{policy}:2:10: `version` must be text; put it in quotes: "1"',
        f"{policy}:5:11: `mandates` is empty; name at least one, or remove it",
        f"{policy}:6:13: `escalation` is empty; name at least one, or remove it",
    ]


def test_check_of_a_good_policy_exits_with_0_and_its_digest(tmp_path: Path) -> None:
    done = _run("policy", "check", RETAIL / "policy.yaml")
    assert done.exit_code == 0
    assert "can be used: policy retail, version 2026-03-01, digest " in done.stdout


def test_the_schema_for_editors_is_printed() -> None:
    done = _run("policy", "schema")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["title"] == "Mandaat policy"


def test_a_warning_does_not_keep_a_policy_from_being_used(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(a_policy(a_mandate(limit="facts.a / facts.b")))
    done = _run("policy", "check", policy)
    assert done.exit_code == 0
    assert ": warning: this may divide by zero" in done.stdout


def test_a_file_that_is_not_utf_8_is_reported_with_the_place(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_bytes('policy: acme\nversion: "é'.encode() + b'\xe9"\n')
    done = _run("policy", "check", policy)
    assert done.exit_code == 1
    assert done.stdout == f"{policy}:2:12: not UTF-8: byte 0xe9; save the file as UTF-8\n"


def test_a_wrong_line_is_reported_with_its_file_and_number(decide: Decide, tmp_path: Path) -> None:
    policy, staff, cases = (tmp_path / name for name in ("policy.yaml", "staff.jsonl", "cases.jsonl"))
    cases.write_text(json.dumps(CASE) + "\n{]\n")
    done = _run("decide", "--policy", policy, "--staff", staff, cases)
    assert done.exit_code == 1
    assert done.stderr.startswith(f"{cases}:2:2: not JSON: ")
    assert decide(b"{]").stderr.startswith("standard input:1:2: not JSON: ")
    staff.write_text(json.dumps(STAFF) + "\nnobody\n")
    done = _run("decide", "--policy", policy, "--staff", staff, cases)
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith(f"{staff}:2:2: not JSON: ")
