"""The order of judging (docs/policy.md, How a request is judged)."""

from __future__ import annotations

import pytest

from engine.judging.conclusions import Approved, Escalated, Refused
from schemas.money import Money
from tests.builders.bodies import LEFT_OUT
from tests.builders.cases import a_case
from tests.builders.policies import a_book, a_mandate
from tests.builders.staff import a_member, a_staff
from tests.judging import codes, judge

FRAUD = {
    "id": "fraud",
    "kinds": "*",
    "when": "facts.fraud_flag",
    "except": "manager",
    "reason": "fraud desk only",
}
NEVER = {"id": "never", "kinds": "refund", "reason": "nobody can do this"}


def test_the_first_mandate_that_fits_approves() -> None:
    book = a_book(a_mandate(id="one", limit=45), a_mandate(id="two"))
    assert judge(book) == Approved("one")


def test_an_approval_lists_the_candidates_that_were_passed_over() -> None:
    book = a_book(
        a_mandate(id="one", limit="44.99"),
        a_mandate(id="two", when="facts.days_late > 6"),
        a_mandate(id="three"),
    )
    approved = judge(book)
    assert isinstance(approved, Approved)
    assert (approved.mandate, codes(approved)) == ("three", ["over_limit", "condition_not_met"])
    assert [reason.mandate for reason in approved.reasons] == ["one", "two"]


def test_a_mandate_for_every_kind_is_tried_at_its_place_in_the_file() -> None:
    book = a_book(a_mandate(id="a", grants="*"), a_mandate(id="b"), a_mandate(id="c", grants="*"))
    assert judge(book) == Approved("a")
    assert [row.id for row in book.candidates("agent", "refund", None)] == ["a", "b", "c"]
    assert [row.id for row in book.candidates("agent", "flowers", None)] == ["a", "c"]


def test_a_role_has_the_mandates_of_the_roles_it_extends_but_not_the_reverse() -> None:
    book = a_book(a_mandate(id="for-seniors", to="senior"))
    assert codes(judge(book)) == ["no_mandate"]
    for role in ("senior", "team_lead", "manager"):
        assert judge(book, staff=a_staff(a_member(role=role))) == Approved("for-seniors")


def test_a_mandate_for_other_categories_is_not_a_candidate() -> None:
    book = a_book(a_mandate(categories=["billing", "returns"]))
    assert codes(judge(book)) == ["no_mandate"]
    assert codes(judge(book, a_case(category=None))) == ["no_mandate"]
    assert judge(book, a_case(category="billing")) == Approved("m")


def test_only_mandates_for_the_kind_and_role_are_judged() -> None:
    many = [a_mandate(id=f"m{kind}-{n}", grants=f"kind{kind}") for kind in range(100) for n in range(3)]
    book = a_book(*many, a_mandate(id="leads", to="team_lead", grants="*"))
    assert [row.id for row in book.candidates("agent", "kind42", None)] == ["m42-0", "m42-1", "m42-2"]
    assert [row.id for row in book.candidates("manager", "kind42", None)] == [
        "m42-0",
        "m42-1",
        "m42-2",
        "leads",
    ]
    assert book.candidates("stranger", "kind42", None) == []


def test_unknown_kinds_do_not_make_the_policy_book_grow() -> None:
    book = a_book(a_mandate(grants="*"), a_mandate(id="n"))
    for number in range(1000):
        assert [row.id for row in book.candidates("agent", f"outside{number}", None)] == ["m"]
    assert len(book.mandates["agent"]._found) == 0


def test_every_candidate_names_its_first_failed_check() -> None:
    book = a_book(
        a_mandate(id="condition", when="facts.days_late > 6", limit=1),
        a_mandate(id="fact", when="facts.rank > 6 && true"),
        a_mandate(id="error", when="facts.days_late == 'x' || facts.days_late > 'x'"),
        a_mandate(id="limit", limit=44.99),
        a_mandate(id="limit-fact", limit="facts.rank"),
        a_mandate(id="limit-error", limit="facts.order_value * facts.zero"),
    )
    case = a_case(facts={"days_late": 6, "order_value": 90.0, "zero": "0"})
    assert codes(judge(book, case)) == [
        "condition_not_met",
        "fact_missing",
        "condition_error",
        "over_limit",
        "fact_missing",
        "condition_error",
    ]


