"""The budgets of a policy's text, the windows of the calendar, and the sums of charges."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from ruamel.yaml import YAML

EPOCH = date(1970, 1, 1)


@dataclass(frozen=True)
class Budget:
    """A budget of a policy, with either a `cap` or a `count`."""

    id: str
    per: str
    window: str
    cap: Decimal | None
    count: int | None

    @property
    def most(self) -> Decimal:
        """The cap, or the count."""
        return self.cap if self.cap is not None else Decimal(self.count or 0)

    @property
    def days(self) -> int:
        """N of `Nd`, else 0."""
        return int(self.window[:-1]) if self.window[:-1].isdecimal() else 0


class Mandate(NamedTuple):
    """A mandate, as plain values."""

    id: str
    kinds: frozenset[str]
    limit: Decimal | None
    budgets: tuple[Budget, ...]


@dataclass(frozen=True)
class Policy:
    """A published policy, read by a plain YAML library."""

    currency: str
    zone: ZoneInfo
    mandates: Mapping[str, Mandate]

    @property
    def budgets(self) -> dict[str, Budget]:
        """All budgets by id."""
        return {budget.id: budget for mandate in self.mandates.values() for budget in mandate.budgets}

    def window(self, budget: Budget, moment: datetime) -> str:
        """The window of a charge at a moment, as events write it."""
        local = moment.astimezone(self.zone)
        if budget.window == "hour":
            return f"{local:%Y-%m-%dT%H}{str(local)[-6:]}"
        if budget.window == "quarter":
            return f"{local.year}-Q{(local.month + 2) // 3}"
        form = {"week": "%G-W%V", "month": "%Y-%m", "year": "%Y"}.get(budget.window, "%Y-%m-%d")
        return local.strftime(form)


def read_policy(text: str) -> Policy:
    """Read the text of a policy."""
    said: dict[str, Any] = YAML(typ="safe", pure=True).load(text)
    shared = {name: _budget(name, one) for name, one in (said.get("budgets") or {}).items()}
    mandates = {}
    for row in said["mandates"]:
        budgets = [
            shared[one] if isinstance(one, str) else _budget(f"{row['id']}.{one.get('id', place)}", one)
            for place, one in enumerate(row.get("budgets") or (), 1)
        ]
        kinds = row["grants"] if isinstance(row["grants"], list) else [row["grants"]]
        mandates[row["id"]] = Mandate(row["id"], frozenset(kinds), _number(row.get("limit")), tuple(budgets))
    return Policy(said["currency"], ZoneInfo(said.get("timezone") or "UTC"), mandates)


def _budget(name: str, said: Mapping[str, Any]) -> Budget:
    return Budget(name, said["per"], said["window"], _number(said.get("cap")), said.get("count"))


def _number(said: Any) -> Decimal | None:
    """A number, which may be written as text; None if it is absent or an expression."""
    try:
        return None if said is None else Decimal(str(said))
    except InvalidOperation:
        return None


class Counter(NamedTuple):
    """A counter: one budget of one tenant and scope, in one unit."""

    tenant: str
    budget: str
    window: str
    unit: str
    scope: str


class Totals:
    """The sums of charges, by counter and window."""

    def __init__(self) -> None:
        self._used: defaultdict[Counter, defaultdict[str, Decimal]] = defaultdict(
            lambda: defaultdict(Decimal)
        )

    def charge(self, tenant: str, policy: Policy, budget: Budget, charge: Mapping[str, Any]) -> str | None:
        """Add a charge. Returns what is wrong with the counter after it, or None."""
        unit = "count" if budget.cap is None else policy.currency
        counter = Counter(tenant, budget.id, budget.window, unit, charge["scope"])
        amount = amount_of(charge)
        used = self._used[counter]
        used[charge["window"]] += amount
        if used[charge["window"]] < 0:
            return f"{counter} of {charge['window']} fell to {used[charge['window']]}"
        most = self._most(used, budget, charge["window"])
        if amount > 0 and most > budget.most:
            return f"{counter} of {charge['window']} came to {most}, above {budget.most}"
        return None

    @staticmethod
    def _most(used: Mapping[str, Decimal], budget: Budget, window: str) -> Decimal:
        if not budget.days:
            return used[window]
        day = date.fromisoformat(window)
        near = [
            used.get((day + timedelta(days=number)).isoformat(), Decimal())
            for number in range(1 - budget.days, budget.days)
        ]
        return max(sum(near[first : first + budget.days], Decimal()) for first in range(budget.days))

    def counters(self, exponent: int = 2) -> dict[str, dict[str, int]]:
        """The counters of the ledger: key -> window -> minor units or count, without those that are 0."""
        found: dict[str, dict[str, int]] = {}
        for counter, used in self._used.items():
            days = counter.window[:-1].isdecimal()
            scale = 1 if counter.unit == "count" else 10**exponent
            fields = {
                str((date.fromisoformat(window) - EPOCH).days) if days else window: int(amount * scale)
                for window, amount in used.items()
                if amount
            }
            if fields:
                found["|".join(counter)] = fields
        return found


def amount_of(charge: Mapping[str, Any]) -> Decimal:
    """The amount of a charge: money in major units, or a count."""
    return Decimal(str(charge["count"] if charge.get("count") is not None else charge["amount"]))
