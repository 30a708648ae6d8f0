"""`mandaat policy test`, as the author of a policy calls it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from typer.testing import CliRunner, Result

import deploy.local
import schemas
from engine.policy.yaml.reading import parse_yaml
from services.cli.app import build
from tests.builders.policies import a_mandate, a_policy

LOCAL = Path(deploy.local.__path__[0])
ONE = "tests:\n  - test: x\n    cases:\n"
"""The beginning of one test."""
HEAD = """\
policy: policy.yaml
staff: [{agent_id: agent-01, role: agent, team: north}, {agent_id: lead, role: team_lead, team: north}]
case: {agent_id: agent-01, request: {kind: refund}}
"""
UNKNOWN_KEY = (
    "unknown key `unknown`;"
    " known keys: outcome, mandate, by, amount, reasons, on_the_spot, charges, step, approvers"
)
Try = Callable[[str], Result]


def _run(*words: str | Path) -> Result:
    return CliRunner().invoke(build("policy"), ["policy", "test", *(str(word) for word in words)])


@pytest.fixture
def attempt(tmp_path: Path) -> Try:
    """Run these tests on a policy where agents grant 50 for late orders, with a budget of 80 a day."""
    small = a_mandate(id="small", when="facts.days_late >= 2", limit=50, budgets=["day"])
    lead = a_mandate(id="lead", to="team_lead", limit=500)
    budgets = {"day": {"per": "agent", "window": "day", "cap": 80}}
    (tmp_path / "policy.yaml").write_text(a_policy(small, lead, budgets=budgets, timezone="Europe/Amsterdam"))

    def attempt(text: str) -> Result:
        (tmp_path / "refunds.test.yaml").write_text(text)
        return _run(tmp_path)

    return attempt


@pytest.mark.parametrize("policy", ["retail", "hotel"])
def test_the_policies_of_this_project_keep_their_promises_and_every_rule_has_a_test(policy: str) -> None:
    done = _run("--every-rule", LOCAL / policy)
    assert done.exit_code == 0, done.stdout
    assert "0 failed" in done.stdout


def test_what_went_wrong_in_other_approval_software_goes_right_here() -> None:
    done = _run(Path(__file__).parent / "authority")
    assert done.stdout.splitlines()[-1] == "tests: 15 passed, 0 failed", done.stdout


def test_a_passing_test_is_one_line(attempt: Try) -> None:
    done = attempt(
        HEAD
        + """\
tests:
  - test: an agent refunds what is late
    cases:
      - case: {facts: {days_late: 6}, request: {amount: 45}}
        expect: {outcome: approved, mandate: small, charges: [{budget: day, amount: 45}]}
"""
    )
    first, *rest = done.stdout.splitlines()
    assert first.startswith("passed ")
    assert first.endswith("refunds.test.yaml:5: an agent refunds what is late")
    assert rest[-1] == "tests: 1 passed, 0 failed"
    assert done.exit_code == 0


def test_a_failing_test_reports_expected_and_actual_results_with_places(attempt: Try) -> None:
    done = attempt(
        HEAD
        + """\
tests:
  - test: an agent refunds anything
    cases:
      - case: {facts: {days_late: 6}, request: {amount: 60.00}}
        expect:
          outcome: approved
          mandate: small
          on_the_spot: 40
          reasons: [{code: over_limit, figures: {limit: 40}}]
"""
    )
    found = [line.partition("refunds.test.yaml:")[2] for line in done.stdout.splitlines()]
    assert found[:6] == [
        "5: an agent refunds anything",
        "9: outcome: expected approved, got escalated (Mandate small goes up to 50.00 EUR, and 60.00 is"
        " asked.)",
        "10: mandate: expected small, got nothing",
        "11: on_the_spot: expected 40, got 50.00",
        "12: reasons[0].figures.limit: expected 40, got 50.00 in over_limit (Mandate small goes up to 50.00"
        " EUR, and 60.00 is asked.)",
        "",
    ]
    assert done.stdout.splitlines()[-1] == "tests: 0 passed, 1 failed"
    assert done.exit_code == 1


def test_the_cases_of_a_test_share_budgets_and_tests_do_not(attempt: Try) -> None:
    late = "{facts: {days_late: 6}, request: {amount: 45}}"
    done = attempt(
        HEAD
        + f"""\
tests:
  - test: the second of a day is too much
    cases:
      - case: {late}
        expect: {{outcome: approved}}
      - case: {late}
        expect:
          outcome: escalated
          reasons: [{{code: budget_exhausted, figures: {{left: 35}}}}]
          on_the_spot: 35
      - case: {late}
        time: "2026-01-06T12:00:00Z"
        expect: {{outcome: approved}}
  - test: another test begins with nothing used
    cases:
      - case: {late}
        expect: {{outcome: approved}}
"""
    )
    assert done.exit_code == 0, done.stdout


def test_verdicts_are_tested_too(attempt: Try) -> None:
    done = attempt(
        HEAD
        + """\
tests:
  - test: a lead decides what an agent may not, once
    cases:
      - case: {case_id: c-1, facts: {days_late: 1}, request: {amount: 45}}
        expect: {outcome: escalated, step: team_lead, approvers: [lead]}
      - approve: {by: agent-01}
        expect: {outcome: not_entitled, reasons: [own_request]}
      - approve: {by: lead, case: c-1, amount: 40}
        expect: {outcome: approved, by: person, mandate: lead, amount: 40}
      - reject: {by: lead}
        expect: {outcome: late}
