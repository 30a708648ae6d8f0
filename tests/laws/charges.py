"""Money, windows and charges, in the plainest code (docs/policy.md, Budgets).

Nothing is remembered: of each budget every charge so far is added up each time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

DECIMALS: Final = {"JPY": 0, "EUR": 2, "USD": 2, "KWD": 3}
Json = Mapping[str, Any]


class Charge(NamedTuple):
    """A charge at a local time: `amount` in minor units of `unit`, or a number if `unit` is `count`."""

    budget: str
    kind: str
    unit: str
    scope: str
    at: datetime
    amount: int

    @property
    def day(self) -> date:
        """The day of the charge."""
        return self.at.date()

    @property
    def window(self) -> str:
        """The window, as events write it."""
        return window(self.kind, self.at)

    @property
    def days(self) -> int:
        """N of `Nd`, else 0."""
        return days_of(self.kind)


def minor_of(text: str, currency: str) -> int:
    """`45.00` EUR is 4500."""
    return int(Decimal(text).scaleb(DECIMALS[currency]))


def text_of(minor: int, currency: str) -> str:
    """4500 EUR is `45.00`."""
    return f"{Decimal(minor).scaleb(-DECIMALS[currency]):.{DECIMALS[currency]}f}"


def days_of(kind: str) -> int:
    """N of `Nd`, else 0."""
    return int(kind[:-1]) if kind[:-1].isdecimal() else 0


def window(kind: str, at: datetime) -> str:
    """The name of the window that contains the time."""
    day = at.date()
    if kind == "hour":
        return f"{at:%Y-%m-%dT%H}{str(at)[-6:]}"
    if kind == "quarter":
        return f"{day.year}-Q{(day.month + 2) // 3}"
    form = {"week": "%G-W%V", "month": "%Y-%m", "year": "%Y"}.get(kind, "%Y-%m-%d")
    return day.strftime(form)


def local_time(policy: Json, moment: datetime) -> datetime:
    """That moment in the time zone of the policy."""
    return moment.astimezone(ZoneInfo(policy.get("timezone", "UTC")))


def spent(charges: Iterable[Charge], like: Charge) -> int:
    """The amount spent from its budget in its window; for `Nd`, the most in any N days around its day."""
    same = [one for one in charges if one[:4] == like[:4]]
    if not like.days:
        return sum(one.amount for one in same if one.window == like.window)
    runs = [like.day - timedelta(days=back) for back in range(like.days)]
    return max(
        sum(one.amount for one in same if first <= one.day < first + timedelta(days=like.days))
        for first in runs
    )


def renews_at(policy: Json, charges: Sequence[Charge], like: Charge, cap: int) -> datetime | None:
    """The start of the next window; for `Nd`, the first later day with room. None if there never is room."""
    if like.amount > cap:
        return None
    if like.kind == "hour":
        return _next_hour(like)
    day = like.day
    while True:
        day += timedelta(days=1)
        later = like._replace(at=datetime.combine(day, time(12), like.at.tzinfo))
        if spent(charges, later) + like.amount <= cap if like.days else later.window != like.window:
            return _first_moment(policy, day)


def _next_hour(like: Charge) -> datetime:
    second = like.at.astimezone(UTC).replace(microsecond=0)
    while window("hour", second.astimezone(like.at.tzinfo)) == like.window:
        second += timedelta(seconds=1)
    return second


def _first_moment(policy: Json, day: date) -> datetime:
    before = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) - 2 * 86400
    after = before + 4 * 86400
    while after - before > 1:
        middle = (before + after) // 2
        if local_time(policy, datetime.fromtimestamp(middle, UTC)).date() < day:
            before = middle
        else:
            after = middle
    return datetime.fromtimestamp(after, UTC)
