"""Warnings about usable policies that are probably mistakes, with their places."""

from __future__ import annotations

from typing import Any

import pytest

from engine.policy.checking import check_policy
from tests.builders.bodies import LEFT_OUT
from tests.builders.policies import ROLES, a_budget, a_lead, a_mandate, a_policy

HEAD = """\
policy: acme
version: "1"
currency: EUR
timezone: Europe/Amsterdam
roles:
  agent: {}
  team_lead: {extends: agent}
"""
LADDER = "escalation: [{id: default, steps: [{to: team_lead}]}]\n"


def _warnings(*mandates: dict[str, Any], **changes: Any) -> list[str]:
    book, problems, _ = check_policy(a_policy(*mandates, timezone="Europe/Amsterdam", **changes))
    assert book is not None, problems
    return [one.text for one in problems]


def _never_used(first: dict[str, Any], second: dict[str, Any], **changes: Any) -> bool:
    """Whether the second of two mandates is reported as never used; a lead's mandate follows both."""
    said = _warnings({"id": "first", **first}, {"id": "second", **second}, a_lead(), **changes)
    assert all("never used" in one for one in said)
    return bool(said)


def _row(**changes: Any) -> dict[str, Any]:
    return a_mandate(**{"id": LEFT_OUT, "limit": 50, **changes})


def test_a_mandate_that_is_never_used_is_reported_at_its_id() -> None:
    text = f"""{HEAD}mandates:
  - {{id: all, grants: refund, to: agent}}
  - {{id: late, grants: refund, to: agent, when: "facts.late", limit: 50}}
  - {{id: lead, grants: "*", to: team_lead}}
{LADDER}"""
    (only,) = check_policy(text).problems
    assert str(only) == (
        "10:10: warning: this mandate is never used:"
        " `all` (line 9) is tried before it and grants all that it would"
    )


WHEN = "facts.late"
ASKED = "has(facts.fraud) && facts.fraud"
OTHER = "facts.early"


@pytest.mark.parametrize(
    ("first", "second", "never"),
    [
        # conditions
        (_row(), _row(), True),
        (_row(), _row(when=WHEN), True),
        (_row(when=WHEN), _row(when=f" {WHEN}\n"), True),
        (_row(when="true"), _row(), True),
        (_row(when=WHEN), _row(), False),
        (_row(when=WHEN), _row(when=OTHER), False),
        # limits
        (_row(limit=LEFT_OUT), _row(limit="facts.paid"), True),
        (_row(limit=LEFT_OUT), _row(limit=LEFT_OUT), True),
        (_row(limit=50), _row(limit=49.99), True),
        (_row(limit="25 + 25"), _row(limit=50), True),
        (_row(limit="facts.paid"), _row(limit="facts.paid"), True),
        (_row(limit=50), _row(limit=50.01), False),
        (_row(limit=50), _row(limit=LEFT_OUT), False),
        (_row(limit=50), _row(limit="facts.paid"), False),
        (_row(limit="facts.paid"), _row(limit=50), False),
        (_row(limit="facts.paid"), _row(limit="facts.owed"), False),
        (_row(limit="facts.paid"), _row(limit=LEFT_OUT), False),
        # budgets
        (_row(), _row(budgets=[a_budget()]), True),
        (_row(budgets=[a_budget()]), _row(), False),
        # kinds
        (_row(grants="*"), _row(), True),
        (_row(grants="*"), _row(grants="*"), True),
        (_row(grants=["refund", "flowers"]), _row(grants=["flowers"]), True),
        (_row(), _row(grants=["refund", "flowers"]), False),
        (_row(), _row(grants="*"), False),
        # roles
        (_row(), _row(to="senior"), True),
        (_row(), _row(to=["agent", "manager"]), True),
        (_row(to="senior"), _row(), False),
        (_row(to="senior"), _row(to=["senior", "agent"]), False),
        # categories
        (_row(), _row(categories=["a"]), True),
        (_row(categories=["a", "b", "c"]), _row(categories=["c", "a"]), True),
        (_row(categories=["a"]), _row(), False),
        (_row(categories=["a", "b"]), _row(categories=["b", "c"]), False),
        # discretion
        (_row(), _row(discretion={}), True),
        (_row(discretion={}), _row(discretion={}, when=WHEN), True),
        (_row(discretion={}), _row(), False),
        (_row(), _row(discretion={}, limit=75), False),
    ],
)
def test_a_mandate_is_never_used_if_an_earlier_one_grants_all_its_requests(
    first: dict[str, Any], second: dict[str, Any], never: bool
) -> None:
    # An ordinary mandate is tried before one at discretion, whatever the order of the file.
    swapped = "discretion" in first and "discretion" not in second
    assert _never_used(first, second) is (never or swapped)


