"""The people who are asked about a request, in the plainest code (docs/policy.md, The ladder)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from tests.laws.charges import Json
from tests.laws.mandate_checks import MandateCheck, candidates, is_a


class Ladder(NamedTuple):
    """The people who may answer a request. `team` is the team of the asking agent at that moment."""

    policy: Json
    staff: Sequence[Json]
    case: Json
    team: str | None
    now: datetime

    def ask(self) -> tuple[str, list[str]] | None:
        """The step and its people; None if nobody may grant it and the policy refuses such a request."""
        ladder = self.policy["escalation"][0]
        steps = [step["to"] for step in ladder["steps"]]
        of_their_own = [
            step for step in steps if any(self._covers(one, step) for one in self._present(step, None))
        ]
        for step in [*of_their_own, *steps]:
            if able := self._near(step, able=True):
                return step, able
        if ladder.get("when_nobody") == "refuse":
            return None
        return steps[-1], self._near(steps[-1], able=False)

    def may_answer(self, step: str) -> list[str]:
        """The people of that step."""
        if step not in self.policy["roles"]:
            asked = self.ask()
            return [] if asked is None else self.may_answer(asked[0])
        return self._near(step, able=True) or self._near(step, able=False)

    def _near(self, role: str, *, able: bool) -> list[str]:
        for team in (self.team, None) if self.team is not None else (None,):
            present = self._present(role, team)
            if found := sorted(
                one["agent_id"] for one in present if not able or self._covers(one, one["role"])
            ):
                return found
        return []

    def _present(self, role: str, team: str | None) -> list[Json]:
        holders = [
            person
            for person in self.staff
            if is_a(self.policy, person["role"], role) and team in (None, person["team"])
        ]
        present = {one["agent_id"]: one for holder in holders if (one := self._stands_in(holder))}
        present.pop(self.case.get("agent_id"), None)
        return list(present.values())

    def _stands_in(self, person: Json | None) -> Json | None:
        asked: list[str] = []
        while person is not None and person["agent_id"] not in asked:
            away = absence(person, self.now)
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
