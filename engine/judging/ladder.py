"""The people who are asked about an escalated request, step by step (docs/policy.md, The ladder).

In expressions, `agent` is the person who may answer, because that person's mandate is used. The room in their
budgets is not checked here, because it may change before they answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import chain, islice
from typing import Final, NamedTuple

from engine.expressions.evaluation import Expression
from engine.judging.candidates import rows_for
from engine.judging.mandates import Judge
from engine.judging.staff import StaffDirectory, absence_of
from engine.policy.book import Mandate, PolicyBook
from schemas.case import Case
from schemas.model import cached
from schemas.staff import StaffMember

MOST_NAMED: Final = 100
"""The most people who are named on an approval and told. Other entitled people may answer too."""


class Asked(NamedTuple):
    """The step that is asked: a role, and the sorted ids of the people who may answer."""

    step: str
    approvers: tuple[str, ...]


class Ladder:
    """The people who may answer one request. `judge`: the judge of that request at `now`."""

    def __init__(
        self,
        case: Case,
        book: PolicyBook,
        staff: StaffDirectory,
        now: datetime,
        team: str | None,
        judge: Judge,
    ) -> None:
        self._case = case
        self._book = book
        self._staff = staff
        self._now = now
        self._teams = (team, None) if team is not None else (None,)
        self._judge = judge
        self._of_role: dict[str, bool] = {}
        self._judges: dict[str, Judge] = {}

    @property
    def steps(self) -> tuple[str, ...]:
        """The roles, in the order in which they are asked."""
        return self._book.steps

    @cached
    def asked(self) -> Asked | None:
        """The step to ask; None if nobody may grant the request and the policy refuses such requests.

        It is the first step whose role may grant the request and has somebody present; else the first step
        where somebody may grant it by a role that extends the step's role; else the last step, which can
        still reject the request or approve less.
        """
        steps = self._book.steps
        for step in (*filter(self._role_covers, steps), *steps):
            entitled = self._named(self._may_grant(step))
            if entitled:
                return Asked(step, entitled)
        if self._book.when_nobody == "refuse":
            return None
        return Asked(steps[-1], self._named(self._present(steps[-1])))

    def entitled(self, step: str) -> Iterator[StaffMember]:
        """The people who may answer at this step: those who may grant the request.

        If nobody may, everybody with the step's role may answer. If the policy no longer has that role, the
        step that would be asked now takes its place.
        """
        if step not in self._book.roles:
            return iter(()) if self.asked is None else self.entitled(self.asked.step)
        entitled = self._may_grant(step)
        first = next(entitled, None)
        return self._present(step) if first is None else chain((first,), entitled)

    def _named(self, people: Iterator[StaffMember]) -> tuple[str, ...]:
        return tuple(sorted(person.agent_id for person in islice(people, MOST_NAMED)))

    def _may_grant(self, step: str) -> Iterator[StaffMember]:
        """The people whose mandates cover it: those in the asking agent's team, or if none, in any team."""
        return _first_with_any(filter(self._covers, self._holders(step, team)) for team in self._teams)

    def _present(self, step: str) -> Iterator[StaffMember]:
        return _first_with_any(self._holders(step, team) for team in self._teams)

    def _holders(self, step: str, team: str | None) -> Iterator[StaffMember]:
        """The people with the step's role, or their stand-ins, each once. The asking agent is left out."""
        seen: set[str] = set()
        for holder in self._staff.with_roles(self._book.roles[step], team):
            person = _standing_in(holder, self._staff, self._now)
            if person is None or person.agent_id == self._case.agent_id or person.agent_id in seen:
                continue
            seen.add(person.agent_id)
            yield person

    def _role_covers(self, step: str) -> bool:
        """Whether a mandate of the step's own role covers it for somebody who is present."""
        for team in self._teams:
            for person in self._holders(step, team):
                if self._covers_as(step, person):
                    return True
                if step in self._of_role:
                    return False
        return False

    def _covers(self, person: StaffMember) -> bool:
        return self._covers_as(person.role, person)

    def _covers_as(self, role: str, person: StaffMember) -> bool:
        """Whether a mandate of the role covers it for this person.

        If no expression names the agent, the answer is the same for everybody, and is kept for the role.
        """
        known = self._of_role.get(role)
        if known is not None:
            return known
        case, book = self._case, self._book
        covered = case.request.currency in (None, book.currency)
        rows = rows_for(book, role, case.request, case.category) if covered else []
        judge = self._judges.get(person.agent_id)
        if judge is None:
            judge = self._judges[person.agent_id] = self._judge.of_person(person)
        covers = any(judge.shortfall(row) is None for row in rows)
        if not any(_names_agent(row) for row in rows):
            self._of_role[role] = covers
        return covers


def _first_with_any(groups: Iterator[Iterator[StaffMember]]) -> Iterator[StaffMember]:
    for people in groups:
        first = next(people, None)
        if first is not None:
            yield first
            yield from people
            return


def _names_agent(row: Mandate) -> bool:
    return any(isinstance(part, Expression) and part.names_agent for part in (row.when, row.limit))


def _standing_in(holder: StaffMember, staff: StaffDirectory, now: datetime) -> StaffMember | None:
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
