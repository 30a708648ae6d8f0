"""Judge whether a mandate covers a request (docs/policy.md, How a request is judged)."""

from __future__ import annotations

from engine import reasons
from engine.expressions.evaluation import Expression, Failure, Surroundings
from engine.judging.conclusions import Reason
from engine.judging.limits import in_minor_units
from engine.policy.book import Mandate
from schemas.money import Money
from schemas.staff import StaffMember


class Judge:
    """Judges mandates for one case, one person and one amount. Each expression is evaluated at most once.

    A judge for another amount or person is made from an existing judge of the same case. It reuses the values
    of expressions that do not depend on the difference.
    """

    __slots__ = ("_around", "_conditions", "_currency", "_limits", "_other")

    def __init__(self, around: Surroundings, currency: str, other: Judge | None = None) -> None:
        self._around = around
        self._currency = currency
        self._other = other
        self._conditions: dict[int, bool | Failure] = {}
        self._limits: dict[int, int | Failure] = {}

    @property
    def money(self) -> Money | None:
        """The amount that it judges."""
        return self._around.money

    @property
    def currency(self) -> str:
        """The currency of the policy."""
        return self._currency

    def of_amount(self, money: Money | None) -> Judge:
        """A judge for the same person and another amount."""
        around = self._around
        return Judge(Surroundings(around.case, around.agent, around.now, money), self._currency, self)

    def of_person(self, person: StaffMember) -> Judge:
        """A judge for another person and the same amount."""
        around = self._around
        return Judge(Surroundings(around.case, person, around.now, around.money), self._currency, self)

    def condition(self, when: Expression) -> bool | Failure:
        """The value of a condition."""
        known = self._conditions.get(id(when))
        if known is None:
            other = self._same_for_other(when)
            known = when.is_true(self._around) if other is None else other.condition(when)
            self._conditions[id(when)] = known
        return known

    def limit(self, limit: int | Expression) -> int | Failure:
        """A limit in minor units."""
        if isinstance(limit, int):
            return limit
        known = self._limits.get(id(limit))
        if known is None:
            other = self._same_for_other(limit)
            known = self._work_out(limit) if other is None else other.limit(limit)
            self._limits[id(limit)] = known
        return known

    def shortfall(self, row: Mandate) -> Reason | None:
        """The reason of the first check that fails; None if the mandate covers the request.

        The room in its budgets is not checked here, because only the ledger knows it.
        """
        if row.when is not None:
            met = self.condition(row.when)
            if met is not True:
                return reasons.condition_not_met(row) if met is False else reasons.condition_failed(row, met)
        amount = self._around.money
        if amount is None:
            return reasons.amount_missing(row) if _needs_amount(row) else None
        if row.limit is None:
            return None
        limit = self.limit(row.limit)
        if isinstance(limit, Failure):
            return reasons.limit_failed(row, limit)
        if amount.minor > limit:
            return reasons.over_limit(row, amount, Money(limit, self._currency))
        return None

    def ceiling(self, row: Mandate) -> int | None:
        """The limit of a mandate in minor units; None if it has no limit or it cannot be evaluated."""
        limit = None if row.limit is None else self.limit(row.limit)
        return None if isinstance(limit, Failure) else limit

    def _work_out(self, limit: Expression) -> int | Failure:
        number = limit.number(self._around)
        return number if isinstance(number, Failure) else in_minor_units(number, self._currency)

    def _same_for_other(self, expression: Expression) -> Judge | None:
        """The other judge, if the expression has the same value for it."""
        other = self._other
        if other is None:
            return None
        differs = (expression.names_amount and other._around.money != self._around.money) or (
            expression.names_agent and other._around.agent is not self._around.agent
        )
        return None if differs else other


def uses_amount(row: Mandate) -> bool:
    """Whether the condition or the limit may have another value for another amount."""
    return any(isinstance(part, Expression) and part.names_amount for part in (row.when, row.limit))


def _needs_amount(row: Mandate) -> bool:
    return row.limit is not None or any(budget.cap is not None for budget in row.budgets)
