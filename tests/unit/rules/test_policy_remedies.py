"""What a newcomer writes wrongly, and what the message says to write instead."""

from __future__ import annotations

import pytest

from services.rules.core.policy import check_policy
from tests.policies import a_mandate, a_policy

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


def test_discretion_is_a_mapping() -> None:
    said = _said(a_policy(a_mandate(discretion=True)))
    assert any(
        "`discretion` must be a mapping; write {}, or `review_within` and `reviewer`" in one for one in said
    )


def test_a_decimal_comma_between_braces_is_told_as_such() -> None:
    said = _said(HEAD + "  - {id: m, grants: refund, to: agent, limit: 25,50}\n" + LADDER)
    assert any("in a number write a point and no comma" in one for one in said)


def test_a_decimal_comma_on_a_line_of_its_own_is_told_as_such() -> None:
    said = _said(HEAD + "  - id: m\n    grants: refund\n    to: agent\n    limit: 25,50\n" + LADDER)
    assert any(one.endswith("write `25.50` for `25,50`: with a point") for one in said)


@pytest.mark.parametrize("role", ["team_lead", "team leed"])
def test_a_role_that_can_be_no_id_is_not_suggested(role: str) -> None:
    said = _said(HEAD + f"  - {{id: m, grants: refund, to: {role}}}\n" + LADDER)
    assert any("there is no role" in one for one in said)
    assert not any("did you mean `team lead`" in one for one in said)
