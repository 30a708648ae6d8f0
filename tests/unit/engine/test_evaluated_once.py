"""CEL is evaluated only where a mandate has it, and once a case for the same person and amount."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from engine.expressions.evaluation import Expression, Surroundings
from engine.judging.conclusions import Escalated
from tests.builders.cases import a_case, a_case_body
from tests.builders.inputs import a_reply, a_submission
from tests.builders.policies import a_book, a_mandate
from tests.builders.staff import a_member, a_staff
from tests.in_memory_rules import InMemoryRules
from tests.judging import judge

Seen = Counter[tuple[str, str | None, str | None]]
"""Text, person and amount of an evaluation, and how often it was made."""


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Iterator[Seen]:
    found: Seen = Counter()
    evaluate = Expression._evaluate

    def counting(self: Expression, around: Surroundings | None) -> Any:
        if around is not None:  # None for a constant, which is evaluated when the policy is read
            person = around.agent.agent_id if around.agent is not None and self.names_agent else None
            amount = around.money.text if around.money is not None and self.names_amount else None
            found[self.text, person, amount] += 1
        return evaluate(self, around)

    monkeypatch.setattr(Expression, "_evaluate", counting)
    yield found
    assert set(found.values()) <= {1}, "an expression was evaluated twice for the same person and amount"


def test_the_same_expression_is_evaluated_once_for_prohibitions_candidates_and_offers(seen: Seen) -> None:
    pool = {"id": "b", "per": "agent", "window": "day", "cap": 30}
    late, half = "facts.days_late > 1", "0.4 * facts.order_value"
    rows = [
        a_mandate(id="a", when=late, limit=half, budgets=[pool]),
        a_mandate(id="b", when=late, budgets=[pool]),
        a_mandate(id="c", when="request.amount < 100", limit=half),
        a_mandate(id="d", when="request.amount < 100", limit=half, budgets=[pool]),
        a_mandate(id="e", when=late, limit=half, discretion={}),
        a_mandate(id="f", to="team_lead", when=late),
    ]
    never = {"id": "never", "kinds": "*", "when": "!(facts.days_late > 1)", "reason": "no"}
    book = a_book(*rows, prohibitions=[never], timezone="UTC")
    escalated = judge(book, a_case(discretion=True, reason="late thrice"))
    assert isinstance(escalated, Escalated)
    assert escalated.on_the_spot is not None
    assert escalated.approvers == ("lead-north",)
    assert set(seen) == {
        ("!(facts.days_late > 1)", None, None),
        (late, None, None),
        (half, None, None),
        ("request.amount < 100", None, "45.00"),
        ("request.amount < 100", None, "36.00"),
        ("request.amount < 100", None, "30.00"),
    }


def test_an_expression_that_names_the_agent_is_evaluated_once_for_each_person(seen: Seen) -> None:
    rows = [a_mandate(id="a", limit=1), a_mandate(id="b", to="team_lead", when="agent.team != 'x'")]
    people = a_staff(*(a_member(f"lead-{number}", role="team_lead") for number in range(3)))
    escalated = judge(a_book(*rows), staff=people)
    assert isinstance(escalated, Escalated)
    assert (
        {person for _, person, _ in seen}
        == set(escalated.approvers)
        == {
            "lead-0",
            "lead-1",
            "lead-2",
            "lead-north",
        }
    )


def test_a_verdict_evaluates_each_expression_once(seen: Seen) -> None:
    rows = (
        a_mandate(id="a", when="facts.days_late > 1", limit="0.4 * facts.order_value"),
        a_mandate(id="b", to="team_lead", when="agent.role == 'team_lead' && request.amount < 100"),
    )
    shop = InMemoryRules(*rows)
    shop.decide(a_submission(a_case_body()), 1_772_438_400_000_000)
    seen.clear()
    shop.decide(a_reply(data={"amount": "44.00"}), 1_772_438_400_000_001)
    both = "agent.role == 'team_lead' && request.amount < 100"
    assert {key for key in seen if key[0] == both} == {(both, "lead-north", "44.00")}


def test_a_mandate_for_another_kind_role_or_category_evaluates_nothing(seen: Seen) -> None:
    rows = [
        a_mandate(id="a", grants="flowers", when="facts.a"),
        a_mandate(id="b", to="manager", when="facts.b"),
        a_mandate(id="c", categories=["billing"], when="facts.c"),
        a_mandate(id="d"),
        a_mandate(id="e", when="facts.e"),
    ]
    judge(a_book(*rows))
    assert seen == {}
