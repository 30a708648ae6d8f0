"""Members of staff."""

from __future__ import annotations

from typing import Any

from engine.judging.staff import Staff
from schemas.reading import read
from schemas.staff import StaffMember
from tests.builders.bodies import as_bytes, changed


def a_member(agent_id: str = "agent-01", **changes: Any) -> StaffMember:
    """An agent of team north."""
    record = {
        "agent_id": agent_id,
        "tenant": "acme",
        "name": f"Name of {agent_id}",
        "role": "agent",
        "team": "north",
        "email": f"{agent_id}@example.org",
        "language": "nl",
    }
    return read(StaffMember, as_bytes(changed(record, changes)))


def a_staff(*members: StaffMember) -> Staff:
    """agent-01 of team north and a lead in each team; `members` are added, or replace those."""
    staff = Staff(
        (
            a_member(),
            a_member("lead-north", role="team_lead"),
            a_member("lead-south", role="team_lead", team="south"),
        )
    )
    for member in members:
        staff.put(member)
    return staff
