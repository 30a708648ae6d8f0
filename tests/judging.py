"""Staff and cases to judge by policies, with good defaults: a test shows only what matters to it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from engine.judging.assessment import assess
from engine.judging.budgets import Counters
from engine.judging.conclusions import Conclusion
from engine.judging.staff import Staff
from engine.policy import PolicyBook
from schemas.case import Case
from schemas.reading import read
from schemas.staff import StaffMember
from tests.policies import LEFT_OUT, a_book, a_budget, a_mandate, a_policy, changed

__all__ = [
    "LEFT_OUT",
    "NOW",
    "a_book",
    "a_budget",
    "a_case",
    "a_mandate",
    "a_person",
    "a_policy",
    "a_staff",
    "codes",
    "judge",
]

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


def a_case(**changes: Any) -> Case:
    """A refund of 45.00 EUR asked by agent-01; keys of the request may be given directly."""
    request = {"request_id": "r1", "kind": "refund", "amount": "45.00", "currency": "EUR"}
    asked = {key: changes.pop(key) for key in (*request, "reason", "discretion") if key in changes}
    case = {
        "case_id": "c-1",
        "tenant": "acme",
        "opened_at": "2026-03-02T08:00:00Z",
        "customer": {"id": "cu-1", "language": "nl"},
        "agent_id": "agent-01",
        "category": "delivery",
        "facts": {"days_late": 6, "order_value": 90.0},
        "request": changed(request, asked),
    }
    return read(Case, json.dumps(changed(case, changes)).encode())


def a_person(agent_id: str = "agent-01", **changes: Any) -> StaffMember:
    """An agent of team north."""
    record = {"agent_id": agent_id, "tenant": "acme", "name": agent_id, "role": "agent", "team": "north"}
    return read(StaffMember, json.dumps(changed(record, changes)).encode())


def a_staff(*people: StaffMember) -> Staff:
    """agent-01 of team north with a lead in each team, and whoever is given (or replaced) beside."""
    staff = Staff(
        (
            a_person(),
            a_person("lead-north", role="team_lead"),
            a_person("lead-south", role="team_lead", team="south"),
        )
    )
    for person in people:
        staff.put(person)
    return staff


def judge(
    book: PolicyBook,
    case: Case | None = None,
    staff: Staff | None = None,
    counters: Counters | None = None,
    now: datetime = NOW,
) -> Conclusion:
    """What the policy concludes; what it takes is counted."""
    proposal = assess(case or a_case(), book, staff or a_staff(), now)
    return proposal.conclude(*(counters or Counters()).settle(proposal.charge_options, proposal.probes))


def codes(chosen_option: Conclusion) -> list[str]:
    """The codes of its reasons."""
    return [reason.code for reason in chosen_option.reasons]
