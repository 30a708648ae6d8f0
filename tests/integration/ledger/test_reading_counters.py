"""Counters are read in slices and near days only, with the same result as whole counters."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

import pytest
import redis as sync
from redis.asyncio import Redis

from engine.judging.budgets import Charge, Counters, Spender, charges, day_number
from engine.policy.book import Budget, Window
from schemas.money import Money
from services.chassis.process.errors import TryAgain
from services.rules.ledger import counters as adapter
from services.rules.ledger.client import Ledger
from services.rules.ledger.counters import CounterReader, CounterReading

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
TODAY = day_number(NOON)


def a_charge(days: int, name: str = "b") -> Charge:
    """A charge of 1.00 with a cap of 240.00 in any so many days."""
    budget = Budget(name, "tenant", Window("days", days), cap=240_00)
    (one,) = charges((budget,), Spender("acme", "a", "north", "cu-1", "c-1"), Money(1_00, "EUR"), NOON)
    return one


async def held(redis: Redis, key: str, by_day: dict[int, int]) -> None:
    store: Any = redis
    await store.hset(f"{{L0}}:b:{key}", mapping={str(day): amount for day, amount in by_day.items()})


@pytest.mark.parametrize("days", [1, 7, 30])
@pytest.mark.parametrize(
    "by_day",
    [
        {},
        {TODAY: 5},
        {TODAY - back: 100 for back in range(3_000)},
        {TODAY - back: 8_00 for back in range(3_000)},
        {TODAY - 1_500 + ahead: 240_00 for ahead in range(3_000)},  # by a clock that was ahead
        {TODAY - 1_500 + 2 * ahead: 240_00 for ahead in range(1_500)},
    ],
)
async def test_the_days_that_are_read_say_the_same_as_all_days(
    redis: Redis, ledger: Ledger, days: int, by_day: dict[int, int]
) -> None:
    charge = a_charge(days)
    if by_day:
        await held(redis, charge.key, by_day)
    (found,) = await CounterReader(redis).read([CounterReading(charge.key, charge.field, days)])
    read, whole = Counters(), Counters()
    read.add((charge.key, field, amount) for field, amount in found.items())
    whole.add((charge.key, str(day), amount) for day, amount in by_day.items())
    assert read.use_of(charge) == whole.use_of(charge)
    if len(by_day) == 3_000 and min(by_day) == TODAY - 2_999:
        assert len(found) < 100


async def test_counters_of_all_kinds_are_read_in_slices_and_in_order(
    redis: Redis, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter, "SLICE_FIELDS", 50)
    wanted, expected = [], []
    for number in range(40):
        amount = number + 1
        if number % 2:
            charge = a_charge(2, f"b{number}")
            await held(redis, charge.key, {TODAY: amount, TODAY - 1: 7})
            wanted.append(CounterReading(charge.key, charge.field, 2))
            expected.append({str(TODAY): amount, str(TODAY - 1): 7})
        else:
            await held(redis, f"acme|{number}|day|EUR|tenant", {number: amount, 99: 3})
            wanted.append(CounterReading(f"acme|{number}|day|EUR|tenant", str(number)))
            expected.append({str(number): amount})
    assert await CounterReader(redis).read(wanted) == expected


async def test_counters_read_over_two_epochs_raise_try_again(
    redis: Redis, ledger: Ledger, fresh_redis: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Rebuilt:
        """A Redis whose ledger is rebuilt between two slices."""

        slices = 0

        def pipeline(self, transaction: bool) -> Any:
            self.slices += 1
            with sync.Redis.from_url(fresh_redis) as other:
                other.hset("{L0}:meta", "epoch", f"epoch-{self.slices}")
            return redis.pipeline(transaction=transaction)

    wanted = [CounterReading("a", "1"), CounterReading("b", "1")]
    assert await CounterReader(cast("Any", Rebuilt())).read(wanted) == [{}, {}]
    monkeypatch.setattr(adapter, "SLICE_FIELDS", 1)
    with pytest.raises(TryAgain, match="rebuilt"):
        await CounterReader(cast("Any", Rebuilt())).read(wanted)


async def test_no_counter_is_read_while_the_ledger_is_rebuilt(redis: Redis) -> None:
    with pytest.raises(TryAgain, match="rebuilt"):
        await CounterReader(redis).read([CounterReading("a", "1")])
