"""The step that is asked, its people, and requests that nobody may grant (docs/policy.md, The ladder)."""

from __future__ import annotations

from typing import Any

import pytest

from engine.judging.budgets import Counters
from engine.judging.conclusions import Approved, Escalated, Refused, ToldPerson
from engine.judging.ladder import MOST_DESCRIBED, MOST_NAMED
from engine.judging.staff import Staff
from engine.policy import PolicyBook
from schemas.case import Case
from schemas.money import Money
from schemas.staff import StaffMember
from tests.builders.cases import a_case
from tests.builders.policies import a_book, a_mandate
from tests.builders.staff import a_member, a_staff
from tests.judging import codes, judge

SMALL = a_mandate(id="small", limit=40)
LEADS = a_mandate(id="lead", to="team_lead", limit=500)
MANAGERS = a_mandate(id="manager", to="manager")
BOSS = a_member("boss", role="manager", team="hq")
AWAY = [{"from": "2026-03-01T00:00:00Z", "until": "2026-03-09T00:00:00Z"}]


def a_ladder(*steps: str, grants: tuple[Any, ...] = (LEADS, MANAGERS), **more: Any) -> PolicyBook:
    """Refunds above 40.00 are granted only by `grants`."""
    ladder = {"id": "default", "steps": [{"to": step} for step in steps], **more}
    return a_book(SMALL, *grants, escalation=[ladder])


def asked(book: PolicyBook, *people: StaffMember, case: Case | None = None) -> tuple[str, tuple[str, ...]]:
    escalated = judge(book, case, a_staff(*people))
    assert isinstance(escalated, Escalated), escalated
    return escalated.step, escalated.approvers


def test_the_first_step_whose_role_may_grant_it_is_asked() -> None:
    book, people = a_ladder("senior", "team_lead", "manager"), (a_member("sen", role="senior"), BOSS)
    assert asked(book, *people) == ("team_lead", ("lead-north",))
    assert asked(book, *people, case=a_case(amount="500.01")) == ("manager", ("boss",))
    for_seniors = a_ladder("senior", "team_lead", grants=(a_mandate(to="senior"),))
    assert asked(for_seniors, *people) == ("senior", ("sen",))


def test_a_step_is_skipped_even_if_a_role_that_extends_it_may_grant_it() -> None:
    in_the_team = a_member("boss", role="manager", team="north")
    book = a_ladder("team_lead", "manager")
    assert asked(book, in_the_team, case=a_case(amount="600.00")) == ("manager", ("boss",))


def test_a_person_who_may_grant_it_is_asked_if_no_role_of_the_ladder_may() -> None:
    for when_nobody in ("last_step", "refuse"):
        book = a_ladder("senior", "team_lead", when_nobody=when_nobody)
        assert asked(book, BOSS, case=a_case(amount="600.00")) == ("senior", ("boss",))


def test_a_step_whose_own_people_are_all_absent_is_passed_over() -> None:
    leads = [
        a_member(f"lead-{team}", role="team_lead", team=team, absences=AWAY) for team in ("north", "south")
    ]
    book = a_ladder("team_lead", "manager")
    assert asked(book, *leads, BOSS) == ("manager", ("boss",))
    assert asked(a_ladder("team_lead"), *leads, BOSS) == ("team_lead", ("boss",))  # there is no next step
    roles: dict[str, Any] = {
        "agent": {},
        "team_lead": {},
        "manager": {"extends": "team_lead"},
        "director": {},
    }
    ladder = [{"id": "e", "steps": [{"to": "team_lead"}, {"to": "director"}]}]
    book = a_book(SMALL, LEADS, a_mandate(id="director", to="director"), roles=roles, escalation=ladder)
    assert asked(book, *leads, BOSS, a_member("dir", role="director")) == ("director", ("dir",))
    other: dict[str, Any] = {"senior": {}, "team_lead": {}, "manager": {}, "agent": {}}
    book = a_book(
        SMALL,
        LEADS,
        MANAGERS,
        roles=other,
        escalation=[{"id": "e", "steps": [{"to": "team_lead"}, {"to": "manager"}]}],
    )
    assert asked(book, *leads, BOSS) == ("manager", ("boss",))


