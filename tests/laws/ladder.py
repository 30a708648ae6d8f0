"""The people who are told of a request, and who may answer it (docs/policy.md, The ladder)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from tests.laws.charges import Json
from tests.laws.mandate_checks import MandateCheck, candidates, is_a


class Ladder(NamedTuple):
    """The people of a request. `team` is that of the asking agent when it was made, at `since`."""

    policy: Json
    staff: Sequence[Json]
    case: Json
    team: str | None
    since: datetime
    now: datetime

    def ask(self) -> tuple[str, list[str]] | None:
        """The step and its people; None if nobody may grant it and the policy refuses such a request."""
        ladder = self.policy["escalation"][0]
        steps = [step["to"] for step in ladder["steps"]]
        for step in steps:
            own = self._own(step)
            covered = any(self._covers(one, step) for one in self._present(own, None))
            if covered and (told := self._near(own, able=True)):
                return step, told
        for step in steps:
            if told := self._near(self._having(step), able=True):
                return step, told
        if ladder.get("when_nobody") == "refuse":
            return None
        last = steps[-1]
        return last, self._near(self._own(last), able=False) or self._near(self._having(last), able=False)

    def may_answer(self, step: str) -> list[str]:
        """The people who may answer at that step: with its role, with one that extends it, and stand-ins."""
        if step not in self.policy["roles"]:
            asked = self.ask()
            return [] if asked is None else self.may_answer(asked[0])
        return [one["agent_id"] for one in self._present(self._having(step), None)]

    def stood_in(self) -> list[str]:
        """The people who stood in for the asking agent between `since` and `now`."""
        asker = find(self.staff, self.case.get("agent_id"))
        if asker is None:
            return []
        starts = [datetime.fromisoformat(one["from"]) for one in asker.get("absences", ())]
        moments = [self.since, self.now, *(one for one in starts if self.since < one < self.now)]
        found = [self._stands_in(asker, moment) for moment in moments]
        return [one["agent_id"] for one in found if one is not None and one != asker]

    def _having(self, role: str) -> list[str]:
        return [other for other in self.policy["roles"] if is_a(self.policy, other, role)]

    def _own(self, step: str) -> list[str]:
        """The step's role; the roles that extend it if nobody on the staff has the step's role."""
        return [step] if any(one["role"] == step for one in self.staff) else self._having(step)

    def _near(self, roles: Sequence[str], *, able: bool) -> list[str]:
        for team in (self.team, None) if self.team is not None else (None,):
            present = self._present(roles, team)
            if found := sorted(
                one["agent_id"] for one in present if not able or self._covers(one, one["role"])
            ):
                return found
        return []

    def _present(self, roles: Sequence[str], team: str | None) -> list[Json]:
        holders = [one for one in self.staff if one["role"] in roles and team in (None, one["team"])]
        present = {one["agent_id"]: one for each in holders if (one := self._stands_in(each, self.now))}
        never = [self.case.get("agent_id"), *self.stood_in()]
        return [one for agent_id, one in present.items() if agent_id not in never]

    def _stands_in(self, person: Json | None, now: datetime) -> Json | None:
        asked: list[str] = []
        while person is not None and person["agent_id"] not in asked:
            away = absence(person, now)
            if away is None:
                return person
            asked.append(person["agent_id"])
            person = find(self.staff, away.get("delegate"))
        return None

    def _covers(self, person: Json, role: str) -> bool:
        request = self.case["request"]
        if request.get("currency") not in (None, self.policy["currency"]):
            return False
        check = MandateCheck(self.policy, (), self.case, person, self.now, request.get("amount"), None)
        rows = candidates(self.policy, role, self.case)
        return any(check.shortfall(row, of_budgets=False) is None for row in rows)


def find(staff: Iterable[Json], agent_id: str | None) -> Json | None:
    """The member of staff with that id, if any."""
    return next((one for one in staff if one["agent_id"] == agent_id), None)


def absence(person: Json, now: datetime) -> Json | None:
    """The absence of a person at a moment, if any."""
    holding = [
        one
        for one in person.get("absences", ())
        if datetime.fromisoformat(one["from"]) <= now < datetime.fromisoformat(one["until"])
    ]
    return max(holding, key=lambda one: str(one["from"]), default=None)
