"""Numbers are doubles, and an error never approves (docs/policy.md, Expressions)."""

from __future__ import annotations

from typing import Any

import pytest

from engine.judging.conclusions import Approved
from engine.judging.staff import Staff
from engine.policy import PolicyProblems
from tests.builders.bodies import LEFT_OUT
from tests.builders.cases import a_case
from tests.builders.policies import a_book, a_mandate
from tests.builders.staff import a_member, a_staff
from tests.judging import NOW, codes, judge


def _outcome(when: str, facts: Any = None, staff: Staff | None = None, **changes: Any) -> str:
    """`true`, or the code of the reason."""
    book = a_book(a_mandate(when=when), define=changes.pop("define", {"unused": "true"}))
    concluded = judge(book, a_case(facts={} if facts is None else facts, **changes), staff)
    return "true" if isinstance(concluded, Approved) else codes(concluded)[0]


@pytest.mark.parametrize("number", [90, 90.0])
@pytest.mark.parametrize(
    "when",
    [
        "facts.x == 90",
        "facts.x == 90.0",
        "facts.x >= 90",
        "2 * facts.x == 180",
        "0.5 * facts.x == 45",
        "facts.x + 1 > 90",
        "facts.x - 1 < 90",
        "facts.x / 4 == 22.5",
        "-facts.x < 0",
        "facts.x in [1, 90]",
        "[1, 90].exists(n, n == facts.x)",
        "facts.x == 0x5A",
        "facts.x == 90u",
        "double(facts.x) == 90",
        "int(facts.x) == 90",
        "string(facts.x) == '90'",
        "{'gold': 90}['gold'] == facts.x",
    ],
)
def test_a_number_means_the_same_however_it_is_written(when: str, number: float) -> None:
    assert _outcome(when, {"x": number}) == "true"


@pytest.mark.parametrize("value", ["90", None, True, [90], {"x": 90}])
def test_other_types_are_never_compared_as_numbers(value: object) -> None:
    assert _outcome("facts.x >= 90", {"x": value}) == "condition_error"
    assert _outcome("facts.x == 90", {"x": value}) == "condition_not_met"


def test_an_absent_fact_is_missing_and_a_null_is_not() -> None:
    assert _outcome("facts.x >= 90", {}) == "fact_missing"
    assert _outcome("facts.x == null", {}) == "fact_missing"
    assert _outcome("facts.x == null", {"x": None}) == "true"
    assert _outcome("has(facts.x)", {"x": None}) == "true"
    assert _outcome("has(facts.x)", {}) == "condition_not_met"


@pytest.mark.parametrize(
    "when",
    [
        "facts.l.size() == 3",
        "size(facts.l) == 3",
        "size(facts.l) + size('ab') == 5",
        "size(facts.l) / 2 == 1.5",
        "facts.l.filter(n, n > 1).size() == 2",
        "facts.l.map(n, 2 * n).filter(n, n > 2).size() == 2",
        "[1, 2, 3].size() == 3",
        "{'a': 1}.size() == 1",
        "'añ😀'.size() == 3",
        "(facts.s + 'cd').size() == 4",
        "facts['s'].size() == 2",
        "facts.o.s.size() == 1",
        "facts.m[0][1].size() == 1",
        "size(facts.l.map(n, size(facts.l))) == 3",
        "facts.l[0] == 1 && facts.l[facts.i] == 3",
        "facts.l[size(facts.l) - 1] == 3",
        "case.opened_at.getHours() == 8",
        "case.opened_at.getHours('Europe/Amsterdam') == 9",
        "now.getFullYear() == 2026 && now.getMonth() == 2 && now.getDayOfWeek() == 1",
        "duration('90m').getHours() == 1",
        "now - case.opened_at < duration('1s')",
        "case.opened_at == timestamp('2026-03-02T09:00:00+01:00')",
    ],
)
def test_functions_that_count_give_doubles_and_an_index_stays_an_index(when: str) -> None:
    facts = {"l": [1, 2, 3], "i": 2, "s": "ab", "o": {"s": "x"}, "m": [["a", "b"]]}
    assert _outcome(when, facts) == "true"


