"""The people who may answer an approval, and the effect of their verdict (docs/policy.md, The ladder)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from engine.expressions.evaluation import Surroundings
from engine.inputs import OFFLINE, ApproveReply, RejectReply
from engine.judging.budgets import Counters
from engine.judging.conclusions import Forbidden, Granted, NotEntitled, Rejected, VerdictConclusion
from engine.judging.ladder import Ladder
from engine.judging.mandates import Judge
from engine.judging.staff import Staff
from engine.judging.verdict import assess_verdict
from engine.policy import PolicyBook
from schemas.approval import Approval
from schemas.case import Case
from schemas.decision import AgentRef, PolicyRef
from schemas.money import Money
from schemas.reply import Verdict
from tests.builders.cases import a_case
from tests.builders.policies import a_book, a_mandate
from tests.builders.staff import a_member, a_staff
from tests.judging import NOW

LEADS = a_mandate(id="lead", grants="*", to="team_lead", limit=500)
AWAY = {"from": "2026-03-02T00:00:00Z", "until": "2026-03-03T00:00:00Z"}


def _approvers(
    *people: Any, book: PolicyBook | None = None, case: Case | None = None, team: str | None = "north"
) -> tuple[str, ...]:
    case, book = case or a_case(), book or a_book(LEADS)
    judge = Judge(Surroundings(case, None, NOW, case.request.money), book.currency)
    asked = Ladder(case, book, a_staff(*people), NOW, NOW, team, judge).asked
    assert asked is not None
    return asked.approvers


def _verdict(
    by: str,
    *people: Any,
    amount: str | None = None,
    approves: bool = True,
    book: PolicyBook | None = None,
    case: Case | None = None,
    opened_at: datetime = NOW,
) -> VerdictConclusion:
    case, book = case or a_case(), book or a_book(LEADS)
    approval = Approval(
        approval_id="apr_x",
        tenant="acme",
        case_id="c-1",
        request_id="r1",
        state="open",
        version=1,
        opened_at=opened_at,
        case=case,
        agent=AgentRef(role="agent", team="north"),
        step=book.step,
        escalation="d",
        policy=PolicyRef(name=book.name, version=book.version, digest=book.digest),
        request_digest="x",
    )
    verdict = Verdict(
        agent_id=by, reply_id="reply", amount=amount, approval_id="apr_x", case_id="c-1", request_id="r1"
    )
    staff: Staff = a_staff(*people)
    kind = ApproveReply if approves else RejectReply
    reply = kind(OFFLINE, "evt", NOW, None, "acme", verdict)
    assessment = assess_verdict(approval, reply, book=book, staff=staff)
    return assessment.conclude(*Counters().settle(assessment.charge_options))


def _steps(*roles: str) -> list[dict[str, Any]]:
    return [{"id": "default", "steps": [{"to": role} for role in roles]}]


def _codes(verdict: VerdictConclusion) -> list[str]:
    assert isinstance(verdict, NotEntitled)
    return [reason.code for reason in verdict.reasons]


def test_the_lead_of_the_agent_s_team_is_told() -> None:
    assert _approvers() == ("lead-north",)
    assert _approvers(team="south") == ("lead-south",)


def test_a_step_mails_only_people_with_its_own_role() -> None:
    assert _approvers(a_member("boss", role="manager")) == ("lead-north",)
    assert _approvers(a_member("sen", role="senior")) == ("lead-north",)


def test_a_manager_may_answer_a_team_lead_s_approval_without_being_told_of_it() -> None:
    boss, managers = a_member("boss", role="manager", team="hq"), a_book(LEADS, a_mandate(to="manager"))
    for approves in (True, False):
        assert not isinstance(_verdict("boss", boss, book=managers, approves=approves), NotEntitled)


def test_a_lead_of_another_team_may_answer_without_being_told_of_it() -> None:
    assert isinstance(_verdict("lead-south"), Granted)
    assert _codes(_verdict("lead-south", amount="500.01")) == ["over_limit"]
    assert _verdict("lead-south", approves=False) == Rejected()


def test_roles_that_extend_the_step_s_role_are_told_if_nobody_on_the_staff_has_that_role() -> None:
    book = a_book(LEADS, a_mandate(to="senior"), escalation=_steps("senior", "manager"))
    boss = a_member("boss", role="manager", team="hq")
    assert _approvers(boss, book=book) == ("lead-north",)
    assert _approvers(boss, a_member("sen", role="senior"), book=book) == ("sen",)


def test_people_of_any_team_are_told_if_the_own_team_has_nobody() -> None:
    assert _approvers(team="west") == ("lead-north", "lead-south")
    assert _approvers(team=None) == ("lead-north", "lead-south")
    assert _approvers(a_member("lead-north", role="team_lead", absences=[AWAY])) == ("lead-south",)


def test_the_asking_agent_may_never_answer() -> None:
    asking = a_case(agent_id="lead-north")
    assert _approvers(case=asking) == ("lead-south",)
    assert _codes(_verdict("lead-north", case=asking)) == ["own_request"]


def test_a_delegate_may_answer_only_during_the_absence() -> None:
    deputy = a_member("deputy", role="team_lead", team="south")
    away = a_member("lead-north", role="team_lead", absences=[{**AWAY, "delegate": "deputy"}])
    back = a_member("lead-north", role="team_lead", absences=[{**AWAY, "until": "2026-03-02T08:00:00Z"}])
    assert _approvers(deputy, away) == ("deputy",)
    assert _approvers(deputy, back) == ("lead-north",)
    assert _codes(_verdict("lead-north", deputy, away)) == ["absent"]


def test_a_stand_in_answers_under_their_own_mandate_and_only_during_the_absence() -> None:
    book = a_book(LEADS, a_mandate(id="agents", limit=45))
    away = a_member("lead-north", role="team_lead", absences=[{**AWAY, "delegate": "agent-02"}])
    back = a_member("lead-north", role="team_lead")
    agent = a_member("agent-02")
    assert _approvers(agent, away, book=book) == ("agent-02",)
    assert _verdict("agent-02", agent, away, book=book) == Granted("agents", Money(4500, "EUR"))
    assert _codes(_verdict("agent-02", agent, away, book=book, amount="45.01")) == ["over_limit"]
    assert _codes(_verdict("agent-02", agent, back, book=book)) == ["not_an_approver"]


def test_an_absent_delegate_passes_it_on_and_a_ring_of_delegates_ends() -> None:
    first = a_member("lead-north", role="team_lead", absences=[{**AWAY, "delegate": "second"}])
    second = a_member("second", role="manager", team="hq", absences=[{**AWAY, "delegate": "third"}])
    assert _approvers(first, second, a_member("third", role="manager", team="hq")) == ("third",)
    ring = a_member("second", role="manager", team="hq", absences=[{**AWAY, "delegate": "lead-north"}])
    assert _approvers(first, ring) == ("lead-south",)


def test_a_delegate_without_a_mandate_of_their_own_is_not_told() -> None:
    away = a_member("lead-north", role="team_lead", absences=[{**AWAY, "delegate": "agent-02"}])
    assert _approvers(away, a_member("agent-02")) == ("lead-south",)
    assert _codes(_verdict("agent-02", away, a_member("agent-02"))) == ["no_mandate"]


def test_the_asking_agent_does_not_answer_as_a_delegate() -> None:
    away = a_member("lead-north", role="team_lead", absences=[{**AWAY, "delegate": "agent-01"}])
    assert _approvers(away, a_member("agent-01", role="manager")) == ("lead-south",)


@pytest.mark.parametrize(
    "absence",
    [
        {**AWAY, "delegate": "boss"},
        {"from": "2026-03-02T07:00:00Z", "until": "2026-03-02T08:00:00Z", "delegate": "boss"},
        {"from": "2026-03-02T07:30:00Z", "until": "2026-03-02T07:45:00Z", "delegate": "boss"},
    ],
)
@pytest.mark.parametrize("approves", [True, False])
def test_nobody_answers_a_request_of_somebody_for_whom_they_stood_in(
    absence: dict[str, str], approves: bool
) -> None:
    asker, boss = a_member(absences=[absence]), a_member("boss", role="manager")
    verdict = _verdict("boss", asker, boss, opened_at=NOW - timedelta(hours=1), approves=approves)
    assert _codes(verdict) == ["stood_in"]
    assert isinstance(_verdict("lead-north", asker, boss), Granted)


def test_a_stand_in_of_the_asking_agent_is_not_told() -> None:
    asker = a_member(absences=[{**AWAY, "delegate": "lead-north"}])
    assert _approvers(asker) == ("lead-south",)


def test_an_absence_before_the_request_keeps_nobody_from_answering() -> None:
    before = {"from": "2026-03-01T00:00:00Z", "until": "2026-03-02T07:00:00Z", "delegate": "lead-north"}
    assert isinstance(_verdict("lead-north", a_member(absences=[before])), Granted)


@pytest.mark.parametrize(
    "mandate",
    [
        a_mandate(to="team_lead", limit=44),
        a_mandate(to="team_lead", grants="flowers"),
        a_mandate(to="team_lead", categories=["billing"]),
        a_mandate(to="team_lead", when="facts.days_late > 6"),
        a_mandate(to="team_lead", when="facts.absent"),
        a_mandate(to="manager"),
    ],
)
def test_the_step_is_asked_even_if_no_mandate_covers_the_request(mandate: Any) -> None:
    assert _approvers(book=a_book(mandate)) == ("lead-north",)
    assert _approvers(book=a_book(mandate), team="east") == ("lead-north", "lead-south")


def test_another_team_that_may_grant_it_is_asked_before_the_own_team_that_may_not() -> None:
    book = a_book(a_mandate(to="team_lead", when="agent.team == 'south'"))
    assert _approvers(book=book) == ("lead-south",)


def test_a_request_that_no_mandate_covers_can_be_rejected_or_granted_in_part() -> None:
    book = a_book(a_mandate(id="lead", to="team_lead", limit=44))
    assert _codes(_verdict("lead-north", book=book)) == ["over_limit"]
    assert _verdict("lead-north", book=book, approves=False) == Rejected()
    assert _verdict("lead-north", book=book, amount="44.00") == Granted("lead", Money(4400, "EUR"))


@pytest.mark.parametrize("colleague", ["agent-02", "zoe"], ids=["before the leads", "after the leads"])
def test_a_colleague_of_the_agent_is_no_approver_wherever_their_id_sorts(colleague: str) -> None:
    assert _codes(_verdict(colleague, a_member(colleague))) == ["not_an_approver"]


def test_a_currency_that_the_policy_does_not_cover_can_be_rejected_and_not_approved() -> None:
    dollars = a_case(currency="USD")
    assert _approvers(case=dollars) == ("lead-north",)
    assert _codes(_verdict("lead-north", case=dollars)) == ["currency_not_covered"]
    assert _verdict("lead-north", case=dollars, approves=False) == Rejected()


def test_a_step_without_people_asks_nobody() -> None:
    book = a_book(LEADS, escalation=_steps("manager"))
    assert _approvers(book=book) == ()


def test_conditions_are_judged_with_the_person_who_answers() -> None:
    book = a_book(a_mandate(to="team_lead", when="agent.agent_id == 'lead-2' && agent.role != 'agent'"))
    assert _approvers(a_member("lead-2", role="team_lead"), book=book) == ("lead-2",)


def test_an_approver_approves_under_their_own_mandate() -> None:
    assert _verdict("lead-north") == Granted("lead", Money(4500, "EUR"))
    assert _verdict("lead-north", amount="500.00") == Granted("lead", Money(50000, "EUR"))
    assert _verdict("lead-north", approves=False) == Rejected()


def test_another_amount_must_be_within_the_approver_s_own_mandate() -> None:
    assert _codes(_verdict("lead-north", amount="500.01")) == ["over_limit"]


@pytest.mark.parametrize("amount", ["45.001", "99999999999999.00"])
def test_an_amount_with_wrong_decimals_or_too_large_has_no_effect(amount: str) -> None:
    assert _codes(_verdict("lead-north", amount=amount)) == ["amount_unreadable"]


@pytest.mark.parametrize("approves", [True, False])
def test_anybody_else_is_not_entitled(approves: bool) -> None:
    assert _codes(_verdict("nobody", approves=approves)) == ["unknown_agent"]
    assert _codes(_verdict("agent-02", a_member("agent-02"), approves=approves)) == ["not_an_approver"]


def test_a_prohibition_holds_against_a_person_s_verdict_too() -> None:
    rule = {
        "id": "fraud",
        "kinds": "*",
        "when": "facts.days_late > 1",
        "except": "manager",
        "reason": "fraud desk",
    }
    book = a_book(LEADS, prohibitions=[rule])
    forbidden = _verdict("lead-north", book=book)
    assert isinstance(forbidden, Forbidden)
    assert [reason.prohibition for reason in forbidden.reasons] == ["fraud"]
    assert _verdict("lead-north", book=book, approves=False) == Rejected()
    assert isinstance(_verdict("boss", a_member("boss", role="manager"), book=book), Granted)


def test_a_prohibition_that_cannot_be_judged_does_not_bind_the_person() -> None:
    rule = {"id": "fraud", "kinds": "*", "when": "facts.fraud_flag", "reason": "fraud desk"}
    assert isinstance(_verdict("lead-north", book=a_book(LEADS, prohibitions=[rule])), Granted)
