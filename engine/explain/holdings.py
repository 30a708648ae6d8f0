"""The mandates of a role, and the room in their budgets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from engine.judging.budgets import BudgetUse, Charge, Spender, charges, renews_at
from engine.policy.book import Budget, Mandate, PolicyBook
from schemas.money import Money
from schemas.staff import StaffMember


@dataclass(frozen=True, slots=True)
class Room:
    """The room in a budget at one moment. `used` and `left` are minor units, or numbers of decisions.

    `renews_at`: the next moment with more room than now; None if nothing is used.
    """

    used: int
    left: int
    renews_at: datetime | None


def mandates_of(book: PolicyBook, role: str) -> list[Mandate]:
    """The mandates of a role, including those of roles that it extends, in the order of trying."""
    by_kind = book.mandates.get(role)
    rows = [] if by_kind is None else by_kind.every()
    return sorted(rows, key=lambda row: (row.discretion is not None, row.place))


def counter_for(
    budget: Budget,
    book: PolicyBook,
    person: StaffMember,
    at: datetime,
    customer: str | None = None,
    case: str | None = None,
) -> Charge | None:
    """A charge of 0 on the counter of this person at this time in the policy's time zone.

    None if the counter depends on a customer or a case that is not given.
    """
    if (budget.per == "customer" and customer is None) or (budget.per == "case" and case is None):
        return None
    spender = Spender(book.tenant, person.agent_id, person.team, customer or "", case or "")
    (charge,) = charges((budget,), spender, Money(1, book.currency), at)
    return charge._replace(amount=0)


def room_of(charge: Charge, use_of: Callable[[Charge], BudgetUse], at: datetime) -> Room:
    """The room that a counter leaves; `use_of` reads the counter."""
    used = use_of(charge).used
    left = max(0, charge.cap - used)
    if used == 0:
        return Room(used, left, None)
    more = charge._replace(amount=min(charge.cap, left + 1))
    return Room(used, left, renews_at(charge, use_of(more), at))
