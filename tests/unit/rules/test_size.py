"""What would not fit one record batch of the journal is said before it is settled."""

from __future__ import annotations

import pytest

from schemas.errors import Unreadable
from services.chassis.producer import BATCH_BYTES
from services.rules.core.ladder import MOST_NAMED
from services.rules.core.propose import propose
from services.rules.core.size import MOST_BYTES, check_size
from tests.intake_cases import a_case
from tests.judging import a_mandate, a_person
from tests.pure_shop import Shop
from tests.rules_inputs import a_submission, a_submitted, as_bytes


def test_an_ordinary_case_fits() -> None:
    check_size(2_000, propose(a_submission(), Shop(a_mandate(limit=1)), {}))


def test_a_case_that_is_too_large_for_the_journal_is_not_taken() -> None:
    case = a_case(facts={"long": "x" * MOST_BYTES})
    proposal = propose(a_submission(case), Shop(a_mandate(limit=1)), {})
    with pytest.raises(Unreadable, match="too_large"):
        check_size(len(as_bytes(a_submitted(case))), proposal)


def test_a_large_case_that_is_approved_fits_as_a_decision_holds_no_facts() -> None:
    case = a_case(facts={"long": "x" * MOST_BYTES})
    check_size(len(as_bytes(a_submitted(case))), propose(a_submission(case), Shop(), {}))


def test_numbers_that_grow_when_written_again_are_counted_as_they_are_written() -> None:
    case = a_case(facts={"n": [1e15] * 60_000})
    event = as_bytes(a_submitted(case)).replace(b"1000000000000000.0", b"1e15")
    assert len(event) < MOST_BYTES / 2
    with pytest.raises(Unreadable, match="too_large"):
        check_size(len(event), propose(a_submission(case), Shop(a_mandate(limit=1)), {}))


def test_more_reasons_than_fit_are_not_taken() -> None:
    never = [{"id": f"p{place}", "kinds": "*", "reason": "no " * 300} for place in range(500)]
    with pytest.raises(Unreadable, match="too_large"):
        check_size(2_000, propose(a_submission(), Shop(prohibitions=never), {}))


def test_of_very_many_approvers_so_many_are_named_as_fit() -> None:
    people = [a_person(f"lead-{place:06d}-" + "\u0141" * 180, role="team_lead") for place in range(500)]
    shop = Shop(a_mandate(limit=1), a_mandate(id="lead", to="team_lead"), people=people)
    case = a_case(facts={"n": [1e15] * 14_000})
    proposal = propose(a_submission(case), shop, {})
    check_size(100_000, proposal)
    assert len(proposal.approvers) == MOST_NAMED
    assert sum(map(len, proposal.render(0).values)) < MOST_BYTES


def test_what_is_let_through_fits_a_record_batch() -> None:
    assert MOST_BYTES + 20_000 < BATCH_BYTES
