"""The effect of a person's verdict (docs/concepts.md, What happens to an escalated request)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from schemas.cloud_event import CloudEvent
from schemas.decision import Decision
from schemas.errors import Unreadable
from tests.builders.cases import a_case_body, a_request_body
from tests.builders.inputs import a_later_reply, a_reply, a_submission
from tests.builders.policies import a_mandate
from tests.builders.staff import a_member
from tests.in_memory_rules import InMemoryRules

SEQ = 1_772_438_402_123_456
MANDATES = (a_mandate(id="small", limit=40), a_mandate(id="lead", grants="*", to="team_lead", limit=500))
AWAY = {"from": "2026-03-01T00:00:00Z", "until": "2026-03-09T00:00:00Z"}


def asked(*people: Any, **policy: Any) -> InMemoryRules:
    """A shop where agent-01 of team north asked for 45.00, which needs a team lead."""
    return InMemoryRules(*MANDATES, opened=a_submission(), people=people, **policy)


def events(shop: InMemoryRules, *replies: Any) -> list[dict[str, Any]]:
    """The events of the last reply."""
    found: list[dict[str, Any]] = []
    for place, one in enumerate(replies):
        found = [json.loads(value) for value in shop.decide(one, SEQ + place).values]
    return found


def outcome(shop: InMemoryRules, *replies: Any) -> tuple[str, list[str]]:
    """The type of the first event of the last reply, and the codes of its reasons."""
    first = events(shop, *replies)[0]
    kind = first["type"].removeprefix("mandaat.").removesuffix(".v1")
    return kind, [reason["code"] for reason in first["data"]["reasons"]]


@pytest.mark.parametrize("verdict", ["approve", "reject"])
def test_the_words_of_the_person_who_decided_stand_on_the_decision(verdict: str) -> None:
    decision, closed = events(asked(), a_reply(verdict, data={"reason": "once, out of goodwill"}))
    assert decision["data"]["note"] == closed["data"]["note"] == "once, out of goodwill"
    assert closed["data"]["verdict"] == verdict


@pytest.mark.parametrize("reason", [None, ""])
def test_a_decision_without_words_has_no_note(reason: str | None) -> None:
    decision, _ = events(asked(), a_reply(data={"reason": reason}))
    assert "note" not in decision["data"]


@pytest.mark.parametrize("verdict", ["approve", "reject"])
def test_an_answer_that_changes_nothing_names_the_verdict_too(verdict: str) -> None:
    (event,) = events(asked(), a_reply(verdict, data={"agent_id": "agent-01"}))
    assert event["data"]["verdict"] == verdict
    late = events(asked(), a_reply(), a_reply(verdict, data={"reply_id": "second"}))[0]
    assert (late["type"], late["data"]["verdict"]) == ("mandaat.approval.late.v1", verdict)


def test_a_decision_with_a_note_is_read_and_written_byte_for_byte() -> None:
    shop = asked()
    first = shop.decide(a_reply(data={"reason": "once, out of goodwill"}), SEQ).values
    event = CloudEvent[Decision].model_validate_json(first[0])
    assert event.data.note == "once, out of goodwill"
    assert event.to_bytes() == first[0]


def test_the_lead_of_the_team_approves() -> None:
    decision, closed = events(asked(), a_reply(data={"reason": "she is right"}))
    assert (decision["data"]["outcome"], decision["data"]["amount"]) == ("approved", "45.00")
    assert closed["data"]["note"] == "she is right"
    assert closed["data"]["verdict"] == "approve"
    assert closed["data"]["giver"] == "lead-north"


@pytest.mark.parametrize("amount", [None, "30.00"])
def test_an_amount_of_the_approver_is_in_the_currency_of_the_request(amount: str | None) -> None:
    in_dollars = a_submission(a_case_body(request=a_request_body(currency="USD")))
    shop = InMemoryRules(*MANDATES, opened=in_dollars)
    assert outcome(shop, a_reply(data={"amount": amount})) == (
        "approval.not_entitled",
        ["currency_not_covered"],
    )


@pytest.mark.parametrize("amount", ["20.00", "45", "500", "0.00"])
def test_the_lead_approves_another_amount_within_their_own_mandate(amount: str) -> None:
    decision = events(asked(), a_reply(data={"amount": amount}))[0]["data"]
    assert decision["outcome"] == "approved"
    assert float(decision["amount"]) == float(amount)
    assert decision["currency"] == "EUR"


def test_an_amount_above_the_own_mandate_is_not_entitled_and_leaves_it_open() -> None:
    shop = asked()
    kind, why = outcome(shop, a_reply(data={"amount": "500.01"}))
    assert (kind, set(why)) == ("approval.not_entitled", {"over_limit"})
    assert outcome(shop, a_later_reply(a_reply())) == ("decision.approved", ["over_limit"])


def test_an_amount_with_too_many_decimals_is_not_entitled() -> None:
    found = outcome(asked(), a_reply(data={"amount": "20.001"}))
    assert found == ("approval.not_entitled", ["amount_unreadable"])


def test_the_lead_rejects() -> None:
    decision, closed = events(asked(), a_reply("reject"))
    assert (decision["data"]["outcome"], decision["data"]["by"]) == ("refused", "person")
    assert (decision["data"]["mandate"], decision["data"]["amount"]) == (None, "45.00")
    assert closed["data"]["approval"]["closing"]["outcome"] == "refused"


@pytest.mark.parametrize("verdict", ["approve", "reject"])
def test_the_first_verdict_wins_and_the_next_is_late(verdict: str) -> None:
    shop = asked()
    assert outcome(shop, a_reply(), a_later_reply(a_reply(verdict))) == ("approval.late", [])
    (late,) = events(shop, a_later_reply(a_later_reply(a_reply(verdict))))
    assert late["data"]["approval"]["state"] == "closed"
    assert late["data"]["giver"] == "lead-north"


@pytest.mark.parametrize(
    ("giver", "people", "why"),
    [
        ("agent-01", (), "own_request"),
        ("agent-01", (a_member(role="team_lead"),), "own_request"),
        ("agent-02", (a_member("agent-02"),), "not_an_approver"),
        ("lead-north", (a_member("lead-north", role="team_lead", absences=[AWAY]),), "absent"),
        ("nobody", (), "unknown_agent"),
    ],
)
@pytest.mark.parametrize("verdict", ["approve", "reject"])
def test_a_reply_from_somebody_who_may_not_answer_changes_nothing(
    giver: str, people: Any, why: str, verdict: str
) -> None:
    shop = asked(*people)
    before = dict(shop.states)
    assert outcome(shop, a_reply(verdict, data={"agent_id": giver})) == ("approval.not_entitled", [why])
    assert shop.states == before


def test_another_teams_lead_may_answer_if_the_own_team_has_nobody_present() -> None:
    away = a_member("lead-north", role="team_lead", absences=[AWAY])
    assert outcome(asked(away), a_reply(data={"agent_id": "lead-south"}))[0] == "decision.approved"


def test_a_delegate_answers_in_place_of_an_absent_person() -> None:
    away = a_member("lead-north", role="team_lead", absences=[{**AWAY, "delegate": "manager-1"}])
    shop = asked(away, a_member("manager-1", role="manager", team="south"))
    assert outcome(shop, a_reply(data={"agent_id": "manager-1"}))[0] == "decision.approved"
    assert outcome(asked(away), a_reply(data={"agent_id": "lead-north"}))[1] == ["absent"]


def test_a_prohibition_also_binds_a_persons_verdict() -> None:
    shop = asked(prohibitions=[{"id": "never", "kinds": "refund", "reason": "nobody can do this"}])
    decision, closed = events(shop, a_reply())
    assert (decision["data"]["outcome"], decision["data"]["by"]) == ("refused", "prohibition")
    assert [reason["prohibition"] for reason in decision["data"]["reasons"]] == ["never"]
    assert (decision["data"]["decided_by"], decision["data"]["mandate"]) == ("lead-north", None)
    assert closed["data"]["approval"]["state"] == "closed"


def test_rejecting_a_prohibited_request_is_a_persons_refusal() -> None:
    shop = asked(prohibitions=[{"id": "never", "kinds": "refund", "reason": "nobody can do this"}])
    assert events(shop, a_reply("reject"))[0]["data"]["by"] == "person"


def test_a_verdict_is_judged_by_the_policy_and_staff_of_its_moment() -> None:
    assert outcome(asked(mandates=[a_mandate(id="small", limit=40)]), a_reply())[0] == "approval.not_entitled"
    decision = events(asked(version="2"), a_reply())[0]["data"]
    assert decision["policy"]["version"] == "2"
    assert decision["request_digest"] == a_submission().digest


def test_a_verdict_on_an_unknown_approval_is_unreadable() -> None:
    with pytest.raises(Unreadable, match="unknown_approval"):
        InMemoryRules(*MANDATES).decide(a_reply(), SEQ)


def test_a_verdict_never_finds_another_tenants_approval() -> None:
    shop = asked()
    assert list(shop.states) == [a_reply().state_id]
    assert a_reply(tenant="other").state_id not in shop.states


def test_a_tenant_without_an_active_policy_is_unknown() -> None:
    with pytest.raises(Unreadable, match="unknown_tenant"):
        asked().decide(a_reply(tenant="other"), SEQ)
