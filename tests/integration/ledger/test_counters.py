"""The counters of the script, compared with the counters in memory that offline judging uses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgpack
import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.judging.budgets import Counters
from services.rules.ledger.protocol import (
    Applied,
    Argument,
    Confirm,
    CounterCharge,
    Credit,
    Item,
    New,
    Part,
    read_answers,
    write_items,
    write_parts,
    write_records,
)
from services.rules.ledger.script import text

META = "{L0}:meta"
RUNS = {"acme|a|1d|count|tenant": 1, "acme|b|2d|EUR|tenant": 2, "acme|c|7d|EUR|agent:a": 7}
PLAIN = ("acme|d|day|EUR|agent:a|b", "acme|m|month|EUR|tenant")


class Hand:
    """Calls the script; sequences do not matter."""

    def __init__(self, store: redis.Redis) -> None:
        self.store: Any = store  # redis-py types its commands for both kinds of client at once
        self.script = store.register_script(text("nonce"))
        self.gen = 0
        self.due: Confirm | None = None

    def reset(self) -> None:
        """Hold one empty partition."""
        self.store.flushdb()
        self.store.hset(META, mapping={"epoch": "nonce", "pos:0": 0, "gen:0": 0, "partitions": 1})
        self.gen, self.due = 0, None

    def run(self, operation: str, arguments: list[Argument]) -> Any:
        return self.script(keys=[META], args=[msgpack.packb([operation, 0, *arguments], use_bin_type=False)])

    def settle(self, items: Sequence[Item]) -> list[tuple[int, tuple[tuple[int, int | None], ...]]]:
        parts = [Part(0, self.gen, self.due)]
        arguments: list[Argument] = [1, len(items)]
        write_parts(parts, arguments)
        write_items(parts, list(items), arguments)
        _, first_sequence, _, refused, raw = self.run("call", arguments)
        assert refused == [0]
        answers = read_answers(raw, int(first_sequence))
        self.due = Confirm(int(first_sequence), 1)
        return [
            (one.chosen_option, tuple((used, free) for used, free in one.used))
            for one in answers
            if isinstance(one, New)
        ]

    def confirm(self, credits_: Sequence[Credit]) -> None:
        assert self.due is not None
        arguments: list[Argument] = [1, 0]
        write_parts([Part(0, self.gen, self.due._replace(effects=tuple(credits_)))], arguments)
        self.run("call", arguments)
        self.due = None

    def roll_back(self, records: Sequence[Applied] = ()) -> None:
        self.gen, pos, _ = self.run("take", [0])
        arguments: list[Argument] = [0, self.gen, pos, pos]
        write_records(list(records), arguments)
        assert self.run("resolve", arguments) == b"ok"
        self.due = None

    def counters(self) -> dict[str, dict[str, int]]:
        found: Any = list(self.store.scan_iter("{L0}:b:*"))
        return {
            key.decode().removeprefix("{L0}:b:"): {
                field.decode(): int(value) for field, value in self.store.hgetall(key).items()
            }
            for key in found
        }


@pytest.fixture(scope="module")
def hand(backing: Any) -> Iterator[Hand]:
    backing.up(["redis"])
    with redis.Redis.from_url(backing.redis_url.removesuffix("/0") + "/15") as store:
        yield Hand(store)
        store.flushdb()


@st.composite
def charge_options(draw: st.DrawFn) -> CounterCharge:
    key = draw(st.sampled_from([*RUNS, *PLAIN]))
    amount, cap, days = draw(st.integers(1, 9)), draw(st.integers(0, 40)), RUNS.get(key, 0)
    field = str(draw(st.integers(-3, 40))) if days else draw(st.sampled_from(["2026-03-02", "2026-03"]))
    return CounterCharge(key, field, amount, cap, days)


def at_once(size: int) -> st.SearchStrategy[tuple[CounterCharge, ...]]:
    """The charges of one option, no counter twice."""
    return st.lists(charge_options(), max_size=size, unique_by=lambda one: one.key).map(tuple)


class Step(NamedTuple):
    """A round, and whether it is confirmed or rolled back."""

    items: list[tuple[tuple[tuple[CounterCharge, ...], ...], tuple[CounterCharge, ...]]]
    confirmed: bool


groups = st.lists(at_once(3).filter(bool), max_size=3).map(tuple)
steps = st.builds(Step, st.lists(st.tuples(groups, at_once(3)), min_size=1, max_size=6), st.booleans())
before = st.lists(
    st.builds(
        lambda key, day, amount: Credit(key, str(day), amount),
        st.sampled_from(list(RUNS)),
        st.integers(-5, 60),
        st.integers(1, 9),
    ),
    max_size=60,
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before, st.lists(steps, max_size=6))
def test_the_script_charges_and_probes_like_the_counters_in_memory(
    hand: Hand, begun: list[Credit], program: list[Step]
) -> None:
    hand.reset()
    model: Any = Counters()
    hand.roll_back([Applied(1, "before", "12345678", tuple(begun))])
    model.add(begun)
    for number, step in enumerate(program):
        items = [Item(0, f"{number}/{place}", "12345678", *one) for place, one in enumerate(step.items)]
        answers = hand.settle(items)
        taken = []
        for item, (chosen_option, used) in zip(items, answers, strict=True):
            assert (chosen_option, used) == model.settle(item.charge_options, item.probes)
            taken += [
                Credit(one.key, one.field, -one.amount)
                for one in (item.charge_options[chosen_option - 1] if chosen_option else ())
            ]
        if step.confirmed:
            given_back = taken[::2]
            hand.confirm(given_back)
        else:
            given_back = taken
            hand.roll_back()
        model.add(given_back)
        assert hand.counters() == {key: fields for key, fields in model._counters.items() if fields}


def test_an_invalid_charge_is_refused_before_anything_is_written(hand: Hand) -> None:
    hand.reset()
    good = Item(0, "a", "12345678", ((CounterCharge(PLAIN[0], "2026", 5, 9),),))
    for bad in (
        CounterCharge("k", "f", "5", 9),  # type: ignore[arg-type] # on purpose
        CounterCharge("k", "f", 5, None),  # type: ignore[arg-type] # on purpose
        CounterCharge("k", "no day", 5, 9, 30),
    ):
        with pytest.raises(redis.ResponseError, match="not a charge of k"):
            hand.settle([good, Item(0, "b", "12345678", ((bad,),))])
    assert hand.counters() == {}
    assert not hand.store.keys("{L0}:i:*")


@pytest.mark.parametrize("amount", [10**15, 10**15 - 1])
def test_amounts_of_sixteen_digits_are_counted_exactly(hand: Hand, amount: int) -> None:
    hand.reset()
    one = CounterCharge(PLAIN[0], "2026", amount, 4 * 10**15)
    answers = hand.settle([Item(0, f"{n}", "12345678", ((one,),), (one,)) for n in range(5)])
    taken = 4 * 10**15 // amount
    assert answers == [(1, ())] * taken + [(0, ((taken * amount, None),) * 2)] * (5 - taken)


def test_a_call_reads_a_counter_once(hand: Hand) -> None:
    """Otherwise exhausted budgets would make a call last for seconds."""
    hand.reset()
    full = [*(CounterCharge(f"{key}{n}", "2026-03-02", 5, 4) for key in PLAIN for n in range(3))]
    full += [CounterCharge(key, "20500", 5, 4, days) for key, days in RUNS.items()]
    hand.store.config_resetstat()
    answers = hand.settle([Item(0, f"{n}", "12345678", tuple((one,) for one in full)) for n in range(50)])
    assert answers == [(0, ((0, None),) * len(full))] * 50
    asked = hand.store.info("commandstats")
    counted = sum(asked.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("hincrby", "hget", "hlen"))
    assert counted <= 3 * len(full) + 5
