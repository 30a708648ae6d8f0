"""The largest amount that could be granted at once (docs/policy.md, How a request is judged)."""

from __future__ import annotations

from typing import Any

import pytest

from engine.judging.assessment import assess
from engine.judging.budgets import Counters
from engine.judging.conclusions import Approved, Escalated
from tests.builders.cases import a_case
from tests.builders.policies import a_book, a_mandate, an_own_budget
from tests.builders.staff import a_staff
from tests.judging import NOW, judge


def a_count(count: int, **changes: Any) -> dict[str, Any]:
    """So many decisions of an agent's week."""
    return {"id": "c", "per": "agent", "window": "week", "count": count, **changes}


def offer(*mandates: dict[str, Any], spent: tuple[str, ...] = (), amount: str = "45.00") -> str | None:
    """The offer for 45.00, after requests for the amounts before it."""
    book, counters = a_book(*mandates, timezone="Europe/Amsterdam"), Counters()
    for one in spent:
        assert isinstance(judge(book, a_case(amount=one), counters=counters), Approved)
    escalated = judge(book, a_case(amount=amount), counters=counters)
    assert isinstance(escalated, Escalated)
    if escalated.on_the_spot is None:
        return None
    granted = judge(book, a_case(amount=escalated.on_the_spot.text), counters=counters)
    assert isinstance(granted, Approved), "what is offered is granted when it is asked for"
    return escalated.on_the_spot.text


@pytest.mark.parametrize(
    ("limit", "caps", "spent", "offered"),
    [
        (40, (100,), (), "40.00"),
        (40, (100,), ("35.00", "35.00"), "30.00"),
        (40, (100, 60), ("35.00",), "25.00"),
        (40, (70,), ("35.00", "35.00"), None),
        (None, (30,), (), "30.00"),
        (100, (30,), (), "30.00"),
        (100, (100,), ("60.00",), "40.00"),
    ],
)
def test_the_offer_is_the_least_of_the_limit_and_the_room_in_budgets(
    limit: int | None, caps: tuple[int, ...], spent: tuple[str, ...], offered: str | None
) -> None:
    budgets = [an_own_budget(cap=cap, id=f"b{place}") for place, cap in enumerate(caps)]
    row = a_mandate(budgets=budgets, **({} if limit is None else {"limit": limit}))
    assert offer(row, spent=spent) == offered


def test_a_count_offers_nothing_if_used_up_and_else_does_not_lower_the_offer() -> None:
    assert offer(a_mandate(limit=40, budgets=[a_count(1)])) == "40.00"
    assert offer(a_mandate(limit=40, budgets=[a_count(1)]), spent=("1.00",)) is None
    assert (
        offer(a_mandate(limit=40, budgets=[a_count(2), an_own_budget(cap=50)]), spent=("30.00",)) == "20.00"
    )
    assert offer(a_mandate(budgets=[a_count(1), an_own_budget(cap=50)]), spent=("30.00",)) is None


def test_a_run_of_days_offers_what_its_fullest_run_leaves() -> None:
    assert (
        offer(a_mandate(limit=40, budgets=[an_own_budget(cap=50, window="30d")]), spent=("30.00",)) == "20.00"
    )


def test_the_best_offer_of_all_candidates_is_made_whatever_made_them_fail() -> None:
    rows = [
        a_mandate(id="a", limit=30),
        a_mandate(id="b", budgets=[an_own_budget(cap=35)]),
        a_mandate(id="c", limit=38, budgets=[an_own_budget(cap=100)]),
        a_mandate(id="d", limit=44, when="facts.days_late > 6"),
        a_mandate(id="e", limit=44, budgets=[an_own_budget(cap=20)]),
    ]
    assert offer(*rows) == "38.00"


@pytest.mark.parametrize(
    ("row", "offered"),
    [
        ({"when": "request.amount > 20", "budgets": [an_own_budget(cap=30)]}, "30.00"),
        ({"when": "request.amount > 40", "budgets": [an_own_budget(cap=30)]}, None),
        ({"limit": "request.amount", "budgets": [an_own_budget(cap=30)]}, "30.00"),
        ({"limit": "request.amount - 15", "budgets": [an_own_budget(cap=25)]}, None),
        ({"limit": "40 - 0.5 * request.amount", "budgets": [an_own_budget(cap=17)]}, "17.00"),
        ({"when": "facts.days_late > 6", "budgets": [an_own_budget(cap=30)]}, None),
        ({"when": "facts.absent", "budgets": [an_own_budget(cap=30)]}, None),
        ({"limit": "facts.absent", "budgets": [an_own_budget(cap=30)]}, None),
    ],
)
def test_an_offer_is_within_condition_and_limit_as_they_are_for_the_amount_offered(
    row: dict[str, Any], offered: str | None
) -> None:
    assert offer(a_mandate(**row)) == offered


