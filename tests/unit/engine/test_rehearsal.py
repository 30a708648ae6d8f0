"""A rehearsal in memory decides as a worker does."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from engine.inputs import OFFLINE, Submission, WithdrawalInput
from engine.rehearsal import Rehearsal
from schemas.errors import Unreadable
from schemas.withdrawal import Withdrawal
from tests.builders.cases import a_case
from tests.builders.policies import a_book, a_mandate
from tests.builders.staff import a_staff
from tests.judging import NOW


def a_submission(**changes: Any) -> Submission:
    return Submission(OFFLINE, "evt", NOW, None, a_case(**changes))


def a_withdrawal(case_id: str = "c-1") -> WithdrawalInput:
    asked = Withdrawal(tenant="acme", case_id=case_id, request_id="r1")
    return WithdrawalInput(OFFLINE, "evt", NOW, None, asked)


@pytest.fixture
def rehearsal() -> Rehearsal:
    """Agents refund up to 50, out of 80 a day."""
    mandate = a_mandate(limit=50, budgets=["day"])
    budgets = {"day": {"per": "agent", "window": "day", "cap": 80}}
    return Rehearsal(a_book(mandate, budgets=budgets, timezone="Europe/Amsterdam"), a_staff())


def test_a_repeat_gets_the_same_events_and_charges_nothing(rehearsal: Rehearsal) -> None:
    first = rehearsal.decide(a_submission())
    assert rehearsal.decide(a_submission(facts={"days_late": 99})) == first
    other = rehearsal.decide(a_submission(case_id="c-2", amount="35.00"))
    assert other[0]["data"]["outcome"] == "approved"


def test_a_known_request_with_other_content_is_a_conflict(rehearsal: Rehearsal) -> None:
    rehearsal.decide(a_submission())
    with pytest.raises(Unreadable, match="conflict"):
        rehearsal.decide(a_submission(amount="46.00"))


def test_sequences_rise_even_if_times_do_not(rehearsal: Rehearsal) -> None:
    later = Submission(OFFLINE, "evt", NOW + timedelta(hours=1), None, a_case(case_id="c-2"))
    events = [rehearsal.decide(one)[0] for one in (later, a_submission())]
    assert events[0]["sequence"] < events[1]["sequence"]


def test_a_withdrawal_gives_room_back_and_is_the_answer_from_then_on(rehearsal: Rehearsal) -> None:
    rehearsal.decide(a_submission())
    withdrawn = rehearsal.decide(a_withdrawal())
    assert withdrawn[0]["data"]["outcome"] == "withdrawn"
    assert rehearsal.decide(a_submission()) == withdrawn
    assert rehearsal.decide(a_withdrawal()) == withdrawn
    again = rehearsal.decide(a_submission(case_id="c-2", amount="50.00"))
    assert again[0]["data"]["outcome"] == "approved"


def test_a_request_that_was_withdrawn_before_it_came_is_never_decided(rehearsal: Rehearsal) -> None:
    withdrawn = rehearsal.decide(a_withdrawal())
    assert rehearsal.decide(a_submission()) == withdrawn
    assert rehearsal.decide(a_submission(amount="12.00")) == withdrawn


def test_a_case_of_another_tenant_is_not_decided(rehearsal: Rehearsal) -> None:
    with pytest.raises(Unreadable, match="unknown_tenant"):
        rehearsal.decide(a_submission(tenant="globex"))
