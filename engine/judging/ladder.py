"""The people who are told of an escalated request, and who may answer it (docs/policy.md, The ladder).

In expressions, `agent` is the person who may answer, because that person's mandate is used. The room in their
budgets is not checked here, because it may change before they answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Final, NamedTuple

from engine import reasons
from engine.expressions.evaluation import Expression
from engine.judging.candidates import rows_for
from engine.judging.conclusions import OwnCover, ToldPerson
from engine.judging.mandates import Judge
from engine.judging.staff import StaffDirectory, stand_in, standing_in
from engine.policy.book import Mandate, PolicyBook
from schemas.case import Case
from schemas.model import cached
from schemas.money import Money
from schemas.staff import StaffMember

MOST_NAMED: Final = 100
"""The most people who are named on an approval and told. Other entitled people may answer too."""


MOST_DESCRIBED: Final = 15
"""The most people of whom an approval says what their mandate covers (engine/proposals/size.py)."""


_ABOUT_AMOUNT: Final = frozenset({reasons.OVER_LIMIT, "amount_missing"})


class Present(NamedTuple):
    """A person who is there, and the id of the absent person in whose place they are told, if any."""

    person: StaffMember
    stands_in_for: str | None


class Asked(NamedTuple):
    """The step that is asked: a role, and the people who are told, sorted by their ids."""

    step: str
    people: tuple[Present, ...]

    @property
    def approvers(self) -> tuple[str, ...]:
        """The ids of the people who are told."""
        return tuple([one.person.agent_id for one in self.people])


class Ladder:
    """The people who are told of one request, and who may answer it.

    `since`: when the request was made. `judge`: the judge of that request at `now`.
    """

    def __init__(
        self,
        case: Case,
        book: PolicyBook,
        staff: StaffDirectory,
        since: datetime,
        now: datetime,
        team: str | None,
        judge: Judge,
    ) -> None:
        self._case = case
        self._book = book
        self._staff = staff
        self._since = since
        self._now = now
        self._teams = (team, None) if team is not None else (None,)
        self._judge = judge
        self._of_role: dict[str, bool] = {}
        self._cover_of_role: dict[str, OwnCover | None] = {}
        self._judges: dict[str, Judge] = {}

    @property
    def steps(self) -> tuple[str, ...]:
        """The roles, in the order in which they are asked."""
        return self._book.steps

    @cached
    def asked(self) -> Asked | None:
        """The step to ask; None if nobody may grant the request and the policy refuses such requests.

        It is the first step whose role may grant the request and whose own people are there; else the first
        step where somebody may grant it by a role that extends the step's role; else the last step, which can
        still reject the request or approve less.
        """
        steps = self._book.steps
        for step in filter(self._role_covers, steps):
            told = self._named(self._able(self._own(step)))
            if told:
                return Asked(step, told)
        for step in steps:
            told = self._named(self._able(self._book.roles[step]))
            if told:
                return Asked(step, told)
        if self._book.when_nobody == "refuse":
            return None
        last = steps[-1]
        present = self._named(self._present(self._own(last)))
        return Asked(last, present or self._named(self._present(self._book.roles[last])))

    @property
    def told(self) -> tuple[ToldPerson, ...]:
        """The first of the people who are told, with what their own mandates cover, apart from budgets."""
        asked = self.asked
        people = () if asked is None else asked.people[:MOST_DESCRIBED]
        return tuple([ToldPerson(one.agent_id, other, self._cover(one)) for one, other in people])

    def is_entitled(self, person: StaffMember, step: str) -> bool:
        """Whether this person may answer at this step: they have its role, or one that extends it.

        So may the stand-in of an absent person with such a role. Their own mandates decide what they may
        approve. If the policy no longer has the role of the step, the step that would be asked now takes its
        place.
        """
        roles = self._book.roles.get(step)
        if roles is None:
            return self.asked is not None and self.is_entitled(person, self.asked.step)
        if self.stood_in(person):
            return False
        return person.role in roles or any(
            one.person.agent_id == person.agent_id for one in self._people(roles, None)
        )

    def stood_in(self, person: StaffMember) -> bool:
        """Whether this person stood in for the asking agent since the request was made."""
        return person.agent_id in self._stand_ins

    @cached
    def _stand_ins(self) -> frozenset[str]:
        asker = None if self._case.agent_id is None else self._staff.get(self._case.agent_id)
        if asker is None:
            return frozenset()
        return standing_in(asker, self._staff, self._since, self._now)

    def _named(self, people: Iterator[Present]) -> tuple[Present, ...]:
        return tuple(sorted(islice(people, MOST_NAMED), key=lambda one: one.person.agent_id))

    def _own(self, step: str) -> frozenset[str]:
        """The role of the step. If nobody on the staff has that role, those that extend it take its place."""
        own = frozenset((step,))
        return own if self._staff.with_roles(own) else self._book.roles[step]

    def _able(self, roles: frozenset[str]) -> Iterator[Present]:
        """The people whose mandates cover it: those in the asking agent's team, or if none, in any team."""
        return _first_with_any(filter(self._covers, self._people(roles, team)) for team in self._teams)

    def _present(self, roles: frozenset[str]) -> Iterator[Present]:
        return _first_with_any(self._people(roles, team) for team in self._teams)

    def _people(self, roles: frozenset[str], team: str | None) -> Iterator[Present]:
        """The people with these roles, or their stand-ins, each once.

        The asking agent, and whoever stood in for the asking agent, are left out.
        """
        seen: set[str | None] = {self._case.agent_id, *self._stand_ins}
        holders = self._staff.with_roles(roles, team)
        for holder in holders:
            person = stand_in(holder, self._staff, self._now)
            if person is None or person.agent_id in seen:
                continue
            seen.add(person.agent_id)
            own = person is holder or any(one is person for one in holders)
            yield Present(person, None if own else holder.agent_id)

    def _role_covers(self, step: str) -> bool:
        """Whether a mandate of the step's own role covers it for somebody who is there."""
        roles = self._own(step)
        for team in self._teams:
            for one in self._people(roles, team):
                if self._covers_as(step, one.person):
                    return True
                if step in self._of_role:
                    return False
        return False

    def _covers(self, present: Present) -> bool:
        return self._covers_as(present.person.role, present.person)

    def _covers_as(self, role: str, person: StaffMember) -> bool:
        """Whether a mandate of the role covers it for this person.

        If no expression names the agent, the answer is the same for everybody, and is kept for the role.
        """
        known = self._of_role.get(role)
        if known is not None:
            return known
        rows, judge = self._rows(role), self._judge_of(person)
        covers = any(judge.shortfall(row) is None for row in rows)
        if not any(_names_agent(row) for row in rows):
            self._of_role[role] = covers
        return covers

    def _rows(self, role: str) -> list[Mandate]:
        case, book = self._case, self._book
        covered = case.request.currency in (None, book.currency)
        return rows_for(book, role, case.request, case.category) if covered else []

    def _judge_of(self, person: StaffMember) -> Judge:
        judge = self._judges.get(person.agent_id)
        if judge is None:
            judge = self._judges[person.agent_id] = self._judge.of_person(person)
        return judge

    def _cover(self, person: StaffMember) -> OwnCover | None:
        """The mandate with which the person may grant most: one that covers the request before others.

        If no expression names the agent, the answer is the same for everybody, and is kept for the role.
        """
        if person.role in self._cover_of_role:
            return self._cover_of_role[person.role]
        rows, judge = self._rows(person.role), self._judge_of(person)
        covers = [cover for row in rows if (cover := _cover(row, judge, self._book.currency)) is not None]
        widest = max(covers, key=_width, default=None)
        if not any(_names_agent(row) for row in rows):
            self._cover_of_role[person.role] = widest
        return widest


def _first_with_any(groups: Iterator[Iterator[Present]]) -> Iterator[Present]:
    for people in groups:
        first = next(people, None)
        if first is not None:
            yield first
            yield from people
            return


def _names_agent(row: Mandate) -> bool:
    return any(isinstance(part, Expression) and part.names_agent for part in (row.when, row.limit))


def _cover(row: Mandate, judge: Judge, currency: str) -> OwnCover | None:
    """The part of the request that a mandate covers; None if it is not for this request."""
    shortfall = judge.shortfall(row)
    if shortfall is not None and shortfall.code not in _ABOUT_AMOUNT:
        return None
    ceiling = judge.ceiling(row)
    if shortfall is not None and (ceiling is None or ceiling <= 0):
        return None
    limit = None if ceiling is None else Money(ceiling, currency)
    return OwnCover(row.id, limit, shortfall is None)


def _width(cover: OwnCover) -> tuple[bool, bool, int]:
    return cover.grants, cover.limit is None, 0 if cover.limit is None else cover.limit.minor