def test_within_a_step_the_own_team_is_asked_before_other_teams() -> None:
    book = a_ladder("team_lead", grants=(a_mandate(to="team_lead", when="agent.agent_id != 'lead-north'"),))
    assert asked(a_ladder("team_lead")) == ("team_lead", ("lead-north",))
    assert asked(book) == ("team_lead", ("lead-south",))
    assert asked(book, a_member("lead-2", role="team_lead")) == ("team_lead", ("lead-2",))


def test_the_room_in_an_approver_s_budgets_is_not_checked() -> None:
    budget = {"id": "b", "per": "agent", "window": "day", "cap": 1}
    leads = a_mandate(to="team_lead", budgets=[budget])
    book = a_book(SMALL, leads, timezone="UTC")
    escalated = judge(book, counters=Counters())
    assert isinstance(escalated, Escalated)
    assert escalated.approvers == ("lead-north",)


def test_a_mandate_at_discretion_covers_only_requests_for_discretion() -> None:
    own = a_mandate(id="own", to="team_lead", discretion={"review_within": "5d", "reviewer": "manager"})
    book = a_ladder("team_lead", "manager", grants=(own, MANAGERS))
    assert asked(book, BOSS) == ("manager", ("boss",))
    case = a_case(discretion=True, reason="her third parcel")
    assert asked(book, BOSS, case=case) == ("team_lead", ("lead-north",))


@pytest.mark.parametrize(
    ("case", "why"),
    [
        ({"amount": "600.00"}, ["over_limit"]),
        ({"currency": "USD"}, ["currency_not_covered"]),
        ({"agent_id": "nobody", "amount": "600.00"}, ["unknown_agent"]),
        ({"kind": "flowers"}, ["no_mandate"]),
    ],
)
def test_a_request_that_nobody_may_grant_is_asked_or_refused_as_the_policy_says(
    case: dict[str, Any], why: list[str]
) -> None:
    probes = judge(a_ladder("senior", "team_lead", grants=(LEADS,)), a_case(**case))
    assert isinstance(probes, Escalated)
    assert (probes.step, codes(probes)) == ("team_lead", why)
    assert probes.approvers != ()
    refuses = judge(a_ladder("senior", "team_lead", grants=(LEADS,), when_nobody="refuse"), a_case(**case))
    assert isinstance(refuses, Refused)
    assert (refuses.by, codes(refuses)) == ("ladder", [*why, "nobody_may_grant"])
    assert refuses.reasons[-1].figures == {"steps": "senior, team_lead"}


def test_a_request_that_somebody_may_grant_is_not_refused() -> None:
    book = a_ladder("team_lead", when_nobody="refuse")
    assert asked(book) == ("team_lead", ("lead-north",))


def test_a_prohibition_that_cannot_be_judged_goes_up_the_ladder_too() -> None:
    fraud = {"id": "fraud", "kinds": "*", "when": "facts.fraud", "reason": "fraud desk"}
    ladder = [{"id": "default", "steps": [{"to": "team_lead"}], "when_nobody": "refuse"}]
    book = a_book(a_mandate(), prohibitions=[fraud], escalation=ladder)
    assert asked(book) == ("team_lead", ("lead-north",))
    (nobody, last) = judge(book, staff=Staff([a_member()])).reasons
    assert (nobody.prohibition, last.code) == ("fraud", "nobody_may_grant")


def test_an_approval_without_any_approver_is_open_all_the_same() -> None:
    escalated = judge(a_ladder("team_lead"), staff=Staff([a_member()]))
    assert isinstance(escalated, Escalated)
    assert (escalated.step, escalated.approvers) == ("team_lead", ())


