"""Windows: which one a moment is in, when it renews, and runs of N days (docs/policy.md, Budgets)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.judging.budgets import (
    BudgetUse,
    Charge,
    Counters,
    counter_key,
    counter_of,
    day_number,
    renews_at,
    window_name,
)
from engine.policy.book import Budget, Window, WindowKind

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
LORD_HOWE = "Australia/Lord_Howe"
ZONES = (
    "Europe/Amsterdam", "America/New_York", "America/St_Johns", "Asia/Kolkata", "Asia/Kathmandu", LORD_HOWE,
    "Pacific/Apia", "UTC",
)  # fmt: skip


def at_noon(day: date, zone: ZoneInfo = AMSTERDAM) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=zone)


def local(moment: str, zone: str) -> datetime:
    return datetime.fromisoformat(moment).astimezone(ZoneInfo(zone))


def a_charge(
    kind: WindowKind = "day",
    days: int = 0,
    on: date = date(2026, 3, 2),
    amount: int = 40_00,
    cap: int = 100_00,
) -> Charge:
    """40.00 of a cap of 100.00 a customer."""
    budget = Budget("b", "customer", Window(kind, days), cap=100_00)
    field = str(day_number(on)) if days else window_name(kind, at_noon(on))
    key = counter_key("acme", "b", budget.window.text, "EUR", "customer:cu-1")
    return Charge(budget, "customer:cu-1", window_name(kind, at_noon(on)), key, field, amount, cap, days)


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        ("2026-03-28T22:59:59Z", "2026-03-28"),
        ("2026-03-28T23:00:00Z", "2026-03-29"),  # 00:00 of the day that has 23 hours
        ("2026-03-29T00:59:59Z", "2026-03-29"),
        ("2026-03-29T01:00:00Z", "2026-03-29"),  # the clock goes from 02:00 to 03:00
        ("2026-03-29T21:59:59Z", "2026-03-29"),
        ("2026-03-29T22:00:00Z", "2026-03-30"),
        ("2026-10-24T21:59:59Z", "2026-10-24"),
        ("2026-10-24T22:00:00Z", "2026-10-25"),  # 00:00 of the day that has 25 hours
        ("2026-10-25T00:30:00Z", "2026-10-25"),  # 02:30, and once more an hour later
        ("2026-10-25T01:30:00Z", "2026-10-25"),
        ("2026-10-25T22:59:59Z", "2026-10-25"),
        ("2026-10-25T23:00:00Z", "2026-10-26"),
    ],
)
def test_a_day_follows_the_policy_s_time_zone_even_at_clock_changes(moment: str, day: str) -> None:
    assert window_name("day", local(moment, "Europe/Amsterdam")) == day


@pytest.mark.parametrize(
    ("kind", "day", "window"),
    [
        ("day", "2026-03-02", "2026-03-02"),
        ("week", "2026-03-01", "2026-W09"),  # a Sunday
        ("week", "2026-03-02", "2026-W10"),
        ("week", "2026-12-31", "2026-W53"),
        ("week", "2027-01-03", "2026-W53"),  # the year of the week is not the year of the day
        ("week", "2027-01-04", "2027-W01"),
        ("week", "2024-12-30", "2025-W01"),
        ("month", "2026-03-31", "2026-03"),
        ("quarter", "2026-01-01", "2026-Q1"),
        ("quarter", "2026-03-31", "2026-Q1"),
        ("quarter", "2026-04-01", "2026-Q2"),
        ("quarter", "2026-09-30", "2026-Q3"),
        ("quarter", "2026-12-31", "2026-Q4"),
        ("year", "2026-12-31", "2026"),
        ("days", "2026-03-02", "2026-03-02"),
    ],
)
def test_each_day_has_its_window(kind: WindowKind, day: str, window: str) -> None:
    assert window_name(kind, at_noon(date.fromisoformat(day))) == window


@pytest.mark.parametrize(
    ("kind", "day", "renewed"),
    [
        ("day", "2026-03-28", "2026-03-28T23:00:00Z"),
        ("day", "2026-03-29", "2026-03-29T22:00:00Z"),
        ("day", "2026-10-24", "2026-10-24T22:00:00Z"),
        ("day", "2026-10-25", "2026-10-25T23:00:00Z"),
        ("week", "2026-03-23", "2026-03-29T22:00:00Z"),  # it has the hour less
        ("week", "2026-10-25", "2026-10-25T23:00:00Z"),
        ("week", "2026-12-31", "2027-01-03T23:00:00Z"),
        ("month", "2026-01-31", "2026-01-31T23:00:00Z"),
        ("month", "2026-03-02", "2026-03-31T22:00:00Z"),
        ("month", "2026-12-31", "2026-12-31T23:00:00Z"),
        ("quarter", "2026-03-31", "2026-03-31T22:00:00Z"),
        ("quarter", "2026-08-31", "2026-09-30T22:00:00Z"),
        ("quarter", "2026-12-31", "2026-12-31T23:00:00Z"),
        ("year", "2026-03-02", "2026-12-31T23:00:00Z"),
    ],
)
def test_a_calendar_window_renews_at_midnight_of_its_time_zone(
    kind: WindowKind, day: str, renewed: str
) -> None:
    on = date.fromisoformat(day)
    found = renews_at(a_charge(kind, on=on), BudgetUse(100_00), at_noon(on))
    assert found == datetime.fromisoformat(renewed)


@pytest.mark.parametrize(
    ("zone", "moment", "window", "renewed"),
    [
        ("Europe/Amsterdam", "2026-03-02T13:59:59.999999Z", "2026-03-02T14+01:00", "2026-03-02T14:00:00Z"),
        ("Europe/Amsterdam", "2026-03-02T14:00:00Z", "2026-03-02T15+01:00", "2026-03-02T15:00:00Z"),
        ("Europe/Amsterdam", "2026-03-29T00:30:00Z", "2026-03-29T01+01:00", "2026-03-29T01:00:00Z"),
        ("Europe/Amsterdam", "2026-03-29T01:30:00Z", "2026-03-29T03+02:00", "2026-03-29T02:00:00Z"),
        # 02:00 to 03:00 comes twice in October, and gives room twice
        ("Europe/Amsterdam", "2026-10-25T00:30:00Z", "2026-10-25T02+02:00", "2026-10-25T01:00:00Z"),
        ("Europe/Amsterdam", "2026-10-25T01:30:00Z", "2026-10-25T02+01:00", "2026-10-25T02:00:00Z"),
        # the hours of the clock, not those of UTC
        ("Asia/Kolkata", "2026-03-02T08:29:59Z", "2026-03-02T13+05:30", "2026-03-02T08:30:00Z"),
        ("Asia/Kolkata", "2026-03-02T08:30:00Z", "2026-03-02T14+05:30", "2026-03-02T09:30:00Z"),
        ("Asia/Kathmandu", "2026-03-02T08:15:00Z", "2026-03-02T14+05:45", "2026-03-02T09:15:00Z"),
        # the clock goes back by half an hour at 02:00, so half an hour comes twice
        (LORD_HOWE, "2026-04-04T14:59:00Z", "2026-04-05T01+11:00", "2026-04-04T15:00:00Z"),
        (LORD_HOWE, "2026-04-04T15:00:00Z", "2026-04-05T01+10:30", "2026-04-04T15:30:00Z"),
        (LORD_HOWE, "2026-10-03T15:40:00Z", "2026-10-04T02+11:00", "2026-10-03T16:00:00Z"),
        # the clock went back from 00:01, so the hour from 00:00 ended within its first minute
        ("America/St_Johns", "2010-11-07T02:30:30Z", "2010-11-07T00-02:30", "2010-11-07T02:31:00Z"),
    ],
)
def test_an_hour_is_one_of_the_clock_and_one_that_comes_twice_is_two(
    zone: str, moment: str, window: str, renewed: str
) -> None:
    at = local(moment, zone)
    assert window_name("hour", at) == window
    found = renews_at(a_charge("hour", on=at.date()), BudgetUse(100_00), at)
    assert found == datetime.fromisoformat(renewed)


def _near_clock_changes() -> st.SearchStrategy[datetime]:
    turns = ("2026-03-29T01:00:00Z", "2026-10-25T01:00:00Z", "2026-04-04T15:00:00Z", "2010-11-07T02:31:00Z")
    beside = st.integers(-7_200, 7_200).map(lambda seconds: timedelta(seconds=seconds))
    return st.builds(lambda turn, by: datetime.fromisoformat(turn) + by, st.sampled_from(turns), beside)


@example("day", datetime(2010, 11, 7, 2, 31, tzinfo=UTC), "America/St_Johns")
@given(
    st.sampled_from(["hour", "day", "week", "month", "quarter", "year"]),
    st.integers(86_400, 253_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
    | _near_clock_changes(),
    st.sampled_from(ZONES),
)
def test_a_window_is_the_same_until_it_renews_and_then_another(
    kind: WindowKind, moment: datetime, name: str
) -> None:
    zone = ZoneInfo(name)
    now = moment.astimezone(zone)
    renewed = renews_at(a_charge(kind, on=now.date()), BudgetUse(0), now)
    assert renewed is not None
    assert renewed > moment
    before = (renewed - timedelta(microseconds=1)).astimezone(zone)
    after = renewed.astimezone(zone)
    assert window_name(kind, before) == window_name(kind, now) != window_name(kind, after)


@given(
    st.integers(86_400, 4_000_000_000) | _near_clock_changes().map(lambda at: int(at.timestamp())), st.data()
)
def test_two_moments_of_one_hour_window_are_less_than_an_hour_apart(second: int, data: st.DataObject) -> None:
    zone = ZoneInfo(data.draw(st.sampled_from(ZONES)))
    other = second + data.draw(st.integers(3_600, 8_000))
    one, later = (datetime.fromtimestamp(each, UTC).astimezone(zone) for each in (second, other))
    assert window_name("hour", one) != window_name("hour", later)


@given(
    st.sampled_from(["hour", "day", "week", "month", "quarter", "year"]),
    st.integers(0, 253_000_000_000) | _near_clock_changes().map(lambda at: int(at.timestamp())),
    st.sampled_from(ZONES),
)
def test_the_counter_of_a_window_is_read_back_from_its_name(kind: WindowKind, second: int, name: str) -> None:
    window = window_name(kind, datetime.fromtimestamp(second, UTC).astimezone(ZoneInfo(name)))
    assert counter_of(window, 0) == (kind, window)


def test_a_run_of_n_days_renews_on_the_first_day_that_has_room() -> None:
    counters = Counters()
    for day, amount in ((date(2026, 3, 2), 30_00), (date(2026, 3, 10), 50_00)):
        counters.add([(a_charge("days", 30).key, str(day_number(day)), amount)])
    charge = a_charge("days", 30, on=date(2026, 3, 20))
    used = counters.use_of(charge)
    assert used.used == 80_00
    # 1 April is the first day whose runs of 30 days no longer hold 2 March
    assert renews_at(charge, used, at_noon(date(2026, 3, 20))) == datetime(2026, 3, 31, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "days"),
    [("days", 30), ("hour", 0), ("day", 0), ("week", 0), ("month", 0), ("quarter", 0), ("year", 0)],
)
def test_an_amount_above_the_cap_has_room_on_no_day(kind: WindowKind, days: int) -> None:
    charge = a_charge(kind, days, amount=100_01)
    assert renews_at(charge, Counters().use_of(charge), at_noon(date(2026, 3, 2))) is None


def test_a_late_event_counts_charges_of_later_days_in_its_runs() -> None:
    counters, late = Counters(), a_charge("days", 7, on=date(2026, 3, 2))
    counters.add([(late.key, str(day_number(date(2026, 3, day))), 35_00) for day in (1, 5, 8, 9)])
    # 2 to 8 March hold two of them, and so do 1 to 7 March; 9 March is in no run of 7 days with 2 March
    assert counters.use_of(late).used == 70_00
    assert counters.settle([(late,)])[0] == 0
    assert counters.settle([(late._replace(amount=30_00),)])[0] == 1


def most_in_a_run(by_day: dict[int, int], day: int, days: int) -> int:
    counters, charge = Counters(), a_charge("days", days)
    counters.add((charge.key, str(one), each) for one, each in by_day.items())
    return counters.use_of(charge._replace(field=str(day))).used


@given(
    st.dictionaries(st.integers(0, 40), st.integers(1, 9), max_size=12),
    st.integers(0, 40),
    st.integers(1, 12),
)
def test_the_most_in_a_run_equals_a_count_of_every_run(by_day: dict[int, int], day: int, days: int) -> None:
    runs = [range(first, first + days) for first in range(day - days + 1, day + 1)]
    assert most_in_a_run(by_day, day, days) == max(sum(by_day.get(one, 0) for one in run) for run in runs)


@given(
    st.dictionaries(st.integers(0, 30), st.integers(1, 100), max_size=10),
    st.integers(0, 30),
    st.integers(1, 9),
    st.integers(1, 100),
)
def test_the_day_with_room_is_the_first_one(by_day: dict[int, int], day: int, days: int, amount: int) -> None:
    on = date(1970, 1, 1) + timedelta(days=day)
    charge = a_charge("days", days, on=on, amount=amount, cap=100)
    counters = Counters()
    counters.add((charge.key, str(one), each) for one, each in by_day.items())
    free = counters.use_of(charge).free_day
    assert free is not None
    assert free > day
    assert most_in_a_run(by_day, free, days) + amount <= 100
    assert all(most_in_a_run(by_day, one, days) + amount > 100 for one in range(day + 1, free))


def test_a_long_run_that_is_full_is_walked_once() -> None:
    class Amount(int):
        """Counts how often it is added up."""

        added = 0

        def __add__(self, other: int) -> Amount:
            Amount.added += 1
            return Amount(int(self) + int(other))

        __radd__ = __add__

    on, counters = date(2026, 3, 2), Counters()
    charge = a_charge("days", 366, on=on, amount=1, cap=240)
    counters.add((charge.key, str(day_number(on) - back), Amount(1)) for back in range(240))
    Amount.added = 0
    assert counters.use_of(charge) == BudgetUse(240, day_number(on) + 366 - 239)
    assert Amount.added < 10 * 366


@pytest.mark.parametrize(
    ("window", "days", "counter"),
    [
        ("2026-03-02", 0, ("day", "2026-03-02")),
        ("2026-W10", 0, ("week", "2026-W10")),
        ("2026-03", 0, ("month", "2026-03")),
        ("2026-Q1", 0, ("quarter", "2026-Q1")),
        ("2026", 0, ("year", "2026")),
        ("2026-10-25T02+02:00", 0, ("hour", "2026-10-25T02+02:00")),
        ("2026-03-02", 30, ("30d", "20514")),
    ],
)
def test_the_window_of_an_event_gives_its_counter(window: str, days: int, counter: tuple[str, str]) -> None:
    assert counter_of(window, days) == counter


@pytest.mark.parametrize(
    "window", ["", "26", "2026-3", "2026-Q5", "2026-10-25T02", "yesterday!", "2026/10/25"]
)
def test_a_text_that_is_not_a_window_has_no_counter(window: str) -> None:
    with pytest.raises(ValueError, match="window"):
        counter_of(window, 0)


def test_a_counter_of_zero_is_removed() -> None:
    counters, charge = Counters(), a_charge()
    assert counters.settle([(charge,)]) == (1, ())
    counters.add([(charge.key, charge.field, -charge.amount)])
    assert counters.use_of(charge) == BudgetUse(0)
