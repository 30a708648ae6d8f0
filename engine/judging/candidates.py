"""The candidates for a request, tried in their order (docs/policy.md, How a request is judged)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from engine import reasons
from engine.expressions.evaluation import Expression
from engine.judging.budget_warnings import looks
from engine.judging.budgets import BudgetUse, Charges, Spender, charges, renews_at
from engine.judging.conclusions import Reason
from engine.judging.mandates import Judge, uses_amount
from engine.policy.book import Mandate, PolicyBook
from schemas.case import DecisionRequest
from schemas.money import MAX_MINOR, Money

MOST_TRIES: Final = 4
"""The most amounts to try for `on_the_spot` under one candidate, if an expression uses the amount."""


class Fitting(NamedTuple):
    """A mandate that covers the request. It grants the request if each of its charges has room."""

    mandate: Mandate
    charges: Charges

    looks: Charges = ()
    """The charges that are tried before its own, and never made (:func:`budget_warnings.looks`)."""


class PartialCandidate(NamedTuple):
    """A mandate that may grant a part of the amount: at most `most` minor units, with these charges."""

    mandate: Mandate
    most: int
    charges: Charges


class Tried(NamedTuple):
    """The candidates in order, up to the first that covers the request and has no charges.

    `candidates`: for each mandate a `Fitting`, or the reason why it does not cover the request.
    `charge_options`: the charges of each `Fitting` that has any; before them its `looks`, if it has any.
    `partial`: the mandates whose limit is too low, or that need an amount where the request has none, if
    every `Fitting` has charges.
    `prohibiting`: the conditions of prohibitions that use the amount; an offer must meet none of them.
    """

    candidates: tuple[Fitting | Reason, ...]
    charge_options: tuple[Charges, ...]
    judge: Judge
    now: datetime
    zone: ZoneInfo
    partial: tuple[PartialCandidate, ...] = ()
    prohibiting: tuple[Expression, ...] = ()

    @property
    def probes(self) -> Charges:
        """The charges whose use `on_the_spot` needs if no option had room."""
        return tuple(charge for candidate in self.partial for charge in candidate.charges)

    @property
    def shortfalls(self) -> tuple[Reason, ...]:
        """The reasons of the candidates that do not cover the request, even if their budgets have room."""
        return tuple(one for one in self.candidates if isinstance(one, Reason))

    def settled(
        self, chosen_option: int, used: Sequence[BudgetUse]
    ) -> tuple[Fitting | None, tuple[Reason, ...], Sequence[BudgetUse]]:
        """The candidate that grants the request, or None; and the reason of each candidate before it.

        Also the use of each of its `looks`. For the parameters see
        :meth:`engine.proposals.proposal.Proposal.render`.
        """
        passed: list[Reason] = []
        option = at = 0
        for one in self.candidates:
            if isinstance(one, Reason):
                passed.append(one)
                continue
            watched = len(one.looks)
            option += bool(one.charges) + bool(watched)
            looked, at = used[at : at + watched], at + watched
            if not one.charges or option == chosen_option:
                return one, tuple(passed), looked
            passed.append(self._exhausted(one, used[at : at + len(one.charges)]))
            at += len(one.charges)
        return None, tuple(passed), ()

    def on_the_spot(self, used: Sequence[BudgetUse]) -> Money | None:
        """The largest amount found that a candidate would have granted. `used`: as for option 0.

        If the request has no amount, only mandates that need one make an offer, up to their limit.
        """
        asked = self.judge.money
        most_asked, currency = (MAX_MINOR, self.judge.currency) if asked is None else asked
        fitting = (one for one in self.candidates if isinstance(one, Fitting))
        exhausted = (
            PartialCandidate(one.mandate, 0 if asked is None else asked.minor, one.charges) for one in fitting
        )
        used = self._without_looks(used)
        most = at = 0
        for candidate in (*exhausted, *self.partial):
            room = _room(candidate, used[at : at + len(candidate.charges)], most_asked)
            at += len(candidate.charges)
            most = max(most, self._offer(candidate, room, currency))
        return Money(most, currency) if most > 0 else None

    def _without_looks(self, used: Sequence[BudgetUse]) -> Sequence[BudgetUse]:
        """The uses of the charges and probes only. `used`: as for option 0."""
        kept: list[BudgetUse] = []
        at = 0
        for one in self.candidates:
            if isinstance(one, Fitting):
                at += len(one.looks)
                kept += used[at : at + len(one.charges)]
                at += len(one.charges)
        return [*kept, *used[at:]]

    def _offer(self, candidate: PartialCandidate, room: int, currency: str) -> int:
        """The largest of a few tried amounts that the mandate grants; 0 if it grants none of them.

        If no expression uses the amount, the first amount is already the largest. Otherwise each next amount
        is the limit for the amount before it. After an amount that is not granted, the next is also lower.
        """
        row, best, trying = candidate.mandate, 0, min(candidate.most, room)
        if not self.prohibiting and not uses_amount(row):
            return trying
        for _ in range(MOST_TRIES):
            if trying <= best:
                break
            judge = self.judge.of_amount(Money(trying, currency))
            granted = judge.shortfall(row) is None and not self._is_prohibited(judge)
            best, above = (trying, room) if granted else (best, trying - 1)
            ceiling = judge.ceiling(row)
            trying = above if ceiling is None else min(ceiling, above)
        return best

    def _is_prohibited(self, judge: Judge) -> bool:
        return any(judge.condition(when) is not False for when in self.prohibiting)

    def _exhausted(self, one: Fitting, used: Sequence[BudgetUse]) -> Reason:
        """The reason for the first of its budgets that has no room."""
        charge, use = next(
            (charge, use)
            for charge, use in zip(one.charges, used, strict=True)
            if use.used + charge.amount > charge.cap
        )
        renewed = renews_at(charge, use, self.now.astimezone(self.zone))
        return reasons.budget_exhausted(one.mandate, charge, use.used, self.judge.money, renewed, self.zone)


def try_candidates(
    rows: Iterable[Mandate], judge: Judge, spender: Spender, now: datetime, zone: ZoneInfo, reason: str | None
) -> Tried:
    """Try the mandates until one grants the request without a charge. Discretion needs the `reason`."""
    candidates: list[Fitting | Reason] = []
    charge_options: list[Charges] = []
    in_part: list[tuple[Mandate, int]] = []
    has_reason = bool(reason and reason.strip())
    for row in rows:
        one = _try(row, judge, spender, now, zone, has_reason)
        candidates.append(one)
        if isinstance(one, Fitting):
            if not one.charges:
                return Tried(tuple(candidates), tuple(charge_options), judge, now, zone)
            if one.looks:
                charge_options.append(one.looks)
            charge_options.append(one.charges)
        elif (most := _most_in_part(row, one, judge)) > 0:
            in_part.append((row, most))
    some = judge if judge.money is not None else judge.of_amount(Money(1, judge.currency))
    partial = tuple(  # the charges of any amount read the same counters
        PartialCandidate(row, most, _charges(row, some, spender, now, zone)) for row, most in in_part
    )
    return Tried(tuple(candidates), tuple(charge_options), judge, now, zone, partial)


def _try(
    row: Mandate, judge: Judge, spender: Spender, now: datetime, zone: ZoneInfo, has_reason: bool
) -> Fitting | Reason:
    if row.discretion is not None and not has_reason:
        return reasons.discretion_needs_reason(row)
    shortfall = judge.shortfall(row)
    if shortfall is not None:
        return shortfall
    charges = _charges(row, judge, spender, now, zone)
    return Fitting(row, charges, looks(charges))


def _charges(row: Mandate, judge: Judge, spender: Spender, now: datetime, zone: ZoneInfo) -> Charges:
    return charges(row.budgets, spender, judge.money, now.astimezone(zone)) if row.budgets else ()


def rows_for(book: PolicyBook, role: str, request: DecisionRequest, category: str | None) -> list[Mandate]:
    """The candidates in file order: ordinary mandates first, then those at discretion if asked for."""
    rows = book.candidates(role, request.kind, category)
    if all(row.discretion is None for row in rows):
        return rows
    ordinary = [row for row in rows if row.discretion is None]
    return ordinary + [row for row in rows if row.discretion is not None] if request.discretion else ordinary


def _first_offer(row: Mandate, judge: Judge) -> int:
    """The first amount to offer under a mandate whose limit is below the request; 0 for no offer.

    A limit that uses the amount may be 0 for the requested amount, and higher for a lower amount.
    """
    at_least = 1 if isinstance(row.limit, Expression) and row.limit.names_amount else 0
    return max(judge.ceiling(row) or 0, at_least)


def _most_in_part(row: Mandate, shortfall: Reason, judge: Judge) -> int:
    """The first amount to offer under a mandate that does not cover the request; 0 for no offer."""
    match shortfall.code:
        case reasons.OVER_LIMIT:
            return _first_offer(row, judge)
        case reasons.AMOUNT_MISSING:
            return _most_grantable(row, judge)
        case _:
            return 0


def _most_grantable(row: Mandate, judge: Judge) -> int:
    """The most that a mandate may grant if the request has no amount; 0 if its limit cannot be evaluated.

    A limit that uses the amount is worked out for each amount that is tried.
    """
    if row.limit is None or (isinstance(row.limit, Expression) and row.limit.names_amount):
        return MAX_MINOR
    return judge.ceiling(row) or 0


def _room(candidate: PartialCandidate, used: Sequence[BudgetUse], asked: int) -> int:
    """The part of the requested amount that fits in the budgets; 0 if a count is used up."""
    room = asked
    for charge, use in zip(candidate.charges, used, strict=True):
        left = charge.cap - use.used
        room = min(room, left if charge.budget.cap is not None else room * (left >= 1))
    return room
