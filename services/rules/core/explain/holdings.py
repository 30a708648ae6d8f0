"""What somebody may decide by a policy, and on which counters of the ledger it draws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from schemas.staff import StaffMember
from services.rules.core.budgets import (
    COUNTED,
    Charge,
    Used,
    counter_key,
    day_number,
    renews_at,
    window_name,
)
from services.rules.core.expressions.tokens import Kind, tokenize
from services.rules.core.policy.book import Budget, Mandate, PolicyBook


@dataclass(frozen=True, slots=True)
class Room:
    """A budget at one moment: `used` and `left` in minor units or decisions.

    `renews_at`: when more than what is left now has room; None where nothing is used.
    """

    used: int
    left: int
    renews_at: datetime | None


def mandates_of(book: PolicyBook, role: str) -> list[Mandate]:
    """The mandates of a role and of those that it extends, in the order in which they are tried."""
    by_kind = book.mandates.get(role)
    rows = [] if by_kind is None else by_kind.every()
    return sorted(rows, key=lambda row: (row.discretion is not None, row.place))


def counter_of(
    budget: Budget, book: PolicyBook, person: StaffMember, customer: str | None, day: date
) -> Charge | None:
    """Where what this person grants is counted that day, with nothing to charge; None: of which customer?"""
    scope = _scope(budget, person, customer)
    if scope is None:
        return None
    window = budget.window
    unit = COUNTED if budget.cap is None else book.currency
    return Charge(
        budget=budget,
        scope=scope,
        window=window_name(window.kind, day),
        key=counter_key(book.tenant, budget.id, window.text, unit, scope),
        field=str(day_number(day)) if window.kind == "days" else window_name(window.kind, day),
        amount=0,
        cap=_cap(budget),
        days=window.days,
    )


def room_of(charge: Charge, used: Used, next_used: Used, day: date, book: PolicyBook) -> Room:
    """What a counter says. `next_used`: what it said of one more than there is room for."""
    renews = None if used.used == 0 else renews_at(charge, next_used, day, book.zone)
    return Room(used.used, max(0, charge.cap - used.used), renews)


def one_more(charge: Charge, used: Used) -> Charge:
    """The least that has no room; nothing ever has room for more than the cap."""
    return charge._replace(amount=min(charge.cap, max(0, charge.cap - used.used) + 1))


def defined_in(text: str, define: Mapping[str, str]) -> dict[str, str]:
    """The names of `define` that an expression uses, also by way of others, with what they stand for."""
    found: dict[str, str] = {}
    waiting = [text]
    while waiting:
        before = ""
        for token in tokenize(waiting.pop(0)):
            named = token.kind is Kind.NAME and before != "." and token.text in define
            if named and token.text not in found:
                found[token.text] = define[token.text]
                waiting.append(define[token.text])
            before = token.text
    return found


def _scope(budget: Budget, person: StaffMember, customer: str | None) -> str | None:
    match budget.per:
        case "agent":
            return f"agent:{person.agent_id}"
        case "team":
            return f"team:{person.team}"
        case "tenant":
            return "tenant"
        case "customer":
            return None if customer is None else f"customer:{customer}"


def _cap(budget: Budget) -> int:
    return budget.cap if budget.cap is not None else budget.count or 0
