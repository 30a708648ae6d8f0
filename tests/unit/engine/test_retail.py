"""The policy and staff of the retail demo, over its 1,166 cases."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import deploy.local
from engine.judging.assessment import assess
from engine.judging.staff import Staff
from engine.policy import PolicyBook
from engine.policy.checking import check_policy
from schemas.case import Case
from schemas.reading import read
from schemas.staff import StaffMember

RETAIL = Path(deploy.local.__path__[0]) / "retail"


@pytest.fixture(scope="module")
def book() -> PolicyBook:
    book, problems, _ = check_policy((RETAIL / "policy.yaml").read_text())
    assert problems == ()
    assert book is not None
    return book


@pytest.fixture(scope="module")
def people() -> list[StaffMember]:
    return [read(StaffMember, line) for line in (RETAIL / "staff.jsonl").read_bytes().splitlines()]


def _cases() -> Iterator[Case]:
    return (read(Case, line) for line in (RETAIL / "cases.jsonl").read_bytes().splitlines())


def test_every_case_is_decided_as_expected(book: PolicyBook, people: list[StaffMember]) -> None:
    with (RETAIL / "expected.csv").open() as file:
        expected = {row["case_id"]: row["expected"] for row in csv.DictReader(file)}
    staff = Staff(people)
    outcomes = {case.case_id: assess(case, book, staff, case.opened_at).conclude() for case in _cases()}
    assert {case_id: type(one).__name__.lower() for case_id, one in outcomes.items()} == expected
    assert len(outcomes) == 1_166


def test_the_lead_of_the_agent_s_team_may_answer_every_escalation(
    book: PolicyBook, people: list[StaffMember]
) -> None:
    staff = Staff(people)
    for case in _cases():
        agent = staff.get(case.agent_id or "")
        assert agent is not None
        asked = assess(case, book, staff, case.opened_at).ladder.asked
        assert asked is not None
        assert (asked.step, asked.approvers) == ("team_lead", (f"lead-{agent.team}",))


def test_the_staff_are_twelve_agents_in_two_teams_with_a_lead_each_and_half_read_dutch(
    people: list[StaffMember],
) -> None:
    assert Counter((one.role, one.team) for one in people) == {
        ("agent", "north"): 6,
        ("agent", "south"): 6,
        ("team_lead", "north"): 1,
        ("team_lead", "south"): 1,
    }
    assert Counter(one.language for one in people) == {"nl": 7, "en": 7}
    assert all((one.email or "").endswith("@example.com") for one in people)
