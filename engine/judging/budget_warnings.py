"""Warnings that a budget is nearly used up (docs/policy.md, Budgets).

The ledger says what a counter held before a charge, so of several decisions exactly one crosses the line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from engine.judging.budgets import BudgetUse, Charge, Charges
from engine.judging.staff import StaffDirectory
from engine.policy.book import PolicyBook
from schemas.staff import StaffMember

MOST_LEADS: Final = 100
"""The most people who are named in the warnings of one decision."""


class BudgetWarning(NamedTuple):
    """A charge that brought its budget to `warn_at` or above.

    `used`: what the budget holds after the charge. `leads`: the people to tell.
    """

    charge: Charge
    used: int
    leads: tuple[str, ...]


BudgetWarnings: TypeAlias = tuple[BudgetWarning, ...]


@dataclass(frozen=True, slots=True)
class BudgetWatch:
    """The owner of the watched budgets, and the staff among whom the people to tell are found."""

    book: PolicyBook
    staff: StaffDirectory
    spender: StaffMember | None

    def warnings(self, charges: Charges, before: Sequence[BudgetUse]) -> BudgetWarnings:
        """The warnings of these charges. `before`: the use of each charge that has `warn_at`, before it."""
        watched = [charge for charge in charges if charge.budget.warn_at is not None]
        crossed = [
            (charge, use.used + charge.amount)
            for charge, use in zip(watched, before, strict=True)
            if crosses(charge, use.used)
        ]
        if not crossed:
            return ()
        leads = self._leads()[: MOST_LEADS // len(crossed)]
        return tuple(BudgetWarning(charge, used, leads) for charge, used in crossed)

    def _leads(self) -> tuple[str, ...]:
        """The people with the role of the first step: in the spender's team, else in any; not the spender."""
        spender = self.spender
        if spender is None:
            return ()
        for team in (spender.team, None):
            people = self.staff.with_roles((self.book.step,), team)
            found = tuple(one.agent_id for one in people if one.agent_id != spender.agent_id)
            if found:
                return found
        return ()


def crosses(charge: Charge, used: int) -> bool:
    """Whether this charge brings its counter from below `warn_at` to it or above; `used` is before it."""
    line = (charge.budget.warn_at or 0) * charge.budget.most
    return 100 * used < line <= 100 * (used + charge.amount)


def looks(charges: Charges) -> Charges:
    """Charges that never have room: with them the ledger says what the watched counters hold."""
    return tuple([charge._replace(cap=-1) for charge in charges if charge.budget.warn_at is not None])
