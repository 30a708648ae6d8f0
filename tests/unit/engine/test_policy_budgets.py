"""Budgets, discretion and the ladder in a policy file."""

from __future__ import annotations

import pytest

from engine.policy.book import Budget, Discretion, Window
from engine.policy.checking import check_policy
from tests.builders.bodies import LEFT_OUT
from tests.builders.policies import a_book, a_budget, a_mandate, a_policy

ZONE = {"timezone": "Europe/Amsterdam"}


def _budgets(*budgets: object, **changes: object) -> tuple[Budget, ...]:
    book = a_book(a_mandate(id="late", budgets=list(budgets)), **ZONE, **changes)
    return book.candidates("agent", "refund", None)[0].budgets


def _said(*mandates: dict[str, object], **changes: object) -> list[str]:
    return [one.text for one in check_policy(a_policy(*mandates, **{**ZONE, **changes})).problems]


def test_shared_and_own_budgets_keep_the_order_of_the_mandate() -> None:
    own = [a_budget(per="team", count=20, cap=LEFT_OUT), a_budget(id="c30", per="customer", window="30d")]
    assert _budgets(own[0], "pool", own[1], budgets={"pool": a_budget(per="tenant", window="year")}) == (
        Budget("late.1", "team", Window("day"), count=20),
        Budget("pool", "tenant", Window("year"), cap=25000),
        Budget("late.c30", "customer", Window("days", 30), cap=25000),
    )


@pytest.mark.parametrize("budget", ["pool", a_budget(per="team")])
def test_one_budget_needs_no_list(budget: object) -> None:
    pool = {"pool": a_budget(per="tenant", window="year")}
    text = a_policy(a_mandate(id="late", budgets=budget), budgets=pool, **ZONE)
    book, problems, _ = check_policy(text)
    assert book is not None
    assert book.candidates("agent", "refund", None)[0].budgets == _budgets(budget, budgets=pool)
    unused = [one for one in problems if "no mandate draws" in one.text]
    assert bool(unused) is (budget != "pool")


def test_mandates_that_share_a_budget_hold_the_same_one() -> None:
    both = [a_mandate(id=name, budgets=["pool"]) for name in ("a", "b")]
    first, second = a_book(*both, budgets={"pool": a_budget()}, **ZONE).candidates("agent", "refund", None)
    assert first.budgets[0] is second.budgets[0]


@pytest.mark.parametrize(
    ("currency", "cap", "minor"), [("EUR", 250.5, 25050), ("JPY", 250, 250), ("BHD", 0.125, 125)]
)
def test_a_cap_is_exact_in_the_currency_s_smallest_unit(currency: str, cap: float, minor: int) -> None:
    assert _budgets(a_budget(cap=cap), currency=currency)[0].cap == minor


@pytest.mark.parametrize(
    ("window", "read"),
    [
        *((name, Window(name)) for name in ("hour", "day", "week", "month", "quarter", "year")),
        *((f"{days}d", Window("days", days)) for days in (1, 30, 366)),
    ],
)
def test_every_window_is_read_and_written_alike(window: str, read: Window) -> None:
    (budget,) = _budgets(a_budget(window=window))
    assert (budget.window, budget.window.text) == (read, window)