"""
    )
    assert done.exit_code == 0, done.stdout


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("policy: policy.yaml\n", "1:1: `staff` is missing here"),
        (
            HEAD.replace("policy.yaml", "gone.yaml")
            + "tests: [{test: x, cases: [{case: {}, expect: {outcome: late}}]}]",
            "1:9: there is no file",
        ),
        (HEAD + "tests: []", "4:8: `tests` is empty; name at least one"),
        (HEAD + "tests: {}", "4:8: `tests` must be a list"),
        (
            HEAD + ONE + "      - case: {}\n        expects: {}\n",
            "8:9: unknown key `expects`; did you mean `expect`?",
        ),
        (
            HEAD + ONE + "      - expect: {outcome: aproved}\n",
            "7:27: `outcome` must be approved, escalated, refused, withdrawn, late or not_entitled",
        ),
        (
            HEAD + ONE + "      - expect: {outcome: approved}\n",
            "7:9: write exactly one of case, approve, reject, withdraw",
        ),
        (
            HEAD + ONE + "      - approve: {by: lead}\n        expect: {outcome: late}\n",
            "7:9: there is no case before this",
        ),
        (
            HEAD + ONE + "      - case: {fact: {}}\n        expect: {outcome: approved}\n",
            "7:16: unknown key `fact`; did you mean `facts`?",
        ),
        (
            HEAD
            + ONE
            + "      - case: {request: {amount: 1.234}}\n"
            + "        expect: {outcome: approved}\n",
            "7:26: /request/amount EUR has 2 decimals, and this amount has 3",
        ),
        (
            HEAD.replace("role: agent,", "rol: agent,")
            + ONE
            + "      - case: {}\n        expect: {outcome: approved}\n",
            "2:9: not a staff record: /role: is missing",
        ),
        ("policy: [\n", "2:1: not YAML"),
    ],
)
def test_problems_of_a_file_are_reported_with_their_places(attempt: Try, text: str, said: str) -> None:
    done = attempt(text)
    assert f"refunds.test.yaml:{said}" in done.stdout
    assert done.exit_code == 1


def test_all_unknown_names_are_reported_in_one_run(attempt: Try) -> None:
    done = attempt(
        HEAD
        + ONE
        + """\
      - case: {agent_id: agnet-01}
        expect: {outcome: approved, mandate: smal, charges: [{budget: dya}], unknown: 1}
      - approve: {by: laed}
        expect: {outcome: refused, by: person, step: team_laed, reasons: [{code: over_limit, mandate: x}]}
"""
    )
    assert [line.partition("refunds.test.yaml:")[2] for line in done.stdout.splitlines()[:-1]] == [
        "7:26: nobody on the staff has the id `agnet-01`; did you mean `agent-01`? If this is intended,"
        " expect `reasons: [unknown_agent]`",
        "8:46: there is no mandate `smal` in the policy; did you mean `small`?",
        "8:71: there is no budget `dya` in the policy; did you mean `day`?",
        f"8:78: {UNKNOWN_KEY}",
        "9:23: nobody on the staff has the id `laed`; did you mean `lead`? If this is intended,"
        " expect `reasons: [unknown_agent]`",
        "10:54: there is no role `team_laed` in the policy; did you mean `team_lead`?",
        "10:103: there is no mandate `x` in the policy",
    ]
    assert done.stdout.splitlines()[-1] == "tests: 0 passed, 0 failed; 1 file is wrong and was not run"
    assert done.exit_code == 1


@pytest.mark.parametrize("agent", ["somebody-else", "agent-02", "agnet-01"])
def test_an_unknown_agent_may_be_meant(attempt: Try, agent: str) -> None:
    reasons = "[unknown_agent]"
    given = (
        f"      - case: {{agent_id: {agent}}}\n        expect: {{outcome: escalated, reasons: {reasons}}}\n"
    )
    assert attempt(HEAD + ONE + given).exit_code == 0


def test_problems_of_the_policy_are_reported_too(attempt: Try, tmp_path: Path) -> None:
    done = attempt(HEAD + ONE + "      - case: {}\n        expect: {outcome: late}\n")
    assert done.exit_code == 1
    (tmp_path / "policy.yaml").write_text("policy: acme\n")
    done = _run(tmp_path)
    assert "policy.yaml:1:1: `version` is missing" in done.stdout
    assert done.exit_code == 1


def test_a_rule_without_a_test_is_named_and_fails_on_request(attempt: Try, tmp_path: Path) -> None:
    done = attempt(
        HEAD
        + """\
tests:
  - test: an agent refunds what is late
    cases:
      - case: {facts: {days_late: 6}, request: {amount: 45}}
        expect: {outcome: approved}
"""
    )
    assert "policy.yaml: no test is about mandate lead" in done.stdout
    assert done.exit_code == 0
    assert _run("--every-rule", tmp_path).exit_code == 1


def test_calling_it_wrongly_exits_2(tmp_path: Path) -> None:
    assert _run(tmp_path / "gone").exit_code == 2
    assert _run(tmp_path).exit_code == 2


def test_editors_complete_a_file_of_tests_by_its_schema() -> None:
    done = CliRunner().invoke(build("policy"), ["policy", "schema", "--tests"])
    file = Path(schemas.__path__[0]) / "json" / "policy_test.schema.json"
    assert done.stdout == file.read_text(), (
        "mandaat policy schema --tests > schemas/json/policy_test.schema.json"
    )
    schema = json.loads(done.stdout)
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    for policy in ("retail", "hotel"):
        tree, _ = parse_yaml((LOCAL / policy / "policy.test.yaml").read_text())
        assert not list(validator.iter_errors(tree.plain()))
    assert not validator.is_valid({"policy": "policy.yaml", "staff": "staff.jsonl", "test": []})
