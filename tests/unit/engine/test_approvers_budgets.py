"""An approver's own budgets are charged for what they approve (docs/policy.md, Budgets)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.builders.approvals import an_approval_id
from tests.builders.cases import a_case_body, a_request_body
from tests.builders.inputs import a_reply, a_submission, a_withdrawal
from tests.builders.policies import a_mandate, an_own_budget
from tests.builders.staff import a_member
from tests.in_memory_rules import InMemoryRules

SEQ = 1_772_438_402_123_456
AWAY = [{"from": "2026-03-01T00:00:00Z", "until": "2026-03-09T00:00:00Z", "delegate": "boss"}]


def a_shop(*mandates: dict[str, Any], people: Any = (), **policy: Any) -> InMemoryRules:
    """45.00 was asked, and somebody may grant it."""
    small = a_mandate(id="small", limit=40, budgets=[an_own_budget(per="tenant", cap=1_000)])
    zone = {"timezone": "Europe/Amsterdam"}
    return InMemoryRules(small, *mandates, opened=a_submission(), people=people, **zone, **policy)


def a_lead_with_a_budget(**changes: Any) -> dict[str, Any]:
    return a_mandate(**{"id": "lead", "to": "team_lead", "budgets": [an_own_budget()], **changes})


def settled(shop: InMemoryRules, one: Any) -> list[dict[str, Any]]:
    return [json.loads(value) for value in shop.decide(one, SEQ).values]


def charges(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = events[0]["data"]["charges"]
    return found


@pytest.mark.parametrize(
    ("per", "scope"),
    [
        ("agent", "agent:lead-north"),
        ("team", "team:north"),
        ("customer", "customer:cu-1"),
        ("tenant", "tenant"),
    ],
)
def test_the_approver_s_budget_is_charged(per: str, scope: str) -> None:
    events = settled(a_shop(a_lead_with_a_budget(budgets=[an_own_budget(per=per)])), a_reply())
    expected = {"budget": "lead.b", "scope": scope, "window": "2026-03-02", "amount": "45.00"}
    assert charges(events) == [expected]
    assert events[0]["data"]["mandate"] == "lead"


def test_the_budget_of_the_approver_s_team_at_that_moment_is_charged() -> None:
    people = [
        a_member("lead-north", role="team_lead", absences=AWAY),
        a_member("boss", role="manager", team="hq"),
    ]
    shop = a_shop(a_lead_with_a_budget(budgets=[an_own_budget(per="team")]), people=people)
    (charge,) = charges(settled(shop, a_reply(data={"agent_id": "boss"})))
    assert charge["scope"] == "team:hq"


@pytest.mark.parametrize(
    ("time", "window"), [("2026-03-02T22:59:59Z", "2026-03-02"), ("2026-03-02T23:00:00Z", "2026-03-03")]
)
def test_the_window_is_that_of_the_time_of_the_reply(time: str, window: str) -> None:
    (charge,) = charges(settled(a_shop(a_lead_with_a_budget()), a_reply(time=time)))
    assert charge["window"] == window


def test_the_approved_amount_is_charged() -> None:
    events = settled(a_shop(a_lead_with_a_budget()), a_reply(data={"amount": "12.5"}))
    assert (events[0]["data"]["amount"], charges(events)[0]["amount"]) == ("12.50", "12.50")
    assert charges(settled(a_shop(a_lead_with_a_budget()), a_reply(data={"amount": "0.00"}))) == []


def test_a_rejection_charges_nothing() -> None:
    events = settled(a_shop(a_lead_with_a_budget()), a_reply("reject"))
    assert (events[0]["data"]["outcome"], charges(events)) == ("refused", [])


def test_an_approval_without_room_stays_open_for_less_or_for_another_day() -> None:
    shop = a_shop(a_lead_with_a_budget(budgets=[an_own_budget(cap=30)]))
    before = dict(shop.states)
    (event,) = settled(shop, a_reply())
    assert event["type"] == "mandaat.approval.not_entitled.v1"
    reasons = {one["code"]: one for one in event["data"]["reasons"]}
    assert reasons["budget_exhausted"]["figures"]["left"] == "30.00"
    assert reasons["over_limit"]["mandate"] == "small"
    assert shop.states == before
    less = a_reply(data={"reply_id": "less", "amount": "30.00"})
    assert settled(shop, less)[0]["data"]["outcome"] == "approved"


def test_the_approver_s_next_mandate_is_tried_if_the_first_has_no_room() -> None:
    shop = a_shop(
        a_lead_with_a_budget(id="first", budgets=[an_own_budget(cap=30)]), a_lead_with_a_budget(id="second")
    )
    decision = settled(shop, a_reply())[0]["data"]
    assert (decision["mandate"], decision["charges"][0]["budget"]) == ("second", "second.b")
    passed = [(one["code"], one["mandate"]) for one in decision["reasons"]]
    assert passed == [("over_limit", "small"), ("budget_exhausted", "first")]


def test_an_approver_has_one_budget_for_everything_that_they_approve() -> None:
    shop = a_shop(a_lead_with_a_budget())
    for case_id in ("c-2", "c-3"):
        shop.decide(a_submission(a_case_body(case_id=case_id)), SEQ)

    def verdict(case_id: str) -> Any:
        data = {"case_id": case_id, "approval_id": an_approval_id(case_id)}
        return a_reply(data=data, subject=case_id)

    assert settled(shop, verdict("c-1"))[0]["data"]["outcome"] == "approved"
    assert settled(shop, verdict("c-2"))[0]["data"]["outcome"] == "approved"
    assert settled(shop, verdict("c-3"))[0]["type"] == "mandaat.approval.not_entitled.v1"
    withdrawn = settled(shop, a_withdrawal())
    assert [one["amount"] for one in charges(withdrawn)] == ["-45.00"]
    again = a_reply(
        data={"case_id": "c-3", "approval_id": an_approval_id("c-3"), "reply_id": "2"}, subject="c-3"
    )
    assert settled(shop, again)[0]["data"]["outcome"] == "approved"


@pytest.mark.parametrize(
    ("reason", "counts"), [("I have known her for years", True), (" ", False), (None, False)]
)
def test_discretion_of_an_approver_needs_their_own_reason(reason: str | None, counts: bool) -> None:
    own = a_lead_with_a_budget(id="own", discretion={"review_within": "5d", "reviewer": "manager"})
    case = a_case_body(request=a_request_body(discretion=True))
    shop = InMemoryRules(a_mandate(limit=1), own, opened=a_submission(case), timezone="UTC")
    event = settled(shop, a_reply(data={"reason": reason}))[0]
    if counts:
        assert (event["data"]["by"], event["data"]["mandate"]) == ("person", "own")
        assert charges([event])[0]["budget"] == "own.b"
    else:
        codes = [one["code"] for one in event["data"]["reasons"]]
        assert codes == ["over_limit", "discretion_needs_reason"]


def test_discretion_of_an_approver_is_tried_only_if_it_was_asked_for() -> None:
    own = a_lead_with_a_budget(id="own", discretion={"review_within": "5d", "reviewer": "manager"})
    event = settled(a_shop(own), a_reply(data={"reason": "I know her"}))[0]
    assert [one["mandate"] for one in event["data"]["reasons"]] == ["small"]


def test_the_approval_s_own_step_answers_under_a_new_policy_with_another_step() -> None:
    ladder = [{"id": "default", "steps": [{"to": "manager"}]}]
    shop = a_shop(a_lead_with_a_budget(), people=[a_member("boss", role="manager")], escalation=ladder)
    assert settled(shop, a_reply())[0]["data"]["outcome"] == "approved"


def test_the_new_ladder_answers_if_a_new_policy_does_not_have_the_role() -> None:
    roles: dict[str, Any] = {"agent": {}, "chief": {}}
    ladder = [{"id": "default", "steps": [{"to": "chief"}]}]
    chief = a_member("chief-1", role="chief")
    shop = InMemoryRules(a_mandate(limit=40), opened=a_submission())
    changed = InMemoryRules(a_mandate(id="all", to="chief"), roles=roles, escalation=ladder, people=[chief])
    changed.states = shop.states
    assert settled(changed, a_reply(data={"agent_id": "chief-1"}))[0]["data"]["outcome"] == "approved"
    assert (
        settled(changed, a_reply(data={"reply_id": "2", "agent_id": "lead-north"}))[0]["type"]
        == "mandaat.approval.late.v1"
    )