def test_the_hours_of_both_clock_changes_are_those_of_the_zone() -> None:
    when = "case.opened_at.getHours('Europe/Amsterdam') == 3"
    assert _outcome(when, opened_at="2026-03-29T01:00:00Z") == "true"
    assert _outcome(when, opened_at="2026-10-25T02:00:00Z") == "true"


def test_fields_of_case_customer_agent_and_request_have_their_types() -> None:
    when = (
        "case.case_id == 'c-1' && case.tenant == 'acme' && case.category == 'delivery'"
        " && now == case.opened_at && customer.id == 'cu-1' && customer.language == 'nl'"
        " && agent.agent_id == 'agent-01' && agent.role == 'agent' && agent.team == 'north'"
        " && request.request_id == 'r1' && request.kind == 'refund' && request.amount == 45"
        " && request.currency == 'EUR'"
        " && !request.discretion"
    )
    assert a_case().opened_at == NOW
    assert _outcome(when) == "true"


@pytest.mark.parametrize(
    "field", ["case.channel", "case.subject", "customer.language", "agent.language", "request.reason"]
)
def test_an_absent_optional_field_is_an_error_unless_has_asks_first(field: str) -> None:
    bare: dict[str, Any] = {
        **dict.fromkeys(("channel", "subject", "language", "reason"), LEFT_OUT),
        "staff": a_staff(a_member(language=LEFT_OUT)),
    }
    assert _outcome(f"{field} == ''", **bare) == "fact_missing"
    assert _outcome(f"{field} != ''", **bare) == "fact_missing"
    assert _outcome(f"!has({field}) || {field} == 'x'", **bare) == "true"


def test_an_absent_amount_is_an_error() -> None:
    assert _outcome("request.amount < 50", amount=None, currency=None) == "fact_missing"
    assert _outcome("!has(request.amount)", amount=None, currency=None) == "true"


def test_an_error_does_not_matter_if_the_rest_decides_the_condition() -> None:
    assert _outcome("facts.x > 1 || true") == "true"
    assert _outcome("facts.x > 1 && false") == "condition_not_met"


def test_a_definition_means_what_its_text_means_in_its_place() -> None:
    define = {
        "late": "facts.days_late >= 2",
        "very_late": "late && facts.days_late > 5",
        "half": "0.5 * facts.value",
    }
    assert _outcome("very_late", {"days_late": 6}, define=define) == "true"
    assert _outcome("very_late", {"days_late": 3}, define=define) == "condition_not_met"
    assert _outcome("late", {}, define=define) == "fact_missing"
    assert _outcome("has(facts.days_late) && late", {}, define=define) == "condition_not_met"
    assert _outcome("2 * half == facts.value", {"value": 90}, define=define) == "true"
    assert _outcome("!late || late", {"days_late": 1}, define=define) == "true"


def test_a_defined_name_keeps_its_own_brackets_and_comments() -> None:
    define = {"either": "facts.a || facts.b // or", "sum": "1 + 2"}
    assert (
        _outcome("either && facts.c", {"a": True, "b": False, "c": False}, define=define)
        == "condition_not_met"
    )
    assert _outcome("2 * sum == 6", define=define) == "true"


@pytest.mark.parametrize(
    "limit", ["1.0 / facts.zero", "facts.zero / facts.zero", "1e308 * facts.big", "-1.0 / facts.zero"]
)
def test_a_limit_that_is_not_finite_is_an_error(limit: str) -> None:
    concluded = judge(a_book(a_mandate(limit=limit)), a_case(facts={"zero": 0, "big": 1e9}))
    assert codes(concluded) == ["condition_error"]


@pytest.mark.parametrize("fact", ["90", None, True, [], {}])
def test_a_limit_that_is_not_a_number_is_an_error(fact: object) -> None:
    assert codes(judge(a_book(a_mandate(limit="facts.x")), a_case(facts={"x": fact}))) == ["condition_error"]