def test_the_missing_fact_is_named_with_its_path() -> None:
    book = a_book(
        a_mandate(id="a", when="facts.order.status == 'x'"),
        a_mandate(id="b", when="claims.damaged"),
        a_mandate(id="c", when="customer.language == 'x'"),
        a_mandate(id="d", when="facts['order']['rank'] > 1"),
        a_mandate(id="e", limit="facts.value"),
    )
    escalated = judge(book, a_case(facts={"order": {}}, customer={"id": "cu-1"}))
    names = ["facts.order.status", "claims.damaged", "customer.language", "facts.order.rank", "facts.value"]
    assert [reason.figures for reason in escalated.reasons] == [{"fact": name} for name in names]
    assert "facts.order.status is missing" in escalated.reasons[0].text


def test_a_request_without_an_amount_does_not_fit_a_mandate_with_a_limit() -> None:
    nothing = a_case(amount=None, currency=None)
    assert codes(judge(a_book(a_mandate(limit=50)), nothing)) == ["amount_missing"]
    assert codes(judge(a_book(a_mandate(limit="facts.absent")), nothing)) == ["amount_missing"]
    assert judge(a_book(a_mandate()), nothing) == Approved("m")


def test_an_amount_equal_to_the_limit_fits_and_a_cent_more_does_not() -> None:
    book = a_book(a_mandate(limit=45))
    assert judge(book, a_case(amount="45")) == Approved("m")
    assert codes(judge(book, a_case(amount="45.01"))) == ["over_limit"]
    assert judge(a_book(a_mandate(limit=0)), a_case(amount="0.00")) == Approved("m")


def test_over_limit_says_the_limit() -> None:
    (reason,) = judge(a_book(a_mandate(limit="0.5 * facts.order_value")), a_case(amount="45.01")).reasons
    assert reason.figures == {"limit": "45.00", "amount": "45.01", "currency": "EUR"}


def test_prohibitions_refuse_before_anything_else_and_all_that_apply_are_named() -> None:
    book = a_book(prohibitions=[FRAUD, NEVER])
    refused = judge(book, a_case(facts={"fraud_flag": True}, agent_id="nobody", currency="USD"))
    assert isinstance(refused, Refused)
    assert [reason.prohibition for reason in refused.reasons] == ["fraud", "never"]
    assert [reason.text for reason in refused.reasons] == ["fraud desk only", "nobody can do this"]


def test_a_prohibition_does_not_apply_to_the_excepted_role_or_one_that_extends_it() -> None:
    book = a_book(prohibitions=[{**NEVER, "except": "team_lead"}])
    refused = judge(book)
    assert isinstance(refused, Refused)
    assert refused.reasons[0].figures == {"reason": NEVER["reason"], "except": "team_lead"}
    assert isinstance(judge(book, staff=a_staff(a_member(role="senior"))), Refused)
    assert judge(book, staff=a_staff(a_member(role="team_lead"))) == Approved("m")
    assert judge(book, staff=a_staff(a_member(role="manager"))) == Approved("m")


@pytest.mark.parametrize(
    "change", [{"kinds": "flowers"}, {"categories": ["billing"]}, {"when": "facts.days_late > 6"}]
)
def test_a_prohibition_that_does_not_fit_refuses_nothing(change: dict[str, object]) -> None:
    assert judge(a_book(prohibitions=[{**NEVER, **change}])) == Approved("m")


def test_a_prohibition_that_cannot_be_judged_escalates_and_no_mandate_is_tried() -> None:
    escalated = judge(a_book(prohibitions=[FRAUD, {**NEVER, "when": "facts.days_late"}]))
    assert isinstance(escalated, Escalated)
    assert [(reason.code, reason.prohibition) for reason in escalated.reasons] == [
        ("fact_missing", "fraud"),
        ("condition_error", "never"),
    ]
    assert escalated.on_the_spot is None


def test_one_prohibition_refuses_even_if_another_cannot_be_judged() -> None:
    refused = judge(a_book(prohibitions=[FRAUD, NEVER]))
    assert isinstance(refused, Refused)
    assert [reason.prohibition for reason in refused.reasons] == ["never"]


