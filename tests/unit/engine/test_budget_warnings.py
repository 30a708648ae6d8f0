"""A decision that brings a budget to its `warn_at` carries a warning (docs/policy.md, Budgets)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.events.envelope import Rendered
from engine.judging.assessment import assess
from engine.policy.checking import check_policy
from tests.builders.cases import a_case, a_case_body
from tests.builders.inputs import a_reply, a_submission, a_withdrawal
from tests.builders.policies import a_book, a_mandate, a_policy, an_own_budget
from tests.builders.staff import a_member, a_staff
from tests.in_memory_rules import InMemoryRules
from tests.judging import NOW

SEQ = 1_772_438_402_123_456
ZONE: dict[str, Any] = {"timezone": "Europe/Amsterdam"}


def a_shop(*budgets: dict[str, Any], people: Any = (), **mandate: Any) -> InMemoryRules:
    row = a_mandate(**{"budgets": list(budgets), **mandate})
    return InMemoryRules(row, people=people, **ZONE)


def asked(shop: InMemoryRules, number: int, amount: str) -> Rendered:
    body = a_case_body(case_id=f"c-{number}", amount=amount)
    return shop.decide(a_submission(body), SEQ + number)


def warnings(rendered: Rendered) -> Any:
    return json.loads(rendered.values[0])["data"].get("warnings")


def test_the_decision_that_crosses_the_line_carries_the_warning_and_no_other() -> None:
    shop = a_shop(an_own_budget(cap=250, warn_at="80%"))
    said = [warnings(asked(shop, number, amount)) for number, amount in enumerate(("150", "50", "25", "25"))]
    assert said == [
        None,
        [
            {
                "budget": "m.b",
                "scope": "agent:agent-01",
                "window": "2026-03-02",
                "used": "200.00",
                "limit": "250.00",
                "at": 80,
                "leads": ["lead-north"],
            }
        ],
        None,
        None,
    ]


def test_a_count_warns_too() -> None:
    shop = a_shop({"per": "team", "window": "week", "count": 4, "warn_at": "75%"})
    said = [warnings(asked(shop, number, "1")) for number in range(4)]
    assert [one and (one[0]["scope"], one[0]["used"], one[0]["limit"]) for one in said] == [
        None,
        None,
        ("team:north", 3, 4),
        None,
    ]


def test_a_run_of_days_warns_by_its_fullest_run() -> None:
    shop = a_shop(an_own_budget(window="30d", cap=100, warn_at="50%"))
    assert warnings(asked(shop, 1, "49.99")) is None
    (warning,) = warnings(asked(shop, 2, "0.01"))
    assert (warning["window"], warning["days"], warning["used"]) == ("2026-03-02", 30, "50.00")


def test_only_budgets_that_cross_are_named() -> None:
    shop = a_shop(
        an_own_budget(id="a", cap=100, warn_at="40%"),
        an_own_budget(id="b", cap=1000, warn_at="90%"),
        an_own_budget(id="c", per="tenant", cap=50, warn_at="90%"),
        an_own_budget(id="d", cap=45),
    )
    assert [one["budget"] for one in warnings(asked(shop, 1, "45"))] == ["m.a", "m.c"]


def test_a_budget_without_room_does_not_warn_and_the_next_mandate_may() -> None:
    full = a_mandate(id="full", budgets=[an_own_budget(cap=40, warn_at="1%")])
    next_one = a_mandate(id="next", budgets=[an_own_budget(cap=100, warn_at="45%")])
    shop = InMemoryRules(full, next_one, **ZONE)
    rendered = asked(shop, 1, "45")
    data = json.loads(rendered.values[0])["data"]
    assert [one["code"] for one in data["reasons"]] == ["budget_exhausted"]
    assert data["reasons"][0]["figures"]["left"] == "40.00"
    assert [one["budget"] for one in data["warnings"]] == ["next.b"]


def test_the_offer_on_the_spot_is_the_same_with_and_without_a_warning() -> None:
    for changes in ({}, {"warn_at": "80%"}):
        shop = a_shop(an_own_budget(cap=100, **changes), an_own_budget(id="n", cap=70, **changes))
        data = json.loads(asked(shop, 1, "90").values[0])["data"]
        assert (data["outcome"], data["on_the_spot"]) == ("escalated", "70.00")
        assert "warnings" not in data


def test_an_approver_s_budget_warns_the_leads_of_their_team() -> None:
    small = a_mandate(id="small", limit=1)
    own = a_mandate(id="lead", to="team_lead", budgets=[an_own_budget(cap=50, warn_at="80%")])
    people = [a_member("lead-2", role="team_lead", team="north")]
    shop = InMemoryRules(small, own, opened=a_submission(), people=people, **ZONE)
    (warning,) = warnings(shop.decide(a_reply(), SEQ))
    assert (warning["scope"], warning["used"]) == ("agent:lead-north", "45.00")
    assert warning["leads"] == ["lead-2"]


def test_a_withdrawal_makes_room_and_the_next_decision_warns_again() -> None:
    shop = a_shop(an_own_budget(cap=50, warn_at="80%"))
    assert warnings(shop.decide(a_submission(), SEQ)) is not None
    withdrawn = shop.decide(a_withdrawal(), SEQ + 1)
    assert warnings(withdrawn) is None
    assert warnings(asked(shop, 2, "45")) is not None


def test_without_a_lead_in_the_team_those_of_other_teams_are_told() -> None:
    people = [a_member(team="far"), a_member("zed", role="team_lead", team="south")]
    (warning,) = warnings(asked(a_shop(an_own_budget(cap=50, warn_at="80%"), people=people), 1, "45"))
    assert "zed" in warning["leads"]


def test_nobody_is_told_of_their_own_spending() -> None:
    people = [a_member(role="team_lead")]
    (warning,) = warnings(asked(a_shop(an_own_budget(cap=50, warn_at="80%"), people=people), 1, "45"))
    assert "agent-01" not in warning["leads"]


def test_the_warnings_of_one_decision_name_at_most_100_people() -> None:
    people = [a_member(f"lead-{number:03}", role="team_lead") for number in range(150)]
    budgets = [an_own_budget(id=name, cap=50, warn_at="80%") for name in ("a", "b")]
    found = warnings(asked(a_shop(*budgets, people=people), 1, "45"))
    assert [len(one["leads"]) for one in found] == [50, 50]


def test_a_policy_without_warn_at_asks_the_ledger_nothing_more() -> None:
    def caps(**changes: Any) -> list[list[int]]:
        book = a_book(a_mandate(budgets=[an_own_budget(**changes)]), **ZONE)
        options = assess(a_case(), book, a_staff(), NOW).charge_options
        return [[one.cap for one in option] for option in options]

    assert caps() == [[100_00]]
    assert caps(warn_at="80%") == [[-1], [100_00]]


@given(
    st.lists(st.integers(1, 60), min_size=1, max_size=8), st.integers(1, 100), st.sampled_from(["day", "7d"])
)
def test_exactly_the_decision_that_reaches_the_line_warns(amounts: list[int], at: int, window: str) -> None:
    shop = a_shop(an_own_budget(window=window, cap=100, warn_at=f"{at}%"))
    used = 0
    for number, amount in enumerate(amounts):
        rendered = asked(shop, number, str(amount))
        granted = amount if used + amount <= 100 else 0
        assert bool(warnings(rendered)) is (used < at <= used + granted)
        assert rendered.warnings == (("agent",) if used < at <= used + granted else ())
        used += granted


@pytest.mark.parametrize("share", ["0%", "101%", "80", "0.8", 80, 0.8, True, "80 %", "x"])
def test_a_share_of_another_form_is_refused_with_an_example(share: object) -> None:
    text = a_policy(a_mandate(budgets=[an_own_budget(warn_at=share)]), **ZONE)
    assert "`warn_at` must be a percentage from 1% to 100%, such as 80%" in [
        one.text for one in check_policy(text).problems
    ]