@pytest.mark.parametrize(
    ("limit", "minor"),
    [
        ("facts.x * 0.5", "45.00"),
        ("0.1 + 0.2 + facts.x * 0", "0.30"),
        ("facts.x * 0 + 1.005", "1.00"),
        ("facts.x * 0 + 45.0049999", "45.00"),
        ("facts.x * 0 + 44.9999999", "45.00"),
        ("facts.x * 0 + 44.9999994", "44.99"),
        ("facts.x * 0 + 0.29", "0.29"),
        ("facts.x * 0 - 0.001", "-0.01"),
        ("facts.x * 1e300", "10000000000000.00"),
        ("facts.x * 1e-300", "0.00"),
    ],
)
def test_a_limit_is_the_shortest_decimal_rounded_to_six_decimals_and_then_down(
    limit: str, minor: str
) -> None:
    concluded = judge(a_book(a_mandate(limit=limit)), a_case(facts={"x": 90}, amount="10000000000000.00"))
    if isinstance(concluded, Approved):
        assert minor == "10000000000000.00"
    else:
        assert concluded.reasons[0].figures["limit"] == minor


def test_whole_numbers_larger_than_a_double_are_an_error_and_not_a_crash() -> None:
    huge = a_case().model_copy(update={"facts": {"x": 10**400}})
    assert codes(judge(a_book(a_mandate(when="facts.x > 1")), huge)) == ["condition_error"]
    assert _outcome("facts.x > 1", {"x": 10**300}) == "true"
    assert _outcome("facts.x > 1", {"x": 2**63}) == "true"


def test_unused_facts_do_no_harm() -> None:
    case = a_case().model_copy(update={"facts": {"x": True, "y": 10**400, "z": object()}})
    assert judge(a_book(a_mandate(when="facts.x")), case) == Approved("m")


@pytest.mark.parametrize(
    "when",
    [
        "facts.l.all(a, facts.l.all(b, facts.l.all(c, a + b + c >= 0)))",
        "facts.l.map(a, facts.l.map(b, facts.l)).size() >= 0",
        "[1,2,3,4,5,6,7,8,9,10].all(a, [1,2,3,4,5,6,7,8,9,10].all(b, facts.l.all(c, facts.l.all(d, true))))",
    ],
)
def test_an_expression_has_a_bounded_number_of_steps(when: str) -> None:
    assert _outcome(when, {"l": list(range(1000))}) == "condition_error"


def test_a_loop_sees_a_bounded_number_of_values() -> None:
    when = "facts.l.exists(x, facts.s.contains(x))"
    assert _outcome(when, {"l": ["a"] * 100, "s": "b" * 9_000}) == "condition_not_met"
    assert _outcome(when, {"l": ["a"] * 100, "s": "b" * 100_000}) == "condition_error"
    assert _outcome(when, {"l": ["a"], "s": "b", "unseen": "c" * 100_000}) == "condition_not_met"


@pytest.mark.parametrize(
    ("when", "outcome"),
    [
        ("facts.l.exists(a, facts.s.contains(a)) || facts.l.all(a, a == '')", "condition_not_met"),
        ("facts.l.map(a, a).filter(a, a == '').size() > 0", "condition_not_met"),
        ("facts.l.exists(a, facts.l.exists(b, facts.s.contains(a + b)))", "condition_error"),
        ("facts.l.exists(a, inner)", "condition_error"),
    ],
)
def test_a_loop_in_a_loop_sees_fewer_values(when: str, outcome: str) -> None:
    facts = {"l": ["ab"] * 95, "s": "a" * 6_000}
    assert _outcome(when, facts, define={"inner": "facts.l.exists(b, facts.s.contains(b))"}) == outcome


def test_text_of_any_script_is_only_text() -> None:
    assert _outcome("facts.x == 'é😀\\u00e9'", {"x": "é😀é"}) == "true"
    assert _outcome("facts['a b'] == facts.`a b`", {"a b": 1}) == "true"
    assert _outcome("facts.x == ' || true'", {"x": "' || true"}) == "condition_not_met"


def test_a_missing_key_of_a_table_in_the_policy_is_an_error() -> None:
    when = "{'gold': 50, 'silver': 20}[facts.tier] > 30"
    assert _outcome(when, {"tier": "gold"}) == "true"
    assert _outcome(when, {"tier": "bronze"}) == "condition_error"
    assert _outcome(when, {}) == "fact_missing"


def test_deep_facts_are_judged_as_deep_as_they_are_read() -> None:
    deep: object = 1
    for _ in range(29):
        deep = {"a": deep}
    assert _outcome("facts.d == facts.d", {"d": deep}) == "true"


def test_an_expression_with_a_flaw_makes_the_policy_unusable() -> None:
    with pytest.raises(PolicyProblems):
        a_book(a_mandate(when="facts.x >"))