def test_only_the_first_hundred_approvers_are_named_and_judged() -> None:
    people = [a_member(f"lead-{number:05d}", role="team_lead", team="west") for number in range(2_000)]
    staff = Staff([a_member(team="east"), *people])
    escalated = judge(a_ladder("team_lead"), staff=staff)
    assert isinstance(escalated, Escalated)
    assert escalated.approvers == tuple(f"lead-{number:05d}" for number in range(MOST_NAMED))


def test_an_absent_agent_still_asks_under_their_own_mandates() -> None:
    away = a_member(absences=AWAY)
    assert judge(a_book(a_mandate(id="m")), staff=a_staff(away)) == Approved("m")
    assert asked(a_ladder("team_lead"), away) == ("team_lead", ("lead-north",))


def told(book: PolicyBook, *people: StaffMember, case: Case | None = None) -> dict[str, ToldPerson]:
    escalated = judge(book, case, a_staff(*people))
    assert isinstance(escalated, Escalated), escalated
    return {one.agent_id: one for one in escalated.told}


def test_an_approver_is_told_with_the_mandate_that_covers_the_request() -> None:
    grants = (a_mandate(id="tiny", to="team_lead", limit=10), LEADS, MANAGERS)
    covers = told(a_ladder("team_lead", grants=grants))["lead-north"].covers
    assert covers == ("lead", Money(500_00, "EUR"), True)
    assert told(a_ladder("manager"), BOSS)["boss"].covers == ("manager", None, True)


def test_an_approver_whose_mandates_are_too_low_is_told_with_the_highest() -> None:
    grants = (LEADS, a_mandate(id="tiny", to="team_lead", limit=10))
    too_much = told(a_ladder("team_lead", grants=grants), case=a_case(amount="600.00"))
    assert too_much["lead-north"].covers == ("lead", Money(500_00, "EUR"), False)
    no_amount = told(a_ladder("team_lead", grants=grants), case=a_case(amount=None, currency=None))
    assert no_amount["lead-north"].covers == ("lead", Money(500_00, "EUR"), False)
    small = told(a_ladder("team_lead", grants=(MANAGERS,)))
    assert small["lead-north"].covers == ("small", Money(40_00, "EUR"), False)
    late = a_mandate(id="late", to="team_lead", when="facts.days_late > 100")
    nothing = told(a_book(late, escalation=[{"id": "default", "steps": [{"to": "team_lead"}]}]))
    assert nothing["lead-north"].covers is None


def test_a_limit_that_names_the_agent_is_told_to_each_approver() -> None:
    grants = (a_mandate(id="own", to="team_lead", limit="agent.team == 'north' ? 100 : 200"),)
    north = a_member("lead-second", role="team_lead")
    covers = told(a_ladder("team_lead", grants=grants), north, a_member("lead-north", role="team_lead"))
    assert {one.covers for one in covers.values()} == {("own", Money(100_00, "EUR"), True)}


def test_a_stand_in_is_told_in_whose_place_and_those_with_the_role_are_told_for_themselves() -> None:
    away = [AWAY[0] | {"delegate": "sub"}]
    absent = a_member("lead-north", role="team_lead", absences=away)
    of_other_role = told(a_ladder("team_lead"), absent, a_member("sub", role="manager"))
    assert {one.agent_id: one.stands_in_for for one in of_other_role.values()} == {"sub": "lead-north"}
    of_other_team = told(a_ladder("team_lead"), absent, a_member("sub", role="team_lead", team="south"))
    assert of_other_team["sub"].stands_in_for == "lead-north"
    own_role = told(a_ladder("team_lead"), absent, a_member("sub", role="team_lead"))
    assert own_role["sub"].stands_in_for is None


def test_only_the_first_approvers_are_described() -> None:
    people = [a_member(f"lead-{number:03d}", role="team_lead") for number in range(40)]
    assert len(told(a_ladder("team_lead"), *people)) == MOST_DESCRIBED
