"""Checking a policy file reports every problem with its line and column."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest

from engine.policy import PolicyProblems
from engine.policy.checking import check_policy
from tests.builders.policies import book_of

HEAD = """\
policy: acme
version: "1"
currency: EUR
roles:
  agent: {}
  team_lead: {extends: agent}
"""
MANDATES = 'mandates: [{id: m, grants: refund, to: agent}, {id: lead, grants: "*", to: team_lead}]\n'
LADDER = "escalation: [{id: default, steps: [{to: team_lead}]}]\n"
GOOD = HEAD + MANDATES + LADDER


def _problems(text: str) -> list[str]:
    """All problems and warnings; an error means that there is no book."""
    book, problems, _ = check_policy(text)
    assert (book is None) == any(one.severity == "error" for one in problems)
    return [str(one) for one in problems]


def _with(mandate: str, before: str = "") -> list[str]:
    """The problems of a mandate that begins on line 8 (or further down), column 5."""
    lead = '  - {id: lead, grants: "*", to: team_lead}\n'
    return _problems(f"{HEAD}{before}mandates:\n  - {mandate}\n{lead}{LADDER}")


def test_a_good_policy_has_no_problems() -> None:
    assert _problems(GOOD) == []
    book = book_of(GOOD)
    assert (book.tenant, book.version, book.currency, book.step) == ("acme", "1", "EUR", "team_lead")
    assert book.roles["agent"] == {"agent", "team_lead"}


@pytest.mark.parametrize(
    "text", ["\ufeff" + GOOD, GOOD.replace("\n", "\r\n"), "---\n" + GOOD + "...\n", "%YAML 1.2\n---\n" + GOOD]
)
def test_byte_order_mark_line_ends_and_document_marks_do_not_matter(text: str) -> None:
    assert book_of(text).digest == book_of(GOOD).digest


@pytest.mark.parametrize("text", ["", " \n\n", "# only a comment\n", "\ufeff", "---\n...\n", "null\n"])
def test_a_file_without_a_policy_is_told_how_one_begins(text: str) -> None:
    (only,) = _problems(text)
    assert "begins with `policy: <tenant>`" in only


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: b: c", "1:5: not YAML: mapping values are not allowed here"),
        ("policy: [acme", "1:14: not YAML"),
        ("policy: 'acme", "1:14: not YAML"),
        ("\tpolicy: acme", "1:1: not YAML"),
        ("policy: a\x00b", "1:10: YAML does not allow the character 0x0"),
        ("policy: a\n\n  \ud800", "3:3: YAML does not allow the character 0xd800"),
        ("policy: a\n---\npolicy: b\n", "2:1: a policy file holds one document"),
        ("%YAML 1.1\n---\npolicy: a", "2:1: write YAML 1.2"),
        ("policy: !!binary aGk=", "1:9: tags such as"),
        ("? [a]\n: b", "1:3: a key must be a plain word"),
        ("policy: *acme", "1:9: there is no anchor `&acme` above this"),
        ("policy: &acme [*acme]", "1:16: there is no anchor `&acme` above this"),
        ("policy: acme\npolicy: acme", "2:1: `policy` is a duplicate key; the first is on line 1"),
        ("policy:", "1:1: `policy` is empty"),
        ("policy: ''", "1:1: `policy` is empty"),
        ("policy: ~", "1:1: `policy` is empty"),
        ("[1, 2]", "1:1: a policy is a mapping"),
        ('policy: "\\ud800"', "1:9: an escape such as"),
    ],
)
def test_text_that_is_not_yaml_12_is_reported_with_its_place(text: str, problem: str) -> None:
    assert any(said.startswith(problem) for said in _problems(text)), _problems(text)


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "text",
    [
        "policy: " + "[" * 100_000,
        "policy: " + "{a: " * 100_000,
        "- " * 100_000,
        "\n".join(" " * depth + "a:" for depth in range(1_000)),
        "a: &a [x,x,x,x,x,x,x,x,x]\n"
        + "".join(
            f"{b}: &{b} [{','.join(['*' + a] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
        ),
        "a: " + "x" * 9_000_000,
    ],
    ids=[
        "flow lists",
        "flow mappings",
        "lists in lists",
        "block mappings",
        "aliases of aliases",
        "nine million characters",
    ],
)
def test_a_file_that_expands_without_bounds_is_refused(text: str) -> None:
    (only,) = [said for said in _problems(text) if "empty" not in said and "key" not in said]
    assert "too large" in only or "more than" in only


def test_an_alias_may_be_used() -> None:
    text = (
        f"{HEAD}mandates:\n"
        "  - {id: a, grants: &kinds [x, y], to: agent}\n"
        "  - {id: b, grants: *kinds, to: team_lead}\n"
        f"{LADDER}"
    )
    book = book_of(text)
    assert [row.id for row in book.candidates("team_lead", "y", None)] == ["a", "b"]


def test_a_second_ladder_is_refused() -> None:
    ladders = "escalation:\n  - {id: a, steps: [{to: agent}]}\n  - {id: b, steps: [{to: agent}]}\n"
    assert _problems(HEAD + MANDATES + ladders) == [
        "10:5: more than one entry of `escalation` is not supported yet; keep one"
    ]


def test_every_problem_is_reported_and_not_just_the_first() -> None:
    text = """\
