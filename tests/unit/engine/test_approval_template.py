"""An approval from the template is byte for byte what the models write."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.events.decision import first_decision
from engine.events.records import decided
from engine.fast_paths.approval_template import approved_event
from engine.inputs import OFFLINE, Submission
from engine.judging.assessment import RequestAssessment, assess
from engine.judging.conclusions import Approved
from engine.judging.staff import Staff
from schemas.case import Case
from schemas.staff import StaffMember
from tests.builders.bodies import LEFT_OUT
from tests.builders.cases import a_case_body, a_request_body
from tests.builders.policies import a_mandate, a_policy, book_of

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
ANY_ID = st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=12)
BUDGETS = [
    {"id": "day", "per": "agent", "window": "day", "cap": 100000},
    {"id": "run", "per": "customer", "window": "30d", "cap": 100000},
    {"id": "times", "per": "tenant", "window": "year", "count": 500},
]


def an_approval(
    case_id: str = "c-1",
    agent_id: str = "agent-01",
    amount: str | None = "45.00",
    team: str = "north",
    *,
    budgets: bool = True,
) -> tuple[Submission, RequestAssessment, Approved]:
    request = a_request_body(kind="refund", amount=amount, currency="EUR" if amount else None)
    made = a_case_body(case_id=case_id, agent_id=agent_id, tenant="acme", request=request)
    case = Case.model_validate_json(json.dumps(made))
    drawn_on = BUDGETS[0 if amount else 2 :] if budgets else LEFT_OUT
    mandate = a_mandate(id="m", grants="refund", limit=LEFT_OUT, budgets=drawn_on)
    book = book_of(a_policy(mandate, policy="acme", timezone="Europe/Amsterdam"))
    member = StaffMember(agent_id=agent_id, tenant="acme", name="A", role="agent", team=team)
    assessment = assess(case, book, Staff([member]), NOW)
    approved = assessment.conclude(1 if assessment.charge_options else 0, ())
    assert isinstance(approved, Approved)
    return Submission(OFFLINE, f"event-{case_id}", NOW, None, case), assessment, approved


def both(
    submission: Submission, assessment: RequestAssessment, approved: Approved, seq: int
) -> tuple[bytes | None, bytes]:
    decision = first_decision(submission.case, assessment, approved, submission.digest)
    filled = approved_event(submission, assessment.policy, assessment.requester, approved, seq)
    return filled, decided(decision, submission, seq)


@given(
    case_id=ANY_ID,
    agent_id=ANY_ID,
    team=ANY_ID,
    seq=st.integers(0, 4 * 10**15),
    budgets=st.booleans(),
    amount=st.sampled_from(["45.00", "0.5", "0.00", None]),
)
def test_an_approval_is_written_as_the_models_write_it(
    case_id: str, agent_id: str, team: str, seq: int, budgets: bool, amount: str | None
) -> None:
    filled, written = both(*an_approval(case_id, agent_id, amount, team, budgets=budgets), seq)

    assert filled == written


@pytest.mark.parametrize("seq", [0, 1_770_000_000_000_000, 1_770_000_000_100_000, 1_770_000_000_123_456])
def test_the_time_of_an_approval_is_written_as_the_models_write_it(seq: int) -> None:
    filled, written = both(*an_approval(), seq)

    assert filled == written


@pytest.mark.parametrize("version", ["%s", "100 %", "\x01id\x02", '"time":"1970-01-01T00:00:00Z"'])
def test_a_version_that_looks_like_a_mark_is_written_as_it_is(version: str) -> None:
    submission, assessment, approved = an_approval()
    named = replace(assessment, policy=assessment.policy._replace(version=version))
    filled, written = both(submission, named, approved, 1)

    assert filled in (written, None)
    assert "%" not in version or filled == written


def test_a_traced_approval_is_left_to_the_models() -> None:
    submission, assessment, approved = an_approval()
    traced = replace(submission, traceparent="00-" + "1" * 32 + "-" + "2" * 16 + "-01")

    assert both(traced, assessment, approved, 1)[0] is None
