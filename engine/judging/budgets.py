"""Budgets: their charges, windows and room (docs/policy.md, Budgets).

The ledger holds only counters. A counter has a key, and one field for each window.
"""

from __future__ import annotations

import re
from bisect import bisect
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final, Literal, NamedTuple, TypeAlias

from engine.policy.book import Budget, Per, WindowKind
from schemas.money import Money

_FIRST_DAY: Final = date(1970, 1, 1).toordinal()
COUNTED: Final = "count"
"""The unit in the key of a counter of decisions. The unit of a counter of money is its currency."""


_FORMS: Final = (
    ("day", re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")),
    ("week", re.compile("[0-9]{4}-W[0-9]{2}")),
    ("month", re.compile("[0-9]{4}-[0-9]{2}")),
    ("quarter", re.compile("[0-9]{4}-Q[1-4]")),
    ("year", re.compile("[0-9]{4}")),
    ("hour", re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}[+-][0-9:]{5,8}")),
)
"""How events write the windows of each kind, for all kinds but `Nd`."""


class Charge(NamedTuple):
    """A charge on a budget, in minor units or a count. It is made if its counter has room below `cap`.

    `scope` and `window` are written as in events. `key` and `field` name the ledger's counter. `days` is N
    for an `Nd` window, else 0; the field of an `Nd` window is a day number since 1970.
    :class:`schemas.decision.Charge` is the same in an event, without the fields that only the ledger needs.
    """

    budget: Budget
    scope: str
    window: str
    key: str
    field: str
    amount: int
    cap: int
    days: int


class BudgetUse(NamedTuple):
    """The use of a charge's counter before the charge.

    `used`: the sum in its window; for an `Nd` window the largest sum of any N days in a row that include the
    day. `free_day`: for an `Nd` window the first later day on which the amount has room, as days since 1970;
    else None.
    """

    used: int
    free_day: int | None = None


Charges: TypeAlias = tuple[Charge, ...]


class Spender(NamedTuple):
    """The people whose budgets are charged."""

    tenant: str
    agent_id: str
    team: str
    customer_id: str
    case_id: str

    def scope(self, per: Per) -> str:
        """The scope as events write it: `agent:agent-01`, `team:north`, `case:c-1`, ... or `tenant`."""
        match per:
            case "agent":
                return f"agent:{self.agent_id}"
            case "team":
                return f"team:{self.team}"
            case "customer":
                return f"customer:{self.customer_id}"
            case "case":
                return f"case:{self.case_id}"
            case "tenant":
                return "tenant"


def charges(budgets: Iterable[Budget], spender: Spender, money: Money | None, at: datetime) -> Charges:
    """The charges on these budgets if this amount is granted. An amount of 0.00, or none, charges no money.

    `at` is a time in the policy's time zone.
    """
    return tuple(
        _charge(budget, spender, money.minor, money.currency, at)
        if budget.cap is not None and money is not None
        else _charge(budget, spender, 1, COUNTED, at)
        for budget in budgets
        if budget.cap is None or (money is not None and money.minor > 0)
    )


def _charge(budget: Budget, spender: Spender, amount: int, unit: str, at: datetime) -> Charge:
    kind, days = budget.window
    window = window_name(kind, at)
    scope = spender.scope(budget.per)
    return Charge(
        budget,
        scope,
        window,
        counter_key(spender.tenant, budget.id, budget.window.text, unit, scope),
        str(day_number(at)) if days else window,
        amount,
        budget.most,
        days,
    )


def day_number(day: date) -> int:
    """Days since 1970-01-01."""
    return day.toordinal() - _FIRST_DAY


def window_name(kind: WindowKind, at: datetime) -> str:
    """The window of a time in the policy's time zone, as events write it.

    An hour is `2026-03-02T14+01:00`. It has the offset from UTC, because a clock that is put back shows the
    same hour twice, and these are two windows. The others are `2026-03-02`, `2026-W10`, `2026-03`, `2026-Q1`
    and `2026`.
    """
    return _hour_name(at) if kind == "hour" else _calendar_window(kind, at.date())


def _hour_name(at: datetime) -> str:
    return at.isoformat(timespec="hours")


@lru_cache(maxsize=1_000)
def _calendar_window(kind: Literal["day", "week", "month", "quarter", "year", "days"], day: date) -> str:
    match kind:
        case "day" | "days":
            return day.isoformat()
        case "week":
            year, week, _ = day.isocalendar()
            return f"{year:04d}-W{week:02d}"
        case "month":
            return f"{day.year:04d}-{day.month:02d}"
        case "quarter":
            return f"{day.year:04d}-Q{_quarter(day) + 1}"
        case "year":
            return f"{day.year:04d}"


def _quarter(day: date) -> int:
    """The quarter of the year, from 0."""
    return (day.month - 1) // 3


def counter_key(tenant: str, budget: str, window: str, unit: str, scope: str) -> str:
    """The key of a counter. `window` is `hour`, ..., `year` or `30d`; `unit` is a currency or `count`.

    The scope comes last, because only the scope may contain a `|`.
    """
    return f"{tenant}|{budget}|{window}|{unit}|{scope}"


def counter_of(window: str, days: int) -> tuple[str, str]:
    """The window's part of the counter key, and the counter's field, for a window as events write it.

    Raises ValueError for a text that is not a window.
    """
    if days:
        return f"{days}d", str(day_number(date.fromisoformat(window)))
    kind = next((kind for kind, form in _FORMS if form.fullmatch(window)), None)
    if kind is None:
        raise ValueError(f"{window!r} is not a window")
    return kind, window


def renews_at(charge: Charge, used: BudgetUse, at: datetime) -> datetime | None:
    """The moment when the budget of a charge has room again; None if the amount is above the cap.

    `at`: the time of the charge, in the policy's time zone.
    """
    if charge.amount > charge.cap:
        return None
    kind = charge.budget.window.kind
    try:
        if kind == "hour":
            return _end_of_hour(at)
        after = _day_after(kind, used, at.date())
    except (ValueError, OverflowError):  # after the last day of the calendar
        return None
    if after is None:
        return None
    return _midnight_after(datetime(after.year, after.month, after.day, tzinfo=at.tzinfo), at)


def _midnight_after(midnight: datetime, at: datetime) -> datetime:
    """The moment of a midnight. Where clocks go back over it, it comes twice: the next one after `at`."""
    first = midnight.astimezone(UTC)
    return first if first > at else midnight.replace(fold=1).astimezone(UTC)


def _end_of_hour(at: datetime) -> datetime:
    """The end of the hour of the clock; or the moment within it at which the clock is changed."""
    begin = at.astimezone(UTC).replace(microsecond=0)
    seconds, name = 3600 - 60 * at.minute - at.second, _hour_name(at)
    same = range(1, seconds)  # the seconds from now on; those of this hour come first
    changed = bisect(
        same,
        0,
        key=lambda later: _hour_name((begin + timedelta(seconds=later)).astimezone(at.tzinfo)) != name,
    )
    return begin + timedelta(seconds=changed + 1)


def _day_after(
    kind: Literal["day", "week", "month", "quarter", "year", "days"], used: BudgetUse, day: date
) -> date | None:
    match kind:
        case "day":
            return day + timedelta(days=1)
        case "week":
            return day + timedelta(days=8 - day.isoweekday())
        case "month":
            return (day.replace(day=1) + timedelta(days=32)).replace(day=1)
        case "quarter":
            year, quarter = divmod(_quarter(day) + 1, 4)
            return date(day.year + year, 3 * quarter + 1, 1)
        case "year":
            return date(day.year + 1, 1, 1)
        case "days":
            return None if used.free_day is None else date.fromordinal(used.free_day + _FIRST_DAY)


def _most_and_free_day(
    by_day: Mapping[int, int], day: int, days: int, amount: int, cap: int
) -> tuple[int, int]:
    """The largest sum of a run of `days` days that includes `day`, and the first later day with room.

    The loop visits each run once, by its first day, as the ledger's script does. So the time grows with the
    number of days, not with its square.
    """
    first, free, most = day - days + 1, day + 1, 0
    in_run = sum(by_day.get(other, 0) for other in range(first, day + 1))
    while first <= free:
        if first <= day:
            most = max(most, in_run)
        if in_run + amount > cap >= amount:
            free = first + days
        in_run += by_day.get(first + days, 0) - by_day.get(first, 0)
        first += 1
    return most, free


class Counters:
    """Counters in memory that settle as the ledger does, for offline decisions and tests of the ledger."""

    def __init__(self) -> None:
        self._counters: dict[str, dict[str, int]] = defaultdict(dict)

    def settle(
        self, charge_options: Sequence[Charges], probes: Charges = ()
    ) -> tuple[int, tuple[BudgetUse, ...]]:
        """Charge the first option whose charges all have room. Return its number from 1, or 0 for none.

        Also return the use of each charge of the options before it, and of `probes` if none was charged.
        """
        used: list[BudgetUse] = []
        for number, charges in enumerate(charge_options, 1):
            uses = [self.use_of(charge) for charge in charges]
            if all(use.used + charge.amount <= charge.cap for use, charge in zip(uses, charges, strict=True)):
                self.add((charge.key, charge.field, charge.amount) for charge in charges)
                return number, tuple(used)
            used += uses
        return 0, (*used, *map(self.use_of, probes))

    def add(self, amounts: Iterable[tuple[str, str, int]]) -> None:
        """Add amounts of either sign to counters. Each is a key, a field and an amount."""
        for key, field, amount in amounts:
            counter = self._counters[key]
            counter[field] = counter.get(field, 0) + amount
            if counter[field] == 0:
                del counter[field]

    def use_of(self, charge: Charge) -> BudgetUse:
        """The use of the counter of this charge."""
        counter = self._counters.get(charge.key, {})
        if not charge.days:
            return BudgetUse(counter.get(charge.field, 0))
        by_day = {int(field): amount for field, amount in counter.items()}
        day = int(charge.field)
        most, free = _most_and_free_day(by_day, day, charge.days, charge.amount, charge.cap)
        return BudgetUse(most, free if charge.amount <= charge.cap else None)