def test_an_ordinary_mandate_further_down_is_tried_before_one_at_discretion() -> None:
    (only,) = _warnings(a_mandate(id="own", discretion={}), a_mandate(id="all"), a_lead())
    assert (
        only == "this mandate is never used: `all` (line 1) is tried before it and grants all that it would"
    )


def test_several_rows_together_may_cover_a_mandate() -> None:
    several = [a_mandate(id=f"to-{kind}", grants=kind) for kind in ("a", "b", "c", "d")]
    (only,) = _warnings(*several, a_mandate(id="all", grants=["a", "b", "c", "d"], limit=5), a_lead())
    assert only == (
        "this mandate is never used: `to-a` (line 1), `to-b` (line 1), `to-c` (line 1) and 1 more are tried"
        " before it and grant all that it would"
    )
    assert not _warnings(*several, a_mandate(id="all", grants=["a", "b", "e"]), a_lead())


def test_several_rows_may_cover_one_role_each() -> None:
    roles: dict[str, Any] = {"north": {}, "south": {}, "team_lead": {}}
    rows = [a_mandate(id=role, to=role) for role in ("north", "south")]
    both = a_mandate(id="both", to=["north", "south"])
    assert len(_warnings(*rows, both, a_lead(), roles=roles)) == 1
    assert not _warnings(rows[0], both, a_lead(), roles=roles)


def _prohibition(**changes: Any) -> dict[str, Any]:
    return {"id": "p", "kinds": "refund", "reason": "no", **changes}


@pytest.mark.parametrize(
    ("prohibition", "mandate", "never"),
    [
        (_prohibition(), a_mandate(), True),
        (_prohibition(when=ASKED), a_mandate(when=ASKED), True),
        (_prohibition(when=ASKED), a_mandate(), False),
        (_prohibition(**{"except": "manager"}), a_mandate(), False),
        (_prohibition(categories=["a"]), a_mandate(), False),
        (_prohibition(), a_mandate(grants=["refund", "flowers"]), False),
    ],
)
def test_a_mandate_for_prohibited_requests_is_never_used(
    prohibition: dict[str, Any], mandate: dict[str, Any], never: bool
) -> None:
    said = _warnings(mandate, a_lead(), prohibitions=[prohibition])
    assert said == (
        ["this mandate is never used: `p` (line 1) prohibits all that it would grant"] if never else []
    )


@pytest.mark.timeout(60)
def test_many_mandates_of_one_kind_are_compared_quickly() -> None:
    """Comparing all pairs would be 12 million comparisons."""
    rows = [a_mandate(id=f"m{n}", limit=n % 40 + 1, categories=[f"c{n}"]) for n in range(5_000)]
    assert _warnings(*rows, a_mandate(id="last", limit=1, categories=["c9"]), a_lead()) == [
        "this mandate is never used: `m9` (line 1) is tried before it and grants all that it would"
    ]


def test_a_budget_that_no_mandate_draws_on_is_reported_at_its_name() -> None:
    text = f"""{HEAD}budgets:
  used: {{per: agent, window: day, cap: 250}}
  spare: {{per: agent, window: day, cap: 250}}
mandates:
  - {{id: m, grants: refund, to: agent, budgets: [used, {{id: spare, per: team, window: day, count: 2}}]}}
  - {{id: lead, grants: "*", to: team_lead}}
{LADDER}"""
    assert [str(one) for one in check_policy(text).problems] == [
        "10:3: warning: no mandate draws on budget `spare`"
    ]


TRAINEE = {**ROLES, "trainee": {}}
UNUSED = "role `trainee` is not used: nothing names it, a role that it extends, or a role that extends it"
UNUSED_OR_POWERLESS = (
    f"{UNUSED}; this is fine if people with it may not decide anything (check with `--staff FILE`)"
)


@pytest.mark.parametrize(
    ("roles", "changes", "unused"),
    [
        (TRAINEE, {}, True),
        ({**TRAINEE, "trainee": {"extends": "agent"}}, {}, False),
        ({**TRAINEE, "agent": {"extends": "trainee"}}, {}, False),
        (TRAINEE, {"prohibitions": [_prohibition(kinds="x", **{"except": "trainee"})]}, False),
        (TRAINEE, {"mandates": [a_lead(), a_mandate(to=["agent", "trainee"])]}, False),
        (TRAINEE, {"mandates": [a_lead(), a_mandate(discretion={"reviewer": "trainee"})]}, False),
    ],
)
def test_a_role_that_nothing_names_is_reported(
    roles: dict[str, Any], changes: dict[str, Any], unused: bool
) -> None:
    said = _warnings(a_mandate(), a_lead(), roles=roles, **changes)
    assert (UNUSED_OR_POWERLESS in said) is unused


