"""Mistakes of newcomers in YAML, and the remedy in each message."""

from __future__ import annotations

import pytest

from engine.policy.checking import check_policy
from tests.builders.policies import a_mandate, a_policy

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
