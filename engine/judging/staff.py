"""The staff of one tenant, found by id and by role."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol

from schemas.staff import Absence, StaffMember


class StaffDirectory(Protocol):
    """The queries on the staff of one tenant that judging needs."""

    def get(self, agent_id: str) -> StaffMember | None:
        """The person, or None if nobody has that id."""
        ...

    def with_roles(self, roles: Iterable[str], team: str | None = None) -> Sequence[StaffMember]:
        """The people who have one of these roles, in this team (None: any team), ordered by id."""
        ...


class Staff:
    """A staff directory that is updated one person at a time. Look-ups stay fast however large it is."""

    def __init__(self, members: Iterable[StaffMember] = ()) -> None:
        self._members: dict[str, StaffMember] = {}
        self._by_role: dict[str, dict[str, dict[str, StaffMember]]] = {}
        self._found: dict[tuple[frozenset[str], str | None], tuple[StaffMember, ...]] = {}
        for member in members:
            self.put(member)

    def __len__(self) -> int:
        return len(self._members)

    def put(self, member: StaffMember) -> None:
        """Add a person, or replace their record."""
        self.remove(member.agent_id)
        self._members[member.agent_id] = member
        self._by_role.setdefault(member.role, {}).setdefault(member.team, {})[member.agent_id] = member
        self._found.clear()

    def remove(self, agent_id: str) -> None:
        """Remove a person. An unknown id is ignored."""
        member = self._members.pop(agent_id, None)
        if member is not None:
            del self._by_role[member.role][member.team][agent_id]
            self._found.clear()

    def get(self, agent_id: str) -> StaffMember | None:
        """The person, or None if nobody has that id."""
        return self._members.get(agent_id)

    def with_roles(self, roles: Iterable[str], team: str | None = None) -> Sequence[StaffMember]:
        """The people who have one of these roles, in this team (None: any team), ordered by id.

        The answer is cached until a person is added, changed or removed.
        """
        role_set = frozenset(roles)
        found = self._found.get((role_set, team))
        if found is None:
            found = tuple(sorted(self._members_with(role_set, team), key=lambda member: member.agent_id))
            if found:  # empty answers are not cached, or unknown teams would make the cache grow for ever
                self._found[role_set, team] = found
        return found

    def _members_with(self, roles: Iterable[str], team: str | None) -> Iterable[StaffMember]:
        for role in roles:
            teams = self._by_role.get(role, {})
            for members in teams.values() if team is None else (teams.get(team, {}),):
                yield from members.values()


def absence_of(member: StaffMember, now: datetime) -> Absence | None:
    """The person's absence at this moment; if several overlap, the one that began last."""
    current = [absence for absence in member.absences if absence.from_ <= now < absence.until]
    return max(current, key=lambda absence: absence.from_, default=None)


def stand_in(holder: StaffMember, staff: StaffDirectory, now: datetime) -> StaffMember | None:
    """The person, or the first in their chain of stand-ins who is present; None if nobody is."""
    if not holder.absences:
        return holder
    seen: set[str] = set()
    person: StaffMember | None = holder
    while person is not None and person.agent_id not in seen:
        absence = absence_of(person, now)
        if absence is None:
            return person
        seen.add(person.agent_id)
        person = None if absence.delegate is None else staff.get(absence.delegate)
    return None


def standing_in(
    holder: StaffMember, staff: StaffDirectory, since: datetime, until: datetime
) -> frozenset[str]:
    """The ids of the people who stood in for the holder at some time between the two moments.

    They are looked up at both moments, and at the start of each absence of the holder in between.
    """
    if not holder.absences:
        return frozenset()
    starts = (absence.from_ for absence in holder.absences if since < absence.from_ < until)
    found = (stand_in(holder, staff, moment) for moment in (since, until, *starts))
    return frozenset(person.agent_id for person in found if person is not None) - {holder.agent_id}