@pytest.mark.parametrize(
    ("budget", "problem"),
    [
        (a_budget(cap=0), "a cap must be above 0"),
        (a_budget(cap=-1), "a cap cannot be negative"),
        (
            a_budget(cap=1.001),
            "the currency has 2 decimals, and this cap has more; write 1001 if the point separates thousands",
        ),
        (a_budget(cap="250"), "`cap` must be a number; write 250 without quotes"),
        (a_budget(cap="60,00"), "`cap` must be a number; write 60.00"),
        (a_budget(cap="much"), "`cap` must be a number, such as 250"),
        (a_budget(count=2), "a budget has a `cap` (money) or a `count` (decisions); this one has both"),
        (
            a_budget(cap=LEFT_OUT),
            "a budget has a `cap` (money) or a `count` (decisions); this one has neither",
        ),
        (a_budget(cap=LEFT_OUT, count=0), "`count` must be between 1 and 1,000,000,000"),
        (a_budget(cap=LEFT_OUT, count=2.5), "`count` must be a whole number"),
        (
            a_budget(window="367d"),
            "`window` must be hour, day, week, month, quarter, year, or 1 to 366 days such as 30d",
        ),
        (
            a_budget(window="0d"),
            "`window` must be hour, day, week, month, quarter, year, or 1 to 366 days such as 30d",
        ),
        (a_budget(per="person"), "`per` must be agent, team, customer, case or tenant"),
        (a_budget(limit=1), "unknown key `limit`; known keys: per, window, cap, count, warn_at, id"),
        ("gool", "there is no budget `gool`; did you mean `pool`?"),
        ("x", "there is no budget `x`; write it under `budgets`"),
        (3, '`budgets` must be text; put it in quotes: "3"'),
    ],
)
def test_a_meaningless_budget_is_refused(budget: object, problem: str) -> None:
    (said, *_) = _said(a_mandate(budgets=["pool", budget]), budgets={"pool": a_budget()})
    assert said.replace("this entry of ", "") == problem


@pytest.mark.parametrize(
    ("budgets", "name"),
    [
        (["pool", "pool"], "pool"),
        ([a_budget(id="a"), a_budget(id="a")], "a"),
        ([a_budget(id="2"), a_budget()], "2"),
    ],
)
def test_a_mandate_does_not_name_one_budget_twice(budgets: list[object], name: str) -> None:
    said = _said(
        a_mandate(budgets=budgets), a_mandate(id="n", budgets=["pool"]), budgets={"pool": a_budget()}
    )
    assert said == [f"budget `{name}` is listed twice"]


def test_an_own_budget_may_have_the_name_of_a_shared_one() -> None:
    ids = [one.id for one in _budgets("pool", a_budget(id="pool"), budgets={"pool": a_budget()})]
    assert ids == ["pool", "late.pool"]


@pytest.mark.parametrize("shared", [True, False])
def test_budgets_need_a_time_zone(shared: bool) -> None:
    row = a_mandate(budgets=["pool"] if shared else [a_budget()])
    changes = {"budgets": {"pool": a_budget()}} if shared else {}
    said = _said(row, **changes, timezone=LEFT_OUT)
    assert said == ["the windows of budgets need a time zone; write `timezone: Europe/Amsterdam`"]


def test_the_book_uses_the_time_zone_of_the_policy_or_utc() -> None:
    assert (a_book(**ZONE).zone.key, a_book().zone.key) == ("Europe/Amsterdam", "UTC")


def test_a_discretion_mandate_says_by_when_and_by_whom_it_is_reviewed() -> None:
    book = a_book(
        a_mandate(),
        a_mandate(id="n", discretion={"review_within": "5d", "reviewer": "team_lead"}),
        a_mandate(id="o", discretion={}),
    )
    assert [row.discretion for row in book.candidates("agent", "refund", None)] == [
        None,
        Discretion("5d", "team_lead"),
        Discretion(),
    ]


def test_a_ladder_has_several_steps_and_says_what_happens_when_nobody_may_grant_it() -> None:
    ladder = {"id": "default", "steps": [{"to": "team_lead"}, {"to": "manager"}]}
    book = a_book(escalation=[ladder])
    assert (book.steps, book.step, book.when_nobody) == (("team_lead", "manager"), "team_lead", "last_step")
    assert a_book(escalation=[{**ladder, "when_nobody": "refuse"}]).when_nobody == "refuse"


def test_a_policy_for_kinds_without_an_amount_may_have_a_money_budget() -> None:
    assert _said(a_mandate(grants="*", budgets=[a_budget()])) == []
