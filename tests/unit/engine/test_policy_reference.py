"""Every example in docs/policy.md can be used as it stands."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from engine.policy.checking import check_policy
from engine.policy.editor_schema import policy_schema
from schemas.reasons import CATALOGUE, ReasonEntry
from tests.builders.policies import a_lead, a_mandate, a_policy

PAGE = (Path(__file__).parents[3] / "docs" / "policy.md").read_text()
AROUND = {
    "policy": "policy: acme",
    "version": 'version: "1"',
    "currency": "currency: EUR",
    "roles": "roles: {agent: {}, team_lead: {}}",
    "mandates": "mandates: [{id: m, grants: refund, to: agent}, {id: lead, grants: '*', to: team_lead}]",
    "escalation": "escalation: [{id: default, steps: [{to: team_lead}]}]",
}


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("block", _blocks("yaml"), ids=lambda block: block.splitlines()[0])
def test_every_policy_can_be_used(block: str) -> None:
    missing = [text for key, text in AROUND.items() if not re.search(rf"^{key}:", block, re.MULTILINE)]
    problems = check_policy("\n".join([block, *missing])).problems
    assert [one for one in problems if not one.text.startswith("checked, but without effect for now")] == []


@pytest.mark.parametrize("when", [line for block in _blocks("cel") for line in block.splitlines()])
def test_every_expression_can_be_used(when: str) -> None:
    assert check_policy(a_policy(a_mandate(when=when), a_lead())).problems == ()


def test_there_are_examples() -> None:
    assert len(_blocks("yaml")) >= 3
    assert len(_blocks("cel")) >= 1


def test_every_key_is_named() -> None:
    schema = json.loads(policy_schema())
    for part in (schema, *schema["$defs"].values()):
        for key in part.get("properties", {}):
            assert f"`{key}`" in PAGE


def _row(entry: ReasonEntry) -> str:
    return f"| `{entry.code}` | {entry.meaning} | {', '.join(f'`{name}`' for name in entry.figures)} |"


@pytest.mark.parametrize("about", ["mandate", "request", "reply"])
def test_the_page_lists_the_reasons_as_the_catalogue_does(about: str) -> None:
    rows = [_row(entry) for entry in CATALOGUE.values() if entry.about == about]
    assert "\n".join(rows) in PAGE