def test_a_role_that_only_a_step_names_is_used() -> None:
    ladder = [{"id": "a", "steps": [{"to": "team_lead"}, {"to": "trainee"}]}]
    assert UNUSED_OR_POWERLESS not in _warnings(a_mandate(), a_lead(), roles=TRAINEE, escalation=ladder)


@pytest.mark.parametrize(("held", "said"), [({"trainee"}, False), ({"junior"}, False), ({"agent"}, True)])
def test_a_role_without_mandates_is_fine_if_somebody_has_it(held: set[str], said: bool) -> None:
    roles = {**TRAINEE, "junior": {"extends": "trainee"}}
    text = a_policy(a_mandate(), a_lead(), roles=roles)
    problems = [one.text for one in check_policy(text, staff_roles=held).problems]
    assert (UNUSED in problems) is said
    assert not any("--staff FILE" in one for one in problems)


def test_roles_that_nobody_has_are_reported_if_the_staff_is_known() -> None:
    text = a_policy(a_mandate(), a_lead())
    assert check_policy(text).problems == ()
    said = [one.text for one in check_policy(text, staff_roles={"agent", "team_lead"}).problems]
    assert said == ["nobody on the staff has role `manager`, or one that extends it"]
    assert check_policy(text, staff_roles={"manager"}).problems == ()


def test_an_idle_step_is_reported_at_its_role() -> None:
    text = f"""{HEAD}mandates:
  - {{id: m, grants: refund, to: agent, limit: 50}}
{LADDER}"""
    assert [str(one) for one in check_policy(text).problems] == [
        "10:41: warning: `team_lead` can grant no request that reaches this step: every role has its"
        " mandates too"
    ]


def _idle(*mandates: dict[str, Any], **changes: Any) -> bool:
    return any(
        "can grant no request that reaches this step" in one for one in _warnings(*mandates, **changes)
    )


AGENTS = a_mandate(id="agents", limit=50)


@pytest.mark.parametrize(
    ("own", "idle"),
    [
        (a_mandate(to="team_lead", limit=50), True),
        (a_mandate(to="team_lead", limit=20, budgets=[a_budget()]), True),
        (a_mandate(to="team_lead", limit=20, when="agent.team == 'north'"), True),
        (a_mandate(to="team_lead", limit=20, discretion={}), True),
        (a_mandate(to="team_lead", limit=50.01), False),
        (a_mandate(to="team_lead", grants="flowers"), False),
        (a_mandate(to="team_lead", limit="facts.paid"), False),
    ],
)
def test_a_step_is_idle_if_everybody_has_the_mandates_of_its_role(own: dict[str, Any], idle: bool) -> None:
    assert _idle(AGENTS, own) is idle


@pytest.mark.parametrize(
    ("shared", "idle"),
    [
        (a_mandate(when="facts.late", limit="facts.paid"), True),
        (a_mandate(discretion={}), False),
        (a_mandate(budgets=[a_budget()]), False),
        (a_mandate(when="agent.team == 'billing'"), False),
        (a_mandate(when="now.getHours('Europe/Amsterdam') < 17"), False),
        (a_mandate(limit="agent.role == 'agent' ? 10 : 50"), False),
    ],
)
def test_a_shared_mandate_may_still_fit_another_person_or_later(shared: dict[str, Any], idle: bool) -> None:
    assert _idle(shared) is idle


def test_a_step_is_not_idle_if_one_role_lacks_a_mandate() -> None:
    roles = {**ROLES, "trainee": {}}
    ladder = [{"id": "a", "steps": [{"to": "agent"}]}]
    assert _idle(AGENTS, escalation=ladder)
    assert not _idle(AGENTS, roles=roles, escalation=ladder)


def test_a_step_without_mandates_is_idle_unless_an_extending_role_has_one() -> None:
    roles = {"agent": {}, "lead": {}, "lead_north": {"extends": "lead"}}
    ladder = [{"id": "a", "steps": [{"to": "lead"}]}]
    assert _warnings(AGENTS, roles=roles, escalation=ladder)[-1] == (
        "`lead` can grant no request that reaches this step: it has no mandate"
    )
    assert not _idle(AGENTS, a_lead(to="lead_north"), roles=roles, escalation=ladder)


def test_each_step_is_checked() -> None:
    ladder = [{"id": "a", "steps": [{"to": "team_lead"}, {"to": "agent"}]}]
    assert _warnings(AGENTS, a_lead(), escalation=ladder) == [
        "`agent` can grant no request that reaches this step: every role has its mandates too"
    ]


def test_an_unusable_policy_gets_no_warnings_of_this_kind() -> None:
    text = a_policy(a_mandate(), a_mandate(id="n"), a_mandate(id="o", grants="A"))
    assert all(one.severity == "error" for one in check_policy(text).problems)
