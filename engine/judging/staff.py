"""The staff of one tenant, found by id and by role."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol

from schemas.staff import Absence, StaffMember


class StaffDirectory(Protocol):
    """The staff of one tenant, as judging needs it."""

    def get(self, agent_id: str) -> StaffMember | None:
        """The person, or None if nobody has that id."""
        ...

    def with_roles(self, roles: Iterable[str], team: str | None = None) -> Sequence[StaffMember]:
        """Everybody who has one of these roles, in that team or in any, in order of their ids."""
        ...


class Staff:
    """A staff directory that is updated one person at a time. The time of a look-up does not grow with it."""

    def __init__(self, members: Iterable[StaffMember] = ()) -> None:
        self._members: dict[str, StaffMember] = {}
        self._by_role: dict[str, dict[str, dict[str, StaffMember]]] = {}
        self._found: dict[tuple[frozenset[str], str | None], tuple[StaffMember, ...]] = {}
        for member in members:
            self.put(member)

    def __len__(self) -> int:
        return len(self._members)

    def put(self, member: StaffMember) -> None:
        """Add somebody, or replace what is known of them."""
        self.remove(member.agent_id)
        self._members[member.agent_id] = member
        self._by_role.setdefault(member.role, {}).setdefault(member.team, {})[member.agent_id] = member
        self._found.clear()

    def remove(self, agent_id: str) -> None:
        """Remove somebody; an unknown id does nothing."""
        member = self._members.pop(agent_id, None)
        if member is not None:
            del self._by_role[member.role][member.team][agent_id]
            self._found.clear()

    def get(self, agent_id: str) -> StaffMember | None:
        """The person, or None if nobody has that id."""
        return self._members.get(agent_id)

    def with_roles(self, roles: Iterable[str], team: str | None = None) -> Sequence[StaffMember]:
        """Everybody who has one of these roles, in that team or in any, in order of their ids.

        The answer is kept until somebody is added, changed or removed.
        """
        asked = frozenset(roles)
        found = self._found.get((asked, team))
        if found is None:
            found = tuple(sorted(self._members_with(asked, team), key=lambda member: member.agent_id))
            if found:  # an unknown team is not kept, so the answers cannot grow without end
                self._found[asked, team] = found
        return found

    def _members_with(self, roles: Iterable[str], team: str | None) -> Iterable[StaffMember]:
        for role in roles:
            teams = self._by_role.get(role, {})
            for members in teams.values() if team is None else (teams.get(team, {}),):
                yield from members.values()


def absence_of(member: StaffMember, now: datetime) -> Absence | None:
    """The absence at that moment; of several the one that began last."""
    holding = [absence for absence in member.absences if absence.from_ <= now < absence.until]
    return max(holding, key=lambda absence: absence.from_, default=None)
