"""A problem in an expression has its place in the file, however the text is quoted or folded."""

from __future__ import annotations

import pytest

from engine.policy.checking import check_policy

BEFORE = """\
policy: acme
version: "1"
currency: EUR
roles: {agent: {}}
define: {fine: "facts.a && facts.b"}
escalation: [{id: default, steps: [{to: agent}]}]
mandates:
  - id: m
    grants: refund
    to: agent
"""
FIRST_LINE = 11


def _places(when: str) -> list[tuple[int, int, str]]:
    _, problems, _ = check_policy(BEFORE + when)
    return [(one.line, one.column, one.text.split("`")[1]) for one in problems]


@pytest.mark.parametrize(
    ("when", "line", "column"),
    [
        ("    when: wrong", 11, 11),
        ("    when: facts.a && wrong", 11, 22),
        ("    when: facts.a && wrong.b.c > 1", 11, 22),
        ("    when: 'facts.a && wrong'", 11, 23),
        ('    when: "facts.a && wrong"', 11, 23),
        ("    when:    facts.a == 'it' && wrong", 11, 33),
        ("    when: 'facts.a == ''it'' && wrong'", 11, 33),
        ('    when: "facts.a == \\"it\\" && wrong"', 11, 33),
        ("    when: \"facts.a == '\\u00e9\\t\\x41' && wrong\"", 11, 41),
        ("    when: \"facts.a == '\\ud83d\\ude00'\\\n      && wrong\"", 12, 10),
        ("    when: facts.a == 'é😀' && wrong", 11, 30),
        ("    when: &name wrong", 11, 17),
        ("    when: facts.a\n      && wrong", 12, 10),
        ("    when: facts.a\n\n\n      && wrong", 14, 10),
        ("    when: 'facts.a\n      && wrong'", 12, 10),
        ("    when: 'facts.a\n\n      && wrong'", 13, 10),
        ('    when: "facts.a\n\n      && wrong"', 13, 10),
        ('    when: "facts.a \\\n      && wrong"', 12, 10),
        ('    when: "facts.a\\n && wrong"', 11, 25),
        ("    when:\n      wrong", 12, 7),
        ("    when: |\n      facts.a &&\n      wrong", 13, 7),
        ("    when: |\n      facts.a &&\n        wrong\n", 13, 9),
        ("    when: |-\n\n      facts.a &&\n\n      wrong", 15, 7),
        ("    when: |2-\n        facts.a &&\n       wrong", 13, 8),
        ("    when: >\n      facts.a &&\n      wrong", 13, 7),
        ("    when: >-\n      facts.a &&\n\n      wrong\n", 14, 7),
        ("    when: >+\n      facts.a &&\n        true &&\n      wrong\n\n", 14, 7),
        ("    when: > # a comment\n\n      facts.a && wrong\n", 13, 18),
        ("    when: 90 < facts.a && size(facts.b) < 3 && wrong", 11, 48),
        ("    when: fine && 1 < facts.a && wrong", 11, 34),
        ("    when: facts.b.size() > 1 // a comment\n      && wrong", None, None),
    ],
)
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_a_problem_has_the_place_of_its_word_in_the_file(
    when: str, line: int | None, column: int | None, line_end: str
) -> None:
    _, problems, _ = check_policy((BEFORE + when).replace("\n", line_end))
    found = [(one.line, one.column) for one in problems if "`wrong`" in one.text]
    assert found == ([] if line is None else [(line, column)]), problems


def test_all_problems_of_one_expression_are_reported() -> None:
    when = "    when: >-\n      one > 1 &&\n      two && request.nothing\n"
    assert _places(when) == [(13, 14, "request.nothing")]
    assert _places(when.replace(" && request.nothing", "")) == [(12, 7, "one"), (13, 7, "two")]


def test_a_wrong_type_is_reported_at_its_operator() -> None:
    assert _places("    when: facts.a && 'x' > 1") == [(11, 26, ">")]
    assert _places("    when: fine && now > 1") == [(11, 23, ">")]
    assert _places("    when: fine > 1") == [(11, 16, ">")]
