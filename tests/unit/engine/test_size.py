"""Events that would not fit one record batch of the journal are found before the input is settled."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from engine.judging.budgets import BudgetUse
from engine.judging.ladder import MOST_NAMED
from engine.proposals.size import MOST_BYTES, check_size
from engine.propose import propose
from schemas.errors import Unreadable
from services.chassis.kafka.producer import BATCH_BYTES
from tests.builders.bodies import as_bytes
from tests.builders.cases import a_case_body
from tests.builders.events import a_submitted_event
from tests.builders.inputs import a_submission
from tests.builders.policies import a_mandate
from tests.builders.staff import a_member
from tests.in_memory_rules import InMemoryRules


def test_an_ordinary_case_fits() -> None:
    check_size(2_000, propose(a_submission(), InMemoryRules(a_mandate(limit=1)), {}))


def test_a_case_that_is_too_large_for_the_journal_is_unreadable() -> None:
    case = a_case_body(facts={"long": "x" * MOST_BYTES})
    proposal = propose(a_submission(case), InMemoryRules(a_mandate(limit=1)), {})
    with pytest.raises(Unreadable, match="too_large"):
        check_size(len(as_bytes(a_submitted_event(case))), proposal)


def test_a_large_case_fits_if_it_is_approved_because_a_decision_holds_no_facts() -> None:
    case = a_case_body(facts={"long": "x" * MOST_BYTES})
    check_size(len(as_bytes(a_submitted_event(case))), propose(a_submission(case), InMemoryRules(), {}))


def test_numbers_that_grow_when_written_again_are_counted_at_their_new_size() -> None:
    case = a_case_body(facts={"n": [1e15] * 60_000})
    event = as_bytes(a_submitted_event(case)).replace(b"1000000000000000.0", b"1e15")
    assert len(event) < MOST_BYTES / 2
    with pytest.raises(Unreadable, match="too_large"):
        check_size(len(event), propose(a_submission(case), InMemoryRules(a_mandate(limit=1)), {}))


def test_a_case_with_more_reasons_than_fit_is_unreadable() -> None:
    never = [{"id": f"p{place}", "kinds": "*", "reason": "no " * 300} for place in range(500)]
    with pytest.raises(Unreadable, match="too_large"):
        check_size(2_000, propose(a_submission(), InMemoryRules(prohibitions=never), {}))


def test_only_as_many_approvers_are_named_as_fit() -> None:
    people = [a_member(f"lead-{place:06d}-" + "\u0141" * 180, role="team_lead") for place in range(500)]
    shop = InMemoryRules(a_mandate(limit=1), a_mandate(id="lead", to="team_lead"), people=people)
    case = a_case_body(facts={"n": [1e15] * 14_000})
    proposal = propose(a_submission(case), shop, {})
    check_size(100_000, proposal)
    assert len(proposal.approvers) == MOST_NAMED
    assert sum(map(len, proposal.render(0).values)) < MOST_BYTES


@pytest.mark.parametrize(("mandates", "fits"), [(100, True), (650, True), (1_500, False)])
def test_reasons_of_full_budgets_are_counted_before_the_ledger_is_asked(mandates: int, fits: bool) -> None:
    budget = {"id": "b" * 50, "per": "customer", "window": "30d", "cap": 100}
    rows = [a_mandate(id=f"{place}-{'m' * 50}", budgets=[budget]) for place in range(mandates)]
    proposal = propose(a_submission(), InMemoryRules(*rows, timezone="Europe/Amsterdam"), {})
    none_left = [BudgetUse(60_00, free_day=20_600)] * mandates
    rendered = proposal.render(0, 0, none_left)
    assert (sum(map(len, rendered.values)) <= MOST_BYTES) is fits
    with nullcontext() if fits else pytest.raises(Unreadable, match="too_large"):
        check_size(2_000, proposal)


def test_events_of_the_largest_size_fit_a_record_batch() -> None:
    assert MOST_BYTES + 20_000 < BATCH_BYTES