def test_an_unknown_agent_or_role_escalates_before_the_currency_is_checked() -> None:
    book = a_book()
    assert codes(judge(book, a_case(agent_id="nobody", currency="USD"))) == ["unknown_agent"]
    assert codes(judge(book, a_case(agent_id=LEFT_OUT))) == ["unknown_agent"]
    assert codes(judge(book, a_case(currency="USD"), a_staff(a_member(role="intern")))) == ["unknown_role"]


@pytest.mark.parametrize("currency", ["USD", "AUD"], ids=["after EUR by letters", "before EUR by letters"])
def test_another_currency_escalates_even_if_no_mandate_would_fit(currency: str) -> None:
    book = a_book(a_mandate(grants="flowers"))
    (reason,) = judge(book, a_case(currency=currency)).reasons
    assert (reason.code, reason.figures) == ("currency_not_covered", {"currency": currency, "covered": "EUR"})


def test_a_request_for_discretion_tries_the_ordinary_mandates() -> None:
    assert judge(a_book(), a_case(discretion=True)) == Approved("m")
    assert codes(judge(a_book(a_mandate(limit=1)), a_case(discretion=True))) == ["over_limit"]


def _offer(*mandates: dict[str, object], amount: str = "45.00") -> str | None:
    escalated = judge(a_book(*mandates), a_case(amount=amount))
    assert isinstance(escalated, Escalated)
    return None if escalated.on_the_spot is None else escalated.on_the_spot.text


def test_the_largest_amount_that_could_be_granted_now_is_offered() -> None:
    assert (
        _offer(a_mandate(id="a", limit=20), a_mandate(id="b", limit=40), a_mandate(id="c", limit=30))
        == "40.00"
    )
    assert _offer(a_mandate(limit="0.4 * facts.order_value")) == "36.00"


def test_a_mandate_whose_condition_fails_for_the_asked_amount_offers_nothing() -> None:
    assert _offer(a_mandate(when="facts.days_late > 6", limit=20)) is None
    assert _offer(a_mandate(when="request.amount < 45", limit=20)) is None


def test_an_offer_is_an_amount_that_the_mandate_would_grant() -> None:
    assert _offer(a_mandate(when="request.amount > 30", limit=20)) is None
    assert _offer(a_mandate(limit="request.amount / 2")) is None
    assert _offer(a_mandate(when="request.amount > 30", limit=40)) == "40.00"


def test_a_prohibited_amount_is_not_offered() -> None:
    small = {"id": "small", "kinds": "refund", "when": "request.amount < 25", "reason": "not worth it"}
    unknown = {"id": "unknown", "kinds": "refund", "when": "request.amount < 25 && facts.x", "reason": "no"}
    rows = (a_mandate(id="a", limit=20), a_mandate(id="b", limit=30, to="senior"))
    for prohibition in (small, unknown):
        escalated = judge(a_book(*rows, prohibitions=[prohibition]))
        assert isinstance(escalated, Escalated)
        assert escalated.on_the_spot is None
        senior = judge(a_book(*rows, prohibitions=[prohibition]), staff=a_staff(a_member(role="senior")))
        assert isinstance(senior, Escalated)
        assert senior.on_the_spot == Money(3000, "EUR")


def test_an_amount_of_zero_is_not_offered() -> None:
    assert _offer(a_mandate(limit=0)) is None
    assert _offer(a_mandate(limit="0.001")) is None


def test_the_offer_is_in_the_policy_s_currency() -> None:
    escalated = judge(a_book(a_mandate(limit=20)))
    assert isinstance(escalated, Escalated)
    assert escalated.on_the_spot == Money(2000, "EUR")


def test_an_offered_amount_is_granted_when_it_is_asked_for() -> None:
    book = a_book(a_mandate(when="request.amount != 13", limit="0.123 * facts.order_value"))
    escalated = judge(book)
    assert isinstance(escalated, Escalated)
    assert escalated.on_the_spot is not None
    assert judge(book, a_case(amount=escalated.on_the_spot.text)) == Approved("m")
