"""Mistakes of newcomers in YAML, and the remedy in each message."""

from __future__ import annotations

import pytest

from engine.policy import load_policy
from engine.policy.checking import check_policy
from tests.builders.policies import a_budget, a_lead, a_mandate, a_policy

HEAD = """\
policy: acme
version: "1"
currency: EUR
roles: {agent: {}, "team lead": {}}
mandates:
"""
LADDER = "escalation: [{id: default, steps: [{to: agent}]}]\n"


def _said(text: str) -> list[str]:
    return [str(one) for one in check_policy(text).problems]


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("policy: a\nroles:\n\tagent: {}\n", "3:1: ", "; this is a tab: use spaces"),
        (
            "policy: a\nroles: {agent: {}\nmandates:\n  - {id: a}\n",
            "3:1: ",
            "; the `{` of line 2 is not closed by a `}`, or a comma is missing",
        ),
        (
            "policy: a\nx: [a, b\ny: z\n",
            "3:2: ",
            "; the `[` of line 2 is not closed by a `]`, or a comma is missing",
        ),
        ('policy: a\nversion: "1\nx: y\n', "4:1: ", "; the quote that begins on line 2 is not closed"),
        ("policy: a\nversion 1\ncurrency: EUR\n", "3:1: ", "; a key ends in a colon, as in `currency: EUR`"),
        ("policy: a\nx: @b\n", "2:4: ", "; put the value in quotes"),
        (
            "policy: a\n version: 1\n",
            "2:9: ",
            "; keys of one level start in the same column; put a value with `: ` in quotes",
        ),
    ],
)
def test_text_that_is_not_yaml_comes_with_a_remedy(text: str, place: str, said: str) -> None:
    (only,) = _said(text)
    assert only.startswith(f"{place}not YAML: ")
    assert only.endswith(said)


def test_discretion_is_a_mapping() -> None:
    said = _said(a_policy(a_mandate(discretion=True)))
    assert any(
        "`discretion` must be a mapping; write {}, or `review_within` and `reviewer`" in one for one in said
    )


def test_a_decimal_comma_between_braces_is_recognized() -> None:
    said = _said(HEAD + "  - {id: m, grants: refund, to: agent, limit: 25,50}\n" + LADDER)
    assert any("write a number with a point, not a comma" in one for one in said)


def test_a_decimal_comma_on_a_line_of_its_own_is_recognized() -> None:
    said = _said(HEAD + "  - id: m\n    grants: refund\n    to: agent\n    limit: 25,50\n" + LADDER)
    assert any(one.endswith("write `25.50` instead of `25,50`") for one in said)


@pytest.mark.parametrize("role", ["team_lead", "team leed"])
def test_a_role_with_an_invalid_id_is_not_suggested(role: str) -> None:
    said = _said(HEAD + f"  - {{id: m, grants: refund, to: {role}}}\n" + LADDER)
    assert any("there is no role" in one for one in said)
    assert not any("did you mean `team lead`" in one for one in said)


def _of_limit(limit: str, head: str = HEAD) -> list[str]:
    return _said(head + f"  - {{id: m, grants: refund, to: agent, limit: {limit}}}\n" + LADDER)


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        (
            "1.234",
            "and this limit has more; write 1234 if the point separates thousands",
        ),
        ("1.234.567", "a limit is a number only; write 1234567"),
        ("'1.234,50'", "a limit is a number only; write 1234.50"),
        ("€ 50", "a limit is a number only; write 50"),
        ("50 EUR", "a limit is a number only; write 50"),
        ("'0.5 * €50'", "an amount is a number only; remove `€`"),
        ('"10% of facts.x"', "a limit has no percent sign; write `0.1 * facts.x`"),
        ('"7,5% van facts.order.value"', "a limit has no percent sign; write `0.075 * facts.order.value`"),
        ('"facts.b ? 10% of facts.x : 5.0"', "write `0.1 * facts.x` instead of `10% of`"),
        ('"amount"', "unknown name `amount`; did you mean `request.amount`?"),
        ('"amuont"', "unknown name `amuont`; did you mean `request.amount`?"),
        ("'facts.x % 10'", "For a share, multiply: `0.1 * facts.x`"),
    ],
)
def test_an_amount_in_other_words_comes_with_the_number_to_write(limit: str, said: str) -> None:
    assert any(one.endswith(said) for one in _of_limit(limit)), _of_limit(limit)


