"""The mandates that somebody may try for a request, tried in their order (DESIGN.md, Policy 2 to 4)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from engine import reasons
from engine.expressions.evaluation import Expression
from engine.judging.budgets import BudgetUse, Charges, Spender, charges, local_day, renews_at
from engine.judging.conclusions import Reason
from engine.judging.mandates import Judge, looks_at_amount
from engine.policy.book import Mandate, PolicyBook
from schemas.case import DecisionRequest
from schemas.money import Money

MOST_TRIES: Final = 4
"""So many amounts of a candidate are tried for `on_the_spot`, where something looks at the amount."""


class Fitting(NamedTuple):
    """A mandate that covers the request, and grants it where each of its charges has room."""

    mandate: Mandate
    charges: Charges


class Probe(NamedTuple):
    """A mandate that might grant a part of what is asked: at most so much, with charges on these budgets."""

    mandate: Mandate
    most: int
    charges: Charges


class Tried(NamedTuple):
    """The candidates in their order, up to the first that fits and charges nothing.

    What is not :class:`Fitting` says why. `charge_options`: what each of those charges that charge something.
    `looking`: those over their limit, where no candidate is free.
    `barring`: the conditions of prohibitions that look at the amount; what is offered must meet none of them.
    """

    candidates: tuple[Fitting | Reason, ...]
    charge_options: tuple[Charges, ...]
    judge: Judge
    now: datetime
    zone: ZoneInfo
    looking: tuple[Probe, ...] = ()
    barring: tuple[Expression, ...] = ()

    @property
    def probes(self) -> Charges:
        """The charges whose room is of interest where nothing was taken: for `on_the_spot`."""
        return tuple(charge for look in self.looking for charge in look.charges)

    @property
    def shortfalls(self) -> tuple[Reason, ...]:
        """Why candidates do not cover the request, whatever room their budgets have."""
        return tuple(one for one in self.candidates if isinstance(one, Reason))

    def settled(
        self, chosen_option: int, used: Sequence[BudgetUse]
    ) -> tuple[Fitting | None, tuple[Reason, ...]]:
        """The candidate that grants it, None where none does, and why each before it does not.

        `chosen_option` and `used` as :class:`engine.proposals.proposal.Proposal` has them.
        """
        passed: list[Reason] = []
        place = at = 0
        for one in self.candidates:
            if isinstance(one, Reason):
                passed.append(one)
                continue
            place += bool(one.charges)
            if not one.charges or place == chosen_option:
                return one, tuple(passed)
            passed.append(self._exhausted(one, used[at : at + len(one.charges)]))
            at += len(one.charges)
        return None, tuple(passed)

    def on_the_spot(self, used: Sequence[BudgetUse]) -> Money | None:
        """The largest amount found that a candidate would have granted now; `used` as where none had room."""
        asked = self.judge.money
        if asked is None:
            return None
        fitting = (one for one in self.candidates if isinstance(one, Fitting))
        exhausted = (Probe(one.mandate, asked.minor, one.charges) for one in fitting)
        most = at = 0
        for look in (*exhausted, *self.looking):
            room = _room(look, used[at : at + len(look.charges)], asked.minor)
            at += len(look.charges)
            most = max(most, self._offer(look, room, asked.currency))
        return Money(most, asked.currency) if most > 0 else None

    def _offer(self, look: Probe, room: int, currency: str) -> int:
        """The largest amount of a few that the mandate, whose `when` is true, grants; 0 where it grants none.

        Where nothing looks at the amount, the first is the largest that there is. Where something does, one
        that is granted leads on to the limit as it comes out for it, and one that is not to a lower amount.
        """
        row, best, trying = look.mandate, 0, min(look.most, room)
        if not self.barring and not looks_at_amount(row):
            return trying
        for _ in range(MOST_TRIES):
            if trying <= best:
                break
            judge = self.judge.of_amount(Money(trying, currency))
            granted = judge.shortfall(row) is None and not self._is_barred(judge)
            best, above = (trying, room) if granted else (best, trying - 1)
            ceiling = judge.ceiling(row)
            trying = above if ceiling is None else min(ceiling, above)
        return best

    def _is_barred(self, judge: Judge) -> bool:
        return any(judge.condition(when) is not False for when in self.barring)

    def _exhausted(self, one: Fitting, used: Sequence[BudgetUse]) -> Reason:
        """Of the first of its budgets that has no room."""
        charge, seen = next(
            (charge, seen)
            for charge, seen in zip(one.charges, used, strict=True)
            if seen.used + charge.amount > charge.cap
        )
        renewed = renews_at(charge, seen, local_day(self.now, self.zone), self.zone)
        return reasons.budget_exhausted(one.mandate, charge, seen.used, self.judge.money, renewed, self.zone)


def try_candidates(
    rows: Iterable[Mandate], judge: Judge, spender: Spender, now: datetime, zone: ZoneInfo, why: str | None
) -> Tried:
    """Try each until one grants it without a charge; `why` is the reason that discretion needs."""
    candidates: list[Fitting | Reason] = []
    charge_options: list[Charges] = []
    over: list[tuple[Mandate, int]] = []
    explained = bool(why and why.strip())
    for row in rows:
        one = _try(row, judge, spender, now, zone, explained)
        candidates.append(one)
        if isinstance(one, Fitting):
            if not one.charges:
                return Tried(tuple(candidates), tuple(charge_options), judge, now, zone)
            charge_options.append(one.charges)
        elif one.code == reasons.OVER_LIMIT and (most := _below(row, judge)) > 0:
            over.append((row, most))
    looking = tuple(Probe(row, most, _charges(row, judge, spender, now, zone)) for row, most in over)
    return Tried(tuple(candidates), tuple(charge_options), judge, now, zone, looking)


def _try(
    row: Mandate, judge: Judge, spender: Spender, now: datetime, zone: ZoneInfo, explained: bool
) -> Fitting | Reason:
    if row.discretion is not None and not explained:
        return reasons.discretion_needs_reason(row)
    shortfall = judge.shortfall(row)
    return Fitting(row, _charges(row, judge, spender, now, zone)) if shortfall is None else shortfall


def _charges(row: Mandate, judge: Judge, spender: Spender, now: datetime, zone: ZoneInfo) -> Charges:
    return charges(row.budgets, spender, judge.money, local_day(now, zone)) if row.budgets else ()


def rows_for(book: PolicyBook, role: str, request: DecisionRequest, category: str | None) -> list[Mandate]:
    """The candidates: ordinary ones in the file's order, then, where asked for, those with discretion."""
    rows = book.candidates(role, request.kind, category)
    if all(row.discretion is None for row in rows):
        return rows
    ordinary = [row for row in rows if row.discretion is None]
    return ordinary + [row for row in rows if row.discretion is not None] if request.discretion else ordinary


def _below(row: Mandate, judge: Judge) -> int:
    """The first amount to offer of a mandate that is over its limit; 0 for none.

    A limit that looks at the amount may be 0 for what is asked, and more for less.
    """
    at_least = 1 if isinstance(row.limit, Expression) and row.limit.names_amount else 0
    return max(judge.ceiling(row) or 0, at_least)


def _room(look: Probe, used: Sequence[BudgetUse], asked: int) -> int:
    """So much of what is asked the budgets leave; 0 where a count is used up."""
    room = asked
    for charge, seen in zip(look.charges, used, strict=True):
        left = charge.cap - seen.used
        room = min(room, left if charge.budget.cap is not None else room * (left >= 1))
    return room
