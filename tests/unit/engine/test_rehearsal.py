"""A rehearsal in memory decides as a worker does."""

from __future__ import annotations

import pytest

from engine.rehearsal import Rehearsal
from schemas.errors import Unreadable
from tests.builders.cases import a_case_body
from tests.builders.inputs import a_submission, a_withdrawal
from tests.builders.policies import a_book, a_mandate
from tests.builders.staff import a_staff


@pytest.fixture
def rehearsal() -> Rehearsal:
    """Agents refund up to 50, out of 80 a day."""
    mandate = a_mandate(limit=50, budgets=["day"])
    budgets = {"day": {"per": "agent", "window": "day", "cap": 80}}
    return Rehearsal(a_book(mandate, budgets=budgets, timezone="Europe/Amsterdam"), a_staff())


def test_a_repeat_gets_the_same_events_and_charges_nothing(rehearsal: Rehearsal) -> None:
    first = rehearsal.decide(a_submission())
    assert rehearsal.decide(a_submission(a_case_body(facts={"days_late": 99}))) == first
    other = rehearsal.decide(a_submission(a_case_body(case_id="c-2", amount="35.00")))
    assert other[0]["data"]["outcome"] == "approved"


def test_a_known_request_with_other_content_is_a_conflict(rehearsal: Rehearsal) -> None:
    rehearsal.decide(a_submission())
    with pytest.raises(Unreadable, match="conflict"):
        rehearsal.decide(a_submission(a_case_body(amount="46.00")))


def test_sequences_rise_even_if_times_do_not(rehearsal: Rehearsal) -> None:
    later = a_submission(a_case_body("c-2"), time="2026-03-02T09:00:01Z")
    events = [rehearsal.decide(one)[0] for one in (later, a_submission())]
    assert events[0]["sequence"] < events[1]["sequence"]


def test_a_withdrawal_gives_room_back_and_is_the_answer_from_then_on(rehearsal: Rehearsal) -> None:
    rehearsal.decide(a_submission())
    withdrawn = rehearsal.decide(a_withdrawal())
    assert withdrawn[0]["data"]["outcome"] == "withdrawn"
    assert rehearsal.decide(a_submission()) == withdrawn
    assert rehearsal.decide(a_withdrawal()) == withdrawn
    again = rehearsal.decide(a_submission(a_case_body(case_id="c-2", amount="50.00")))
    assert again[0]["data"]["outcome"] == "approved"


def test_a_request_that_was_withdrawn_before_it_came_is_never_decided(rehearsal: Rehearsal) -> None:
    withdrawn = rehearsal.decide(a_withdrawal())
    assert rehearsal.decide(a_submission()) == withdrawn
    assert rehearsal.decide(a_submission(a_case_body(amount="12.00"))) == withdrawn


def test_a_case_of_another_tenant_is_not_decided(rehearsal: Rehearsal) -> None:
    with pytest.raises(Unreadable, match="unknown_tenant"):
        rehearsal.decide(a_submission(a_case_body(tenant="globex")))