@pytest.mark.parametrize(("currency", "ok"), [("KWD", True), ("EUR", False)])
def test_three_decimals_are_fine_where_the_currency_has_them(currency: str, ok: bool) -> None:
    said = _of_limit("1.234", HEAD.replace("EUR", currency))
    assert any("decimals" in one for one in said) is not ok


@pytest.mark.parametrize(("cap", "number"), [("€ 250", "250"), ("1.250,00", "1250.00"), ("EUR 250", "250")])
def test_a_cap_with_a_currency_sign_comes_with_the_number_to_write(cap: str, number: str) -> None:
    text = a_policy(a_mandate(budgets=[a_budget(cap=cap)]), timezone="UTC")
    assert any(one.endswith(f"`cap` must be a number only; write {number}") for one in _said(text))


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("amount", "request.amount"),
        ("kind", "request.kind"),
        ("currency", "request.currency"),
        ("category", "case.category"),
        ("role", "agent.role"),
        ("team", "agent.team"),
    ],
)
def test_a_field_without_its_owner_is_suggested_with_it(name: str, field: str) -> None:
    said = _said(a_policy(a_mandate(when=f"{name} == 'x'")))
    assert any(one.endswith(f"unknown name `{name}`; did you mean `{field}`?") for one in said)


def test_a_version_that_yaml_reads_as_a_number_is_to_be_quoted() -> None:
    said = _said(HEAD.replace('"1"', "1.10") + "  - {id: m, grants: refund, to: agent}\n" + LADDER)
    wanted = '`version` must be text; put it in quotes: "1.10", because without them it is the number 1.1'
    assert any(one.endswith(wanted) for one in said)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"holidays": False},
            '`holidays` must be text; put it in quotes, such as "NO"; tools that read YAML 1.1',
        ),
        (
            {"timezone": True},
            '`timezone` must be text; put it in quotes, such as "yes"; tools that read YAML 1.1',
        ),
        (
            {"policy": False},
            '`policy` must be text; put it in quotes, such as "no"; tools that read YAML 1.1',
        ),
    ],
)
def test_a_word_that_another_tool_turned_into_false_is_to_be_quoted(
    changes: dict[str, bool], said: str
) -> None:
    assert any(said in one for one in _said(a_policy(**changes)))


def test_a_whole_number_above_what_doubles_hold_is_reported() -> None:
    def said(number: str) -> list[str]:
        text = a_policy(a_mandate(when=f"facts.id == {number}", limit=5), a_lead())
        return [one.text for one in check_policy(text).problems]

    assert said("9007199254740992") == []
    for number in ("9007199254740993", "0x20000000000001"):
        (only,) = said(number)
        assert only == (
            "numbers above 2^53 are rounded, this one to 9007199254740992; if it is an id, let the facts"
            " hold it as text and compare it in quotes"
        )
    assert check_policy(a_policy(a_mandate(when="facts.id == 9007199254740993"))).book is not None
    assert "to infinity" in said("9" * 400)[0]


def _of_prohibition(when: str) -> list[str]:
    row = {"id": "p", "kinds": "*", "when": when, "reason": "no"}
    define = {"risky": "facts.risk > 2"}
    text = a_policy(a_mandate(limit=5), a_lead(), prohibitions=[row], define=define)
    return [one.text for one in check_policy(text).problems]


@pytest.mark.parametrize(
    ("when", "fact"),
    [
        ("facts.fraud", "facts.fraud"),
        ("claims.age < 18", "claims.age"),
        ("risky", "facts.risk"),
        ("has(facts.a) && facts.b", "facts.b"),
    ],
)
def test_a_prohibition_that_a_missing_fact_leaves_open_is_reported(when: str, fact: str) -> None:
    assert _of_prohibition(when) == [
        f"a case without `{fact}` is escalated, because this prohibition cannot be judged;"
        f" write `has({fact}) && ...`"
    ]


@pytest.mark.parametrize(
    "when",
    [
        "has(facts.fraud) && facts.fraud",
        "has(facts.noise) && facts.noise.reports > 2",
        "'fraud' in facts && facts.fraud",
        "request.amount > 500",
        "has(facts.risk) && risky",
    ],
)
def test_a_prohibition_that_asks_whether_the_fact_is_there_is_fine(when: str) -> None:
    assert _of_prohibition(when) == []


def test_a_currency_that_left_iso_4217_is_refused_and_an_active_policy_goes_on() -> None:
    book, problems, _ = check_policy(a_policy(currency="BGN"))
    assert book is None
    assert [one.text for one in problems] == ["BGN was withdrawn from ISO 4217 on 2026-01-01; use EUR"]
    assert load_policy(a_policy(currency="BGN")).currency == "BGN"
