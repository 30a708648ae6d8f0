"""The charges of an approval, and requests without room for them (docs/policy.md, Budgets)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from engine.judging.assessment import assess
from engine.judging.budgets import Charge, Counters, counter_of
from engine.judging.conclusions import Approved, Conclusion, Escalated, Reason, Refused
from engine.policy import PolicyBook
from schemas.case import Case
from tests.builders.bodies import LEFT_OUT
from tests.builders.cases import a_case
from tests.builders.policies import a_book, a_mandate, an_own_budget
from tests.builders.staff import a_member, a_staff
from tests.judging import NOW, codes, judge

A_COUNT = {"id": "b", "per": "team", "window": "week", "count": 1}
FLOWERS = {"kind": "flowers", "amount": None, "currency": None}
IN_AMSTERDAM = {"timezone": "Europe/Amsterdam"}


def with_budgets(*budgets: Any, shared: Any = LEFT_OUT, **mandate: Any) -> PolicyBook:
    """A policy with one mandate, for refunds and flowers, on these budgets."""
    row = a_mandate(**{"grants": ["refund", "flowers"], "budgets": list(budgets), **mandate})
    return a_book(row, budgets=shared, **IN_AMSTERDAM)


def charged(concluded: Conclusion) -> list[tuple[str, str, str, int]]:
    assert isinstance(concluded, Approved), concluded
    return [(one.budget.id, one.scope, one.window, one.amount) for one in concluded.charges]


def exhausted(concluded: Conclusion) -> Reason:
    """The last reason of an escalation, which is about a budget."""
    assert isinstance(concluded, Escalated), concluded
    reason = concluded.reasons[-1]
    assert reason.code == "budget_exhausted"
    return reason


def charge_of(book: PolicyBook, case: Case | None = None, now: datetime = NOW) -> Charge:
    (charge_options,) = assess(case or a_case(), book, a_staff(), now).charge_options
    (charge,) = charge_options
    return charge


@pytest.mark.parametrize(
    ("per", "scope"),
    [
        ("agent", "agent:agent-01"),
        ("team", "team:north"),
        ("customer", "customer:cu-1"),
        ("case", "case:c-1"),
        ("tenant", "tenant"),
    ],
)
def test_a_budget_is_of_an_agent_a_team_a_customer_a_case_or_the_tenant(per: str, scope: str) -> None:
    book = with_budgets(an_own_budget(per=per))
    assert charged(judge(book)) == [("m.b", scope, "2026-03-02", 45_00)]


@pytest.mark.parametrize(
    ("per", "other"),
    [
        ("agent", {"agent_id": "agent-02"}),
        ("team", {"agent_id": "agent-03"}),
        ("customer", {"customer": {"id": "cu-2"}}),
    ],
)
def test_spending_leaves_the_budget_of_others_unchanged(per: str, other: dict[str, Any]) -> None:
    counters = Counters()
    staff = a_staff(a_member("agent-02"), a_member("agent-03", team="south"))
    book = with_budgets(an_own_budget(per=per, cap=50))
    assert isinstance(judge(book, a_case(), staff, counters), Approved)
    assert isinstance(judge(book, a_case(), staff, counters), Escalated)
    assert isinstance(judge(book, a_case(**other), staff, counters), Approved)


def test_a_team_and_the_tenant_spend_together() -> None:
    staff = a_staff(a_member("agent-02"))
    for per in ("team", "tenant"):
        counters, book = Counters(), with_budgets(an_own_budget(per=per, cap=50))
        assert isinstance(judge(book, a_case(), staff, counters), Approved)
        assert isinstance(judge(book, a_case(agent_id="agent-02"), staff, counters), Escalated)


def test_charges_stay_with_the_team_of_that_moment() -> None:
    counters, book = Counters(), with_budgets(an_own_budget(per="team", cap=50))
    assert charged(judge(book, a_case(), a_staff(), counters))[0][1] == "team:north"
    moved = a_staff(a_member(team="south"))
    assert charged(judge(book, a_case(), moved, counters))[0][1] == "team:south"
    assert isinstance(judge(book, a_case(), a_staff(), counters), Escalated)


@pytest.mark.parametrize(
    ("window", "inside", "outside"),
    [
        ("day", "2026-03-02T22:59:59Z", "2026-03-02T23:00:00Z"),
        ("week", "2026-03-08T22:59:59Z", "2026-03-08T23:00:00Z"),
        ("month", "2026-03-31T21:59:59Z", "2026-03-31T22:00:00Z"),
        ("quarter", "2026-03-31T21:59:59Z", "2026-03-31T22:00:00Z"),
        ("year", "2026-12-31T22:59:59Z", "2026-12-31T23:00:00Z"),
        ("30d", "2026-03-31T21:59:59Z", "2026-03-31T22:00:00Z"),
        ("1d", "2026-03-02T22:59:59Z", "2026-03-02T23:00:00Z"),
    ],
)
def test_a_window_ends_at_midnight_of_the_policy_s_time_zone(window: str, inside: str, outside: str) -> None:
    book = with_budgets(an_own_budget(window=window, cap=50))
    for moment, outcome in ((inside, Escalated), (outside, Approved)):
        counters = Counters()
        assert isinstance(judge(book, counters=counters), Approved)
        assert isinstance(judge(book, counters=counters, now=datetime.fromisoformat(moment)), outcome)


def test_a_late_event_overspends_no_run_of_days() -> None:
    counters, book = Counters(), with_budgets(an_own_budget(window="7d", cap=100))
    on_the_8th = NOW + timedelta(days=6)
    for _ in range(2):
        assert isinstance(judge(book, counters=counters, now=on_the_8th), Approved)
    # 2 March is in a run of 7 days with 8 March; 1 March is not
    assert exhausted(judge(book, counters=counters, now=NOW)).figures["left"] == "10.00"
    assert isinstance(judge(book, counters=counters, now=NOW - timedelta(days=1)), Approved)


def test_a_shared_budget_is_one_for_all_mandates_and_an_own_one_is_not() -> None:
    shared = {"pool": {"per": "agent", "window": "day", "cap": 50}}
    rows = [
        a_mandate(id="one", budgets=["pool", an_own_budget(id="own", cap=50)]),
        a_mandate(id="two", grants="flowers", budgets=["pool", an_own_budget(id="own", cap=50)]),
    ]
    book, counters = a_book(*rows, budgets=shared, **IN_AMSTERDAM), Counters()
    assert [one[0] for one in charged(judge(book, counters=counters))] == ["pool", "one.own"]
    second = judge(book, a_case(kind="flowers"), counters=counters)
    assert exhausted(second).figures["budget"] == "pool"
    assert [
        one[0] for one in charged(judge(book, a_case(kind="flowers", amount="5.00"), counters=counters))
    ] == [
        "pool",
        "two.own",
    ]


def test_an_own_budget_without_an_id_is_named_after_its_place_in_the_list() -> None:
    nameless = {"per": "agent", "window": "day", "cap": 100}
    shared = {"pool": nameless}
    book = with_budgets("pool", nameless, {**nameless, "window": "month"}, shared=shared)
    assert [one[0] for one in charged(judge(book))] == ["pool", "m.2", "m.3"]


@pytest.mark.parametrize(
    ("currency", "amount", "minor", "left"),
    [("JPY", "45", 45, "10"), ("EUR", "45.5", 45_50, "9.00"), ("KWD", "45.125", 45_125, "9.750")],
)
def test_money_is_charged_in_minor_units_and_left_with_the_currency_s_decimals(
    currency: str, amount: str, minor: int, left: str
) -> None:
    row = a_mandate(budgets=[an_own_budget()])
    book, counters = a_book(row, currency=currency, **IN_AMSTERDAM), Counters()
    case = a_case(amount=amount, currency=currency)
    for _ in range(2):
        assert charged(judge(book, case, counters=counters))[0][3] == minor
    figures = exhausted(judge(book, case, counters=counters)).figures
    assert (figures["left"], figures["currency"]) == (left, currency)


def test_a_budget_can_be_spent_to_the_last_cent() -> None:
    book, counters = with_budgets(an_own_budget(cap=90)), Counters()
    assert [type(judge(book, counters=counters)) for _ in range(2)] == [Approved, Approved]
    assert exhausted(judge(book, a_case(amount="0.01"), counters=counters)).figures["left"] == "0.00"


def test_an_amount_of_zero_charges_no_money_and_always_has_room() -> None:
    book, counters = with_budgets(an_own_budget(cap=45)), Counters()
    assert charged(judge(book, counters=counters)) != []
    assert charged(judge(book, a_case(amount="0.00"), counters=counters)) == []


@pytest.mark.parametrize("asked", [{}, {"amount": "0.00"}, FLOWERS])
def test_each_decision_charges_a_count_of_one(asked: dict[str, Any]) -> None:
    book, counters, case = with_budgets(A_COUNT), Counters(), a_case(**asked)
    assert charged(judge(book, case, counters=counters)) == [("m.b", "team:north", "2026-W10", 1)]
    figures = exhausted(judge(book, case, counters=counters)).figures
    renewed = {"renews_at": "2026-03-08T23:00:00Z", "timezone": "Europe/Amsterdam"}
    assert figures == {"budget": "m.b", "left": 0} | renewed


def test_a_request_without_amount_does_not_fit_a_budget_in_money() -> None:
    (reason,) = judge(with_budgets(an_own_budget()), a_case(**FLOWERS)).reasons
    assert (reason.code, reason.mandate) == ("amount_missing", "m")
    assert "a budget in money" in reason.text
    assert codes(judge(with_budgets(A_COUNT, an_own_budget(id="money")), a_case(**FLOWERS))) == [
        "amount_missing"
    ]


def test_money_and_counts_of_one_budget_are_not_added_up() -> None:
    money, count = (charge_of(with_budgets(budget)) for budget in (an_own_budget(), A_COUNT))
    assert money.key == "acme|m.b|day|EUR|agent:agent-01"
    assert count.key == "acme|m.b|week|count|team:north"


def test_the_counter_of_a_run_of_days_has_a_field_for_each_day() -> None:
    charge = charge_of(with_budgets(an_own_budget(window="30d")))
    assert (charge.key, charge.field) == ("acme|m.b|30d|EUR|agent:agent-01", "20514")
    assert (charge.window, charge.days, charge.cap) == ("2026-03-02", 30, 100_00)


def test_tenants_share_no_budget() -> None:
    other = a_book(a_mandate(budgets=[an_own_budget(per="tenant")]), policy="globex", **IN_AMSTERDAM)
    assert charge_of(other, a_case(tenant="globex")).key == "globex|m.b|day|EUR|tenant"


def test_only_the_first_mandate_that_fits_is_charged_and_on_all_its_budgets() -> None:
    rows = [
        a_mandate(id="condition", when="facts.days_late > 6", budgets=[an_own_budget()]),
        a_mandate(id="limit", limit=40, budgets=[an_own_budget()]),
        a_mandate(id="taken", budgets=[an_own_budget(), {**A_COUNT, "id": "c"}]),
        a_mandate(id="later", budgets=[an_own_budget()]),
    ]
    approved = judge(a_book(*rows, **IN_AMSTERDAM))
    assert isinstance(approved, Approved)
    assert approved.mandate == "taken"
    assert [one[0] for one in charged(approved)] == ["taken.b", "taken.c"]
    assert codes(approved) == ["condition_not_met", "over_limit"]


def test_a_mandate_with_one_full_budget_charges_none_and_the_next_is_tried() -> None:
    rows = [
        a_mandate(id="one", budgets=[an_own_budget(id="wide"), an_own_budget(id="narrow", cap=45)]),
        a_mandate(id="two", budgets=[an_own_budget(cap=45)]),
    ]
    book, counters = a_book(*rows, **IN_AMSTERDAM), Counters()
    assert charged(judge(book, counters=counters))[0][0] == "one.wide"
    second = judge(book, counters=counters)
    assert charged(second) == [("two.b", "agent:agent-01", "2026-03-02", 45_00)]
    assert [(one.code, one.figures["budget"]) for one in second.reasons] == [
        ("budget_exhausted", "one.narrow")
    ]
    third = judge(book, counters=counters)
    assert [(one.figures["budget"], one.figures["left"]) for one in third.reasons] == [
        ("one.narrow", "0.00"),
        ("two.b", "0.00"),
    ]


def test_the_reason_names_the_first_budget_without_room() -> None:
    book = with_budgets(
        an_own_budget(id="wide"), an_own_budget(id="a", cap=30), an_own_budget(id="b", cap=20)
    )
    assert exhausted(judge(book)).figures["budget"] == "m.a"


def test_each_reason_is_about_its_own_budget() -> None:
    rows = [
        a_mandate(
            id="one",
            budgets=[an_own_budget(id="wide"), an_own_budget(id="exact", cap=45), an_own_budget(cap=10)],
        ),
        a_mandate(id="two", budgets=[an_own_budget(cap=20)]),
        a_mandate(id="three", budgets=[an_own_budget(id="exact", cap=45), an_own_budget(cap=30)]),
    ]
    escalated = judge(a_book(*rows, **IN_AMSTERDAM))
    named = [(one.figures["budget"], one.figures["left"]) for one in escalated.reasons]
    assert named == [("one.b", "10.00"), ("two.b", "20.00"), ("three.b", "30.00")]
    counters = Counters()
    for row, amount in zip(rows, ("5.00", "7.00", "9.00"), strict=True):
        spent = judge(a_book(row, **IN_AMSTERDAM), a_case(amount=amount), counters=counters)
        assert isinstance(spent, Approved)
    escalated = judge(a_book(*rows, **IN_AMSTERDAM), a_case(amount="41.00"), counters=counters)
    named = [(one.figures["budget"], one.figures["left"]) for one in escalated.reasons]
    assert named == [("one.exact", "40.00"), ("two.b", "13.00"), ("three.exact", "36.00")]


def test_a_mandate_without_budgets_ends_the_list() -> None:
    rows = [a_mandate(id="one", budgets=[an_own_budget(cap=40)]), a_mandate(id="free"), a_mandate(id="never")]
    assessment = assess(a_case(), a_book(*rows, **IN_AMSTERDAM), a_staff(), NOW)
    assert len(assessment.charge_options) == 1
    approved = assessment.conclude(*Counters().settle(assessment.charge_options, assessment.probes))
    assert isinstance(approved, Approved)
    assert (approved.mandate, approved.charges, codes(approved)) == ("free", (), ["budget_exhausted"])


def test_a_reason_says_the_amount_asked_what_is_left_and_when_there_is_room_again() -> None:
    counters, book = Counters(), with_budgets(an_own_budget(per="customer", window="30d"))
    for _ in range(2):
        judge(book, counters=counters)
    reason = exhausted(judge(book, counters=counters))
    assert reason.figures == {
        "budget": "m.b",
        "left": "10.00",
        "renews_at": "2026-03-31T22:00:00Z",
        "timezone": "Europe/Amsterdam",
        "amount": "45.00",
        "currency": "EUR",
    }
    assert reason.mandate == "m"
    assert "10.00 EUR left" in reason.text


@pytest.mark.parametrize("window", ["30d", "day", "week", "month", "year"])
def test_an_amount_above_the_cap_never_has_room(window: str) -> None:
    reason = exhausted(judge(with_budgets(an_own_budget(window=window, cap=40))))
    assert (reason.figures["left"], reason.figures["renews_at"]) == ("40.00", None)
    assert "not for so much at any time" in reason.text


def test_after_a_lowered_cap_is_overdrawn_nothing_is_left() -> None:
    counters = Counters()
    for _ in range(2):
        judge(with_budgets(an_own_budget()), counters=counters)
    assert exhausted(judge(with_budgets(an_own_budget(cap=50)), counters=counters)).figures["left"] == "0.00"
    assert isinstance(judge(with_budgets(an_own_budget(cap=200)), counters=counters), Approved)


def test_a_request_that_tries_no_mandate_charges_nothing() -> None:
    never = {"id": "never", "kinds": "*", "when": "facts.fraud", "reason": "no"}
    book = a_book(a_mandate(budgets=[an_own_budget()]), prohibitions=[never], **IN_AMSTERDAM)
    for facts, outcome in (({"fraud": True}, Refused), ({}, Escalated)):
        assessment = assess(a_case(facts=facts), book, a_staff(), NOW)
        assert (assessment.charge_options, assessment.probes) == ((), ())
        assert isinstance(assessment.conclude(), outcome)


@pytest.mark.parametrize("window", ["hour", "day", "week", "month", "quarter", "year", "30d", "366d"])
@pytest.mark.parametrize("opened_at", ["1970-01-01T00:00:00Z", "9998-12-31T23:59:59Z"])
@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_budgets_are_charged_and_given_back_at_both_ends_of_the_calendar(
    window: str, opened_at: str, zone: str
) -> None:
    book = a_book(a_mandate(budgets=[an_own_budget(window=window, cap=50)]), timezone=zone)
    counters, now = Counters(), datetime.fromisoformat(opened_at)
    approved = judge(book, counters=counters, now=now)
    assert isinstance(approved, Approved)
    (charge,) = approved.charges
    assert (charge.key.split("|")[2], charge.field) == counter_of(charge.window, charge.days)
    assert exhausted(judge(book, counters=counters, now=now)).figures["left"] == "5.00"


def test_the_window_of_a_budget_depends_only_on_the_given_time() -> None:
    book = with_budgets(an_own_budget())
    old = datetime(2020, 2, 29, 12, tzinfo=UTC)
    assert charge_of(book, a_case(opened_at="2031-01-01T00:00:00Z"), old).window == "2020-02-29"


def test_a_budget_per_case_leaves_other_cases_of_the_customer_alone() -> None:
    counters, book = Counters(), with_budgets(an_own_budget(per="case", window="366d", cap=50))
    assert isinstance(judge(book, counters=counters), Approved)
    again = judge(book, a_case(request_id="r2"), counters=counters)
    assert exhausted(again).figures["left"] == "5.00"
    assert isinstance(judge(book, a_case(case_id="c-2"), counters=counters), Approved)


def test_the_doubled_hour_of_october_has_room_twice() -> None:
    counters, book = Counters(), with_budgets(an_own_budget(window="hour", cap=50))
    first, second = (datetime(2026, 10, 25, hour, 30, tzinfo=UTC) for hour in (0, 1))
    for now in (first, second):
        assert isinstance(judge(book, counters=counters, now=now), Approved)
    for now, renewed in ((first, "2026-10-25T01:00:00Z"), (second, "2026-10-25T02:00:00Z")):
        reason = exhausted(judge(book, counters=counters, now=now))
        assert reason.figures["renews_at"] == renewed