@pytest.mark.parametrize(
    ("row", "asked", "offered"),
    [
        ({"limit": "request.amount > 9.0 ? 4.0 : 6.0"}, "12.00", "6.00"),
        ({"limit": "request.amount > 9.0 ? 0.0 : 6.0"}, "12.00", "6.00"),
        ({"limit": "request.amount > 9.0 ? 8.0 : 6.0"}, "12.00", "6.00"),
        ({"limit": "request.amount > 9.0 ? 4.0 : 6.0", "budgets": [an_own_budget(cap=5)]}, "12.00", "5.00"),
        ({"limit": "100 - request.amount"}, "60.00", "40.00"),
        ({"limit": "0.5 * request.amount"}, "60.00", None),
        ({"limit": 50, "when": "request.amount != 50.0"}, "60.00", "49.99"),
    ],
)
def test_an_amount_that_is_not_granted_leads_to_a_lower_one_and_one_that_is_to_its_own_limit(
    row: dict[str, Any], asked: str, offered: str | None
) -> None:
    assert offer(a_mandate(**row), amount=asked) == offered


@pytest.mark.parametrize(
    ("when", "offered"),
    [
        ("request.amount == 50.0", "49.99"),
        ("request.amount >= 50.0 && request.amount < 60.0", "49.99"),
        ("request.amount == 49.99", "50.00"),
        ("request.amount < 60.0", None),
    ],
)
def test_one_cent_less_is_offered_if_a_prohibition_uses_the_amount(when: str, offered: str | None) -> None:
    never = {"id": "never", "kinds": "*", "when": when, "reason": "no"}
    book = a_book(a_mandate(limit=50), prohibitions=[never])
    escalated = judge(book, a_case(amount="60.00"))
    assert isinstance(escalated, Escalated)
    assert (escalated.on_the_spot and escalated.on_the_spot.text) == offered
    if offered is not None:
        assert isinstance(judge(book, a_case(amount=offered)), Approved)


@pytest.mark.parametrize(
    ("row", "spent", "offered"),
    [
        ({"limit": 40}, (), "40.00"),
        ({"limit": "0.5 * facts.order_value"}, (), "45.00"),
        ({"limit": "facts.nothing"}, (), None),
        ({"limit": 40, "budgets": [an_own_budget(cap=50)]}, ("35.00",), "15.00"),
        ({"budgets": [an_own_budget(cap=50), an_own_budget(cap=70, id="c")]}, ("35.00",), "15.00"),
        ({"budgets": [an_own_budget(cap=35)]}, ("35.00",), None),
        ({"limit": 40, "budgets": [a_count(1)]}, ("35.00",), None),
        ({"limit": 40, "when": "facts.days_late > 100"}, (), None),
        ({"limit": 40, "when": "!has(request.amount) || request.amount < 39.995"}, (), "39.99"),
        ({"limit": "request.amount > 100 ? 10 : 50"}, (), "50.00"),
    ],
)
def test_a_request_without_amount_is_offered_what_could_be_granted(
    row: dict[str, Any], spent: tuple[str, ...], offered: str | None
) -> None:
    book, counters = a_book(a_mandate(**row), timezone="Europe/Amsterdam"), Counters()
    for one in spent:
        assert isinstance(judge(book, a_case(amount=one), counters=counters), Approved)
    nothing = a_case(amount=None, currency=None)
    escalated = judge(book, nothing, counters=counters)
    assert isinstance(escalated, Escalated)
    assert (escalated.on_the_spot and escalated.on_the_spot.text) == offered
    if offered is not None:
        assert escalated.on_the_spot is not None
        assert escalated.on_the_spot.currency == "EUR"
        assert isinstance(judge(book, a_case(amount=offered), counters=counters), Approved)


def test_a_request_without_amount_under_a_mandate_without_limit_gets_no_offer() -> None:
    book, counters = a_book(a_mandate(budgets=[a_count(1)]), timezone="Europe/Amsterdam"), Counters()
    nothing = a_case(amount=None, currency=None)
    assert isinstance(judge(book, nothing, counters=counters), Approved)
    escalated = judge(book, nothing, counters=counters)
    assert isinstance(escalated, Escalated)
    assert escalated.on_the_spot is None


def test_the_room_under_a_limit_is_read_only_if_no_candidate_is_free_of_charge() -> None:
    over = a_mandate(id="over", limit=40, budgets=[an_own_budget(cap=100)])
    rows = [over, a_mandate(id="tried", budgets=[an_own_budget(cap=100)])]
    for mandates, looked in ((rows, ["over.b"]), ([*rows, a_mandate(id="free")], [])):
        book = a_book(*mandates, timezone="Europe/Amsterdam")
        assessment = assess(a_case(), book, a_staff(), NOW)
        assert [[one.budget.id for one in take] for take in assessment.charge_options] == [["tried.b"]]
        assert [one.budget.id for one in assessment.probes] == looked
    assert assess(a_case(), a_book({**over, "limit": 0}, timezone="UTC"), a_staff(), NOW).probes == ()