policy: Acme
version: 3
currency: EUX
timezone: Mars/Olympus
roles:
  agent: {extends: boss}
  a: {extends: b}
  b: {extends: a}
define:
  now: "true"
  late: "later"
  later: "facts.days_late >= 2"
prohibitions:
  - {id: p, kinds: ["*", x], except: agnt, when: "facts.x >"}
  - {id: p, kinds: x}
mandates:
  - {id: m, grants: x, to: agent, limit: -1, whn: "true"}
  - {id: m, grants: [x, x], to: [], limit: 1.001, when: "late && foo"}
  - {id: n, to: agent, limit: true, categories: x}
  - nothing
extra: 1
"""
    assert _problems(text) == [
        "1:1: `escalation` is missing",
        "1:9: `policy` must be an id: small letters, digits, `_` and `-`, beginning with a letter or digit",
        '2:10: `version` must be text; put it in quotes: "3"',
        "3:11: EUX is not a currency of ISO 4217",
        "4:11: there is no time zone 'Mars/Olympus'; write one such as Europe/Amsterdam",
        "6:20: there is no role `boss`; write it under `roles`",
        "7:3: role `a` extends itself, directly or through another role",
        "8:3: role `b` extends itself, directly or through another role",
        "10:3: `now` is already in use in expressions; choose another name",
        "11:10: unknown name `later`; `define` may only use the names above it",
        "14:5: `reason` is missing in prohibitions: p",
        '14:21: "*" already means every kind; remove the others',
        "14:38: there is no role `agnt`; did you mean `agent`?",
        "14:60: syntax error: the expression ends too early",
        "15:5: `reason` is missing in prohibitions: p",
        "15:10: the id `p` is already used in prohibitions, on line 14",
        "17:42: a limit cannot be negative",
        "17:46: unknown key `whn`; did you mean `when`?",
        "18:10: the id `m` is already used in mandates, on line 17",
        "18:25: `x` is listed twice",
        "18:33: `to` is empty; name at least one, or remove it",
        "18:44: the currency has 2 decimals, and this limit has more; write 1001 if the point separates"
        " thousands",
        "19:5: `grants` is missing in mandates: n",
        "19:31: `limit` must be a number, such as 50, or an expression in quotes",
        "19:49: `categories` must be a list",
        "20:5: this entry of `mandates` must be a mapping of keys to values",
        "21:1: unknown key `extra`; known keys: policy, version, currency, timezone, hours, holidays, kinds,"
        " roles, define, budgets, prohibitions, mandates, escalation",
    ]


@pytest.mark.parametrize(
    ("currency", "limit", "minor"),
    [
        ("EUR", "50", 5000),
        ("EUR", "50.10", 5010),
        ("EUR", "5e1", 5000),
        ("EUR", "0x32", 5000),
        ("JPY", "50", 50),
        ("BHD", "0.125", 125),
    ],
)
def test_a_limit_is_exact_in_the_currency_s_smallest_unit(currency: str, limit: str, minor: int) -> None:
    text = GOOD.replace("EUR", currency).replace("to: agent}", f"to: agent, limit: {limit}}}")
    assert book_of(text).candidates("agent", "refund", None)[0].limit == minor


@pytest.mark.parametrize(
    ("limit", "problem"),
    [
        ("-1", "a limit cannot be negative"),
        ("1e13", None),
        ("10000000000000.01", "a limit can be at most 10^15 minor units; remove it if there is no limit"),
        ("1e400", "this always fails: it comes out as inf"),
        (".inf", ".inf is not allowed; write a finite number"),
        (".nan", ".nan is not allowed; write a finite number"),
        ("[1]", "`limit` must be a number, such as 50, or an expression in quotes"),
        ("'-1'", "a limit cannot be negative"),
        ("'1 / 0'", "this divides by zero"),
        ("'true'", "this gives true or false, but must give a number"),
        ("'facts.x > 1'", "this gives true or false, but must give a number"),
        ("facts.x", None),
    ],
)
def test_a_meaningless_limit_is_refused(limit: str, problem: str | None) -> None:
    said = _with(f"{{id: m, grants: x, to: agent, limit: {limit}}}")
    assert [one.split(": ", 1)[1] for one in said] == ([] if problem is None else [problem])


@pytest.mark.parametrize(
    ("when", "problem"),
    [
        ("request", "use one field of `request`, such as `request.request_id`"),
        ("request['amount'] > 1", "use one field of `request`, such as `request.request_id`"),
        ("request.amont > 1", "there is no `request.amont`; did you mean `request.amount`?"),
        ("customer.email != ''", "there is no `customer.email`; it has id, language"),
        ("fact.x > 1", "unknown name `fact`; did you mean `facts`?"),
        ("has_request_amount", "unknown name `has_request_amount`"),
        (".facts.x", "a name cannot begin with a dot"),
        ("facts.x.exists(now, now > 1)", "`now` is already in use; choose another name"),
        (
            "facts.x.matches(facts.y)",
            "write the pattern of `matches` as text in quotes",
        ),
        (
            "matches(facts.x, facts.y)",
            "write the pattern of `matches` as text in quotes",
        ),
        ("facts.x.matches('(')", "`matches` cannot read this text"),
        ("now.getHours(facts.zone) > 1", "write the time zone as text in quotes"),
        ("now.getHours('Mars/X') > 1", "`getHours` cannot read this text"),
        ("now > timestamp('2026-02-30T00:00:00Z')", "`timestamp` cannot read this text"),
        ("duration('4 hours') > duration('1h')", "`duration` cannot read this text"),
        ("facts.x % 2 == 0", "`%` does not work on a value of a case and a number; numbers are doubles"),
        ("now > 1", "`>` does not work on a time and a number"),
        ("facts.x == 'a' && 1", "`&&` does not work on true or false and a number"),
        ("request.amount == 'x'", "`==` does not work on a number and a text"),
        ("case.category != 5", "`!=` does not work on a text and a number"),
        ("now == '2026-03-02'", "`==` does not work on a time and a text"),
        ("request.discretion == 'yes'", "`==` does not work on true or false and a text"),
        ("case.category == null", "`==` does not work on a text and null"),
        ("now - case.opened_at > 24", "`>` does not work on a duration and a number"),
        ("size(facts.items) == '3'", "`==` does not work on a number and a text"),
        ("case.category in [1, 2]", "`in` does not work on a text and a list"),
        (
            "(facts.x ? 1 : 'a') == 1",
            "`? :` gives a number or a text, but both must have the same type",
        ),
        ("a_time > now", "unknown name `a_time`"),
        ("'text'", "this gives a text, but must give true or false"),
        ("facts", "this gives an object, but must give true or false"),
        ("facts.x >", "syntax error: the expression ends too early"),
        ("facts.x > ; 1", "syntax error: `;` is not expected here"),
        (
            "(" * 40 + "true" + ")" * 40,
            "this is nested more than 32 levels deep; use `define`, or fewer brackets",
        ),
        ("true" + " || true" * 500, "an expression has at most 4,000 characters; use `define`"),
        ("facts.x.lowerAscii() == 'x'", "unknown name `lowerAscii`"),
        ("cel.bind(x, 1, x > 1)", "unknown name `cel`"),
    ],
)
def test_a_wrong_expression_is_explained_in_words(when: str, problem: str) -> None:
    said = _with("{id: m, grants: x, to: agent, when: " + json.dumps(when) + "}")
    assert said[0].split(": ", 1)[1].startswith(problem)


def test_definitions_that_expand_too_far_are_refused() -> None:
    names = "abcdefghijklmnop"
    define = "define:\n  a: facts.x\n" + "".join(
        f"  {name}: {former} && {former}\n" for former, name in pairwise(names)
    )
    said = _with("{id: m, grants: x, to: agent, when: p}", define)
    assert len(said) == 1
    assert "has more than 20,000 characters" in said[0]


@pytest.mark.parametrize(
    ("define", "mandate", "problem"),
    [
        ("request.amount == 'x'", "when: d", "`==` does not work on a number and a text"),
        (
            "case.category",
            "limit: 1",
            "this gives a text, but must give true or false, or a number",
        ),
        ("facts.x > 2", "limit: d", "this gives true or false, but must give a number"),
        ("facts.x * 2", "when: d", "this gives a number, but must give true or false"),
        ("facts.x", "when: d == request.amount && d != case.category", None),
    ],
)
def test_a_definition_has_a_type_too(define: str, mandate: str, problem: str | None) -> None:
    said = _with(f"{{id: m, grants: x, to: agent, {mandate}}}", f"define: {{d: {json.dumps(define)}}}\n")
    assert [one.split(": ", 1)[1] for one in said] == ([] if problem is None else [problem])


@pytest.mark.parametrize(
    ("by", "warns"),
    [
        ("facts.y", True),
        ("-facts.y", True),
        ("(1 + facts.y)", True),
        ("size(facts.l)", True),
        ("brought", True),
        ("2 / facts.y", True),
        ("{'a': 1}[facts.tier]", True),
        ("2", False),
        ("-2.5e0", False),
        ("(1 + 1)", False),
        ("two", False),
        ("(two * 2)", False),
        ("double(3)", False),
        ("size('abc')", False),
        ("[1, 2][1]", False),
        ("double(facts.y)", True),
        ("now.getHours()", True),
    ],
)
def test_dividing_by_a_value_of_the_case_is_a_warning(by: str, warns: bool) -> None:
    define = 'define: {two: "2", brought: "facts.y + two"}\n'
    said = _with("{id: m, grants: x, to: agent, limit: " + json.dumps(f"facts.x / {by}") + "}", define)
    assert ["may divide by zero" in one for one in said] == [True] * warns


@pytest.mark.parametrize(
    "zero",
    ["0", "-0", "0.0", "0e5", "0x0", "(1 - 1)", "-(2 - two)", "none", "double('0')", "size('')", "[1, 0][1]"],
)
def test_dividing_by_zero_is_refused(zero: str) -> None:
    define = 'define: {two: "2", none: "two - 2"}\n'
    (only,) = _with("{id: m, grants: x, to: agent, limit: " + json.dumps(f"facts.x / {zero}") + "}", define)
    assert only.endswith("this divides by zero")


def test_the_digest_depends_on_content_and_not_on_layout() -> None:
    digest = book_of(GOOD).digest
    assert digest == "dab8d55793b508c2e3abff834a96b72737a09f55265d26010354a7946e73c5ba"
    same = """\
# A comment.
currency: 'EUR'
escalation:
- steps:
  - to: team_lead
  id: "default"
mandates:
- to: agent
  grants: refund
  id: m
- id: lead
  to: team_lead
  grants: "*"
roles: {team_lead: {extends: agent}, agent: {}}
version: '1'
policy: acme
"""
    assert book_of(same).digest == digest
    assert book_of(GOOD.replace("grants: refund", "grants: [refund]")).digest != digest
    assert book_of(GOOD.replace('"1"', '"2"')).digest != digest


def test_the_spelling_of_a_number_does_not_change_the_digest() -> None:
    digests = {
        book_of(GOOD.replace("to: agent}", f"to: agent, limit: {limit}}}")).digest
        for limit in ("50", "50.0", "50.00", "5e1", "0x32")
    }
    assert len(digests) == 1


def test_all_problems_are_raised_together() -> None:
    with pytest.raises(PolicyProblems) as found:
        book_of(HEAD)
    assert [(one.line, one.column, one.text) for one in found.value.problems] == [
        (1, 1, "`escalation` is missing"),
        (1, 1, "`mandates` is missing"),
    ]
