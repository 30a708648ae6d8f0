"""Whether a mandate covers what is asked (DESIGN.md, Policy 3 to 5)."""

from __future__ import annotations

from schemas.money import Money
from services.rules.core import reasons
from services.rules.core.expressions.evaluation import Expression, Failure, Surroundings
from services.rules.core.limits import in_minor_units
from services.rules.core.policy.book import Mandate
from services.rules.core.proposals import Reason


class Judge:
    """Judges mandates for one case, one person and one amount; each expression is evaluated at most once."""

    __slots__ = ("_around", "_conditions", "_currency", "_limits")

    def __init__(self, around: Surroundings, currency: str) -> None:
        self._around = around
        self._currency = currency
        self._conditions: dict[int, bool | Failure] = {}
        self._limits: dict[int, int | Failure] = {}

    def condition(self, when: Expression) -> bool | Failure:
        """What a condition comes out as."""
        known = self._conditions.get(id(when))
        if known is None:
            known = self._conditions[id(when)] = when.is_true(self._around)
        return known

    def limit(self, limit: int | Expression) -> int | Failure:
        """A limit in minor units."""
        if isinstance(limit, int):
            return limit
        known = self._limits.get(id(limit))
        if known is None:
            number = limit.number(self._around)
            known = self._limits[id(limit)] = (
                number if isinstance(number, Failure) else in_minor_units(number, self._currency)
            )
        return known

    def shortfall(self, row: Mandate) -> Reason | None:
        """Why the mandate does not cover the request: the first thing that fails; None where it does."""
        if row.when is not None:
            met = self.condition(row.when)
            if met is not True:
                return reasons.condition_not_met(row) if met is False else reasons.condition_failed(row, met)
        if row.limit is None:
            return None
        amount = self._around.money
        if amount is None:
            return reasons.amount_missing(row)
        limit = self.limit(row.limit)
        if isinstance(limit, Failure):
            return reasons.limit_failed(row, limit)
        if amount.minor > limit:
            return reasons.over_limit(row, amount, Money(limit, self._currency))
        return None

    def offer(self, row: Mandate) -> Money | None:
        """The largest amount that this mandate, whose limit is below what is asked, would have granted."""
        limit = None if row.limit is None else self.limit(row.limit)
        if limit is None or isinstance(limit, Failure) or limit <= 0:
            return None
        offered = Money(limit, self._currency)
        parts = (row.when, row.limit)
        if not any(isinstance(part, Expression) and part.names_amount for part in parts):
            return offered
        around = Surroundings(self._around.case, self._around.agent, self._around.now, offered)
        return offered if Judge(around, self._currency).shortfall(row) is None else None
