"""Who works for one tenant, found by id and by role."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol

from schemas.staff import Absence, StaffMember


class StaffDirectory(Protocol):
    """The staff of one tenant, as the rules need it."""

    def get(self, agent_id: str) -> StaffMember | None:
        """The person, or None where nobody has that id."""
        ...

    def with_roles(self, roles: Iterable[str], team: str | None = None) -> list[StaffMember]:
        """Everybody who has one of these roles, in that team or in any, in order of their ids."""
        ...


class Staff:
    """A directory, kept up to date one person at a time; a look-up costs the same whatever its size."""

    def __init__(self, members: Iterable[StaffMember] = ()) -> None:
        self._members: dict[str, StaffMember] = {}
        self._by_role: dict[str, dict[str, dict[str, StaffMember]]] = {}
        for member in members:
            self.put(member)

    def __len__(self) -> int:
        return len(self._members)

    def put(self, member: StaffMember) -> None:
        """Hire somebody, or take over what changed about them."""
        self.remove(member.agent_id)
        self._members[member.agent_id] = member
        self._by_role.setdefault(member.role, {}).setdefault(member.team, {})[member.agent_id] = member

    def remove(self, agent_id: str) -> None:
        """Forget somebody; nothing happens where nobody has that id."""
        member = self._members.pop(agent_id, None)
        if member is not None:
            del self._by_role[member.role][member.team][agent_id]

    def get(self, agent_id: str) -> StaffMember | None:
        """The person, or None where nobody has that id."""
        return self._members.get(agent_id)

    def with_roles(self, roles: Iterable[str], team: str | None = None) -> list[StaffMember]:
        """Everybody who has one of these roles, in that team or in any, in order of their ids."""
        found = [
            member
            for role in roles
            for name, members in self._by_role.get(role, {}).items()
            if team is None or name == team
            for member in members.values()
        ]
        return sorted(found, key=lambda member: member.agent_id)


def absence_of(member: StaffMember, now: datetime) -> Absence | None:
    """The absence that holds at that moment; of several the one that began last."""
    holding = [absence for absence in member.absences if absence.from_ <= now < absence.until]
    return max(holding, key=lambda absence: absence.from_, default=None)
