"""Laws of one decision, whatever was spent before (docs/policy.md, How a request is judged)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.moment import EARLIEST, TOO_LATE
from tests.laws import engine, reference_model, strategies, wider_policies
from tests.laws.charges import Charge, Json, minor_of, text_of
from tests.laws.example_counts import examples


class Question(NamedTuple):
    """The complete input of a decision."""

    policy: Json
    staff: Sequence[Json]
    spent: Sequence[Charge]
    case: Json
    now: datetime

    def answered(self) -> dict[str, Any]:
        """The decision of the engine."""
        return engine.decide(self.policy, self.staff, engine.a_ledger(self.spent), self.case, self.now)


@st.composite
def questions(draw: st.DrawFn, policies: st.SearchStrategy[Json] | None = None) -> Question:
    policy = draw(strategies.policies() if policies is None else policies)
    staff = draw(strategies.staffs())
    now = strategies.a_moment(draw, policy)
    case = strategies.a_case(draw, policy, staff)
    return Question(policy, staff, strategies.spending(draw, policy, staff, case, now), case, now)


@examples(700)
@given(questions())
def test_every_decision_is_that_of_the_reference_model(question: Question) -> None:
    decision = question.answered()
    reference = reference_model.decide(*question)
    said = engine.expected(reference, question.policy["currency"])
    assert engine.forgiving(engine.as_reference(decision), said) == said
    if reference.outcome == "escalated":
        assert decision["asked"] == {"step": reference.step, "approvers": reference.approvers}


@examples(80)
@given(questions(), st.data())
def test_the_same_question_gets_the_same_answer_whatever_comes_in_between(
    question: Question, data: st.DataObject
) -> None:
    answer = question.answered()
    other = question._replace(case=strategies.a_case(data.draw, question.policy, question.staff))
    other.answered()
    assert question.answered() == answer
    shuffled = question._replace(
        policy=dict(reversed([*question.policy.items()])),
        staff=list(reversed(question.staff)),
        spent=data.draw(st.permutations(question.spent)),
    )
    assert shuffled.answered() == answer


@examples(500)
@given(questions(), st.data())
def test_a_wider_mandate_never_turns_an_approval_into_an_escalation(
    question: Question, data: st.DataObject
) -> None:
    """With the budgets as they were at that moment, for one decision.

    Of several decisions it is not true: what the wider mandate lets through uses room that later ones lack.
    """
    wider = question._replace(policy=wider_policies.wider(data.draw, question.policy))
    if question.answered()["outcome"] == "approved":
        assert wider.answered()["outcome"] == "approved"


def test_a_wider_mandate_may_use_up_what_a_later_request_needs() -> None:
    pool = {"per": "agent", "window": "day", "cap": 50}
    row = {"id": "m", "grants": "*", "to": "agent", "limit": 30, "budgets": ["pool"]}
    narrow = a_policy(mandates=[row], budgets={"pool": pool})
    wide = a_policy(mandates=[row | {"limit": 40}], budgets={"pool": pool})
    outcomes = []
    for policy in (narrow, wide):
        ledger = engine.a_ledger()
        for amount in ("40.00", "30.00"):
            question = a_question(policy, amount=amount)
            decided = engine.decide(policy, question.staff, ledger, question.case, question.now)
            outcomes.append(decided["outcome"])
    assert outcomes == ["escalated", "approved", "approved", "escalated"]


@examples(120)
@given(questions(), st.data())
def test_spending_less_never_turns_an_approval_into_an_escalation(
    question: Question, data: st.DataObject
) -> None:
    if question.spent and question.answered()["outcome"] == "approved":
        kept = strategies.several(data.draw, range(len(question.spent)), most=len(question.spent) - 1)
        spared = question._replace(spent=[question.spent[place] for place in kept])
        assert spared.answered()["outcome"] == "approved"


@examples(150)
@given(questions(strategies.policies(blind=True)), st.data())
def test_a_person_who_may_grant_an_amount_may_grant_less(question: Question, data: st.DataObject) -> None:
    """If no expression uses the amount."""
    if question.case["request"].get("amount") is None:
        return
    asked = minor_of(question.case["request"]["amount"], question.case["request"]["currency"])
    if question.answered()["outcome"] == "approved":
        less = data.draw(st.integers(0, asked))
        assert asking_for(question, less).answered()["outcome"] == "approved"


@examples(500)
@given(questions())
def test_an_offer_on_the_spot_is_granted_when_it_is_requested(question: Question) -> None:
    decision = question.answered()
    if decision["on_the_spot"] is None:
        return
    currency = question.policy["currency"]
    offered = minor_of(decision["on_the_spot"], currency)
    assert decision["outcome"] == "escalated"
    assert offered > 0
    assert decision["amount"] is None or offered < minor_of(decision["amount"], currency)
    assert decision["currency"] == currency
    assert asking_for(question, offered).answered()["outcome"] == "approved"


@examples(500)
@given(questions(strategies.policies(blind=True)), st.data())
def test_nothing_above_an_offer_on_the_spot_is_granted(question: Question, data: st.DataObject) -> None:
    """Where no expression looks at the amount, and a mandate was tried: else less than was asked for may be
    judged otherwise.

    An offer comes only from a mandate whose `when` is true for the requested amount too.
    """
    decision = question.answered()
    if decision["outcome"] != "escalated" or decision["amount"] is None:
        return
    if decision["currency"] != question.policy["currency"]:
        return
    asked = minor_of(decision["amount"], decision["currency"])
    offered = minor_of(decision["on_the_spot"] or "0", decision["currency"])
    for more in {offered + 1, asked - 1, data.draw(st.integers(offered, asked))}:
        if offered < more < asked:
            assert asking_for(question, more).answered()["outcome"] == "escalated"


@examples(80)
@given(questions(), st.data())
def test_a_prohibition_never_leads_to_an_approval(question: Question, data: st.DataObject) -> None:
    more = [
        *question.policy.get("prohibitions", ()),
        strategies.a_prohibition(data.draw, "more", blind=False),
    ]
    before = question.answered()
    after = question._replace(policy={**question.policy, "prohibitions": more}).answered()
    if after["outcome"] == "approved":
        assert engine.as_reference(after) == engine.as_reference(before)


@examples(80)
@given(questions(), st.data())
def test_a_wider_role_may_do_everything_that_a_narrower_role_may(
    question: Question, data: st.DataObject
) -> None:
    """If no expression uses the role."""
    if "agent.role" in str(question.policy) or question.answered()["outcome"] != "approved":
        return
    requester = question.case["agent_id"]
    role = next(one["role"] for one in question.staff if one["agent_id"] == requester)
    wider = {**question.policy["roles"], "wider": {"extends": role}}
    policy = {**question.policy, "roles": wider}
    staff = [{**one, "role": "wider"} if one["agent_id"] == requester else one for one in question.staff]
    assert question._replace(policy=policy, staff=staff).answered()["outcome"] == "approved"


@pytest.mark.parametrize("window", [*strategies.WINDOWS, "366d"])
@pytest.mark.parametrize("moment", [EARLIEST, TOO_LATE - timedelta(microseconds=1)])
def test_a_budget_renews_at_the_first_and_the_last_moment_that_a_case_can_have(
    window: str, moment: datetime
) -> None:
    for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago"):
        row: dict[str, Any] = {"id": "m", "grants": "*", "to": "agent"}
        row |= {"budgets": [{"per": "agent", "window": window, "cap": 10}]}
        policy = a_policy(mandates=[row], timezone=zone)
        question = a_question(policy)._replace(now=moment)
        ledger = engine.a_ledger()
        decided = [
            engine.decide(policy, question.staff, ledger, question.case, moment)["outcome"] for _ in range(2)
        ]
        assert decided == ["approved", "escalated"]


def asking_for(question: Question, minor: int) -> Question:
    """The same question with another amount."""
    currency = question.policy["currency"]
    amount = {"amount": text_of(minor, currency), "currency": currency}
    return question._replace(case={**question.case, "request": {**question.case["request"], **amount}})


def a_policy(**changes: Any) -> Json:
    """A policy with agents, and a lead who is asked."""
    policy = {
        "policy": strategies.TENANT,
        "version": "1",
        "currency": "EUR",
        "timezone": "Europe/Amsterdam",
        "roles": {"agent": {}, "lead": {"extends": "agent"}},
        "mandates": [{"id": "m", "grants": "*", "to": "agent"}],
        "escalation": [{"id": "ladder", "steps": [{"to": "lead"}]}],
    }
    return policy | changes


def a_question(policy: Json, **request: Any) -> Question:
    """A question: ann of team north asks for a refund."""
    asked = {"request_id": "r1", "kind": "refund", "amount": "10.00", "currency": "EUR"} | request
    case = {
        "case_id": "c-1",
        "tenant": strategies.TENANT,
        "opened_at": "2026-03-02T08:00:00Z",
        "customer": {"id": "cu-1"},
        "agent_id": "ann",
        "facts": {},
        "request": asked,
    }
    ann = {"agent_id": "ann", "tenant": strategies.TENANT, "name": "ann", "role": "agent", "team": "north"}
    return Question(policy, [ann], [], case, datetime(2026, 3, 2, 8, tzinfo=UTC))
