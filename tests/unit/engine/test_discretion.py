"""Mandates at discretion are tried last, if asked for and with a reason (docs/policy.md, Discretion)."""

from __future__ import annotations

from typing import Any

import pytest

from engine.judging.budgets import Counters
from engine.judging.conclusions import Approved, Escalated
from schemas.money import Money
from tests.builders.cases import a_case
from tests.builders.policies import a_book, a_mandate
from tests.judging import codes, judge

REVIEWED = {"discretion": {"review_within": "5d", "reviewer": "team_lead"}}
ASKED: dict[str, Any] = {"discretion": True, "reason": "her third parcel in a row"}


def at_discretion(**changes: Any) -> dict[str, Any]:
    """A mandate at discretion, up to 75.00."""
    return a_mandate(**{"id": "own", "grants": "*", "limit": 75, **REVIEWED, **changes})


def test_a_request_for_discretion_with_a_reason_is_approved_at_discretion() -> None:
    assert judge(a_book(at_discretion()), a_case(**ASKED)) == Approved("own", by="discretion")


def test_discretion_is_tried_only_if_it_is_asked_for() -> None:
    assert codes(judge(a_book(at_discretion()), a_case(reason="late"))) == ["no_mandate"]
    assert codes(judge(a_book(at_discretion(), a_mandate(limit=40)))) == ["over_limit"]


def test_ordinary_mandates_are_tried_first_wherever_they_are_in_the_file() -> None:
    book = a_book(
        at_discretion(id="d1", limit=10),
        a_mandate(id="o1", limit=20),
        at_discretion(id="d2"),
        a_mandate(id="o2", limit=30),
    )
    approved = judge(book, a_case(**ASKED))
    assert isinstance(approved, Approved)
    assert (approved.mandate, approved.by) == ("d2", "discretion")
    assert [reason.mandate for reason in approved.reasons] == ["o1", "o2", "d1"]


def test_an_approval_under_an_ordinary_mandate_is_not_discretion() -> None:
    assert judge(a_book(at_discretion(), a_mandate()), a_case(**ASKED)) == Approved("m", by="mandate")


@pytest.mark.parametrize("reason", [None, "", "  \n"])
def test_discretion_needs_a_reason(reason: str | None) -> None:
    book = a_book(a_mandate(limit=40), at_discretion(id="d1"), at_discretion(id="d2", when="facts.absent"))
    escalated = judge(book, a_case(discretion=True, reason=reason))
    assert codes(escalated) == ["over_limit", "discretion_needs_reason", "discretion_needs_reason"]
    assert [one.mandate for one in escalated.reasons] == ["m", "d1", "d2"]
    assert isinstance(escalated, Escalated)
    assert escalated.on_the_spot == Money(40_00, "EUR")


def test_a_blank_reason_changes_nothing_for_ordinary_mandates() -> None:
    assert judge(a_book(a_mandate(), at_discretion()), a_case(discretion=True)) == Approved("m")


def test_discretion_has_conditions_limits_and_budgets_like_any_mandate() -> None:
    budget = {"id": "month", "per": "agent", "window": "month", "cap": 50}
    book = a_book(
        at_discretion(id="d1", when="facts.days_late > 6"),
        at_discretion(id="d2", limit=44),
        at_discretion(id="d3", budgets=[budget]),
        timezone="Europe/Amsterdam",
    )
    counters = Counters()
    approved = judge(book, a_case(**ASKED), counters=counters)
    assert isinstance(approved, Approved)
    assert [one.budget.id for one in approved.charges] == ["d3.month"]
    escalated = judge(book, a_case(**ASKED), counters=counters)
    assert codes(escalated) == ["condition_not_met", "over_limit", "budget_exhausted"]
    assert isinstance(escalated, Escalated)
    assert escalated.on_the_spot == Money(44_00, "EUR")
