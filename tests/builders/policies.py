"""Policies and their parts."""

from __future__ import annotations

import json
from typing import Any

from engine.policy import PolicyBook, load_policy
from engine.policy.canonical import digest_of
from engine.policy.checking import check_policy
from engine.policy.problems import PolicyProblems
from tests.builders.bodies import changed

ROLES = {
    "agent": {},
    "senior": {"extends": "agent"},
    "team_lead": {"extends": "senior"},
    "manager": {"extends": "team_lead"},
}


def a_mandate(**changes: Any) -> dict[str, Any]:
    """Refunds, for agents, without a ceiling."""
    return changed({"id": "m", "grants": "refund", "to": "agent"}, changes)


def a_lead(**changes: Any) -> dict[str, Any]:
    """Everything, for team leads, so that an escalated request has somebody who may grant it."""
    return changed({"id": "lead", "grants": "*", "to": "team_lead"}, changes)


def a_budget(**changes: Any) -> dict[str, Any]:
    """250 a day for each agent."""
    return changed({"per": "agent", "window": "day", "cap": 250}, changes)


def an_own_budget(**changes: Any) -> dict[str, Any]:
    """A budget that one mandate defines: 100.00 a day for each agent."""
    return changed({"id": "b", "per": "agent", "window": "day", "cap": 100}, changes)


def a_policy(*mandates: dict[str, Any], **changes: Any) -> str:
    """A policy of `acme` in EUR, as JSON, which is YAML 1.2."""
    policy = {
        "policy": "acme",
        "version": "1",
        "currency": "EUR",
        "roles": ROLES,
        "mandates": list(mandates) or [a_mandate()],
        "escalation": [{"id": "default", "steps": [{"to": "team_lead"}]}],
    }
    if "define" in changes:
        policy = {"define": changes.pop("define"), **policy}
    return json.dumps(changed(policy, changes))


def a_book(*mandates: dict[str, Any], **changes: Any) -> PolicyBook:
    """That policy, ready to judge by."""
    return book_of(a_policy(*mandates, **changes))


def book_of(text: str) -> PolicyBook:
    """A policy file as a worker gets it: checked, published as canonical JSON, and loaded from that."""
    return load_policy(canonical_of(text))


def canonical_of(text: str) -> str:
    """The canonical JSON of a policy file. Raises PolicyProblems if it has errors."""
    book, problems, canonical = check_policy(text)
    if book is None:
        raise PolicyProblems(one for one in problems if one.severity == "error")
    return canonical


def a_policy_record(text: str) -> dict[str, str]:
    """The record that publishing this policy file writes."""
    canonical = canonical_of(text)
    document = json.loads(canonical)
    return {
        "name": document["policy"],
        "version": document["version"],
        "digest": digest_of(canonical),
        "yaml": text,
        "canonical_json": canonical,
    }
