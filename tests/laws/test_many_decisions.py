"""Laws of many decisions, one after the other (docs/policy.md, Budgets)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from tests.audit.budgets import Totals, read_policy
from tests.laws import engine, strategies
from tests.laws.charges import DECIMALS, Json
from tests.laws.example_counts import examples
from tests.laws.ladder import find
from tests.laws.mandate_checks import MandateCheck, candidates


class Asked(NamedTuple):
    """A case and the time at which it came, which may be late."""

    case: Json
    now: datetime


class History(NamedTuple):
    """Requests of one staff, in order."""

    policy: Json
    staff: Sequence[Json]
    asked: Sequence[Asked]


@st.composite
def histories(draw: st.DrawFn, per: Sequence[str] = strategies.PERS) -> History:
    policy = draw(strategies.policies(per=per))
    staff = draw(strategies.staffs(known=True))
    count = strategies.between(draw, 2, 10)
    asked = [Asked(_case(draw, policy, staff, at), strategies.a_moment(draw, policy)) for at in range(count)]
    return History(policy, staff, asked)


def _case(draw: strategies.Draw, policy: Json, staff: Sequence[Json], place: int) -> Json:
    return {**strategies.a_case(draw, policy, staff), "case_id": f"c-{place}"}


@examples(100)
@given(histories(), st.data())
def test_no_sequence_of_requests_overspends_a_budget(history: History, data: st.DataObject) -> None:
    """Each charge, in order, fits under the cap of the policy that decides, in its window or days."""
    ledger, totals, policy = engine.a_ledger(), Totals(), history.policy
    read = read_policy(json.dumps(policy))
    for case, now in history.asked:
        if strategies.one_in(data.draw, 3):
            policy = strategies.with_other_caps(data.draw, policy)
            read = read_policy(json.dumps(policy))
        decision = engine.decide(policy, history.staff, ledger, case, now)
        for charge in decision["charges"]:
            budget = read.budgets[charge["budget"]]
            assert charge["window"] == read.window(budget, now)
            assert totals.charge(strategies.TENANT, read, budget, charge) is None
    assert engine.held(ledger) == totals.counters(DECIMALS[policy["currency"]])


@examples(150)
@given(histories(), st.randoms(use_true_random=False))
def test_requests_that_share_no_budget_may_come_in_any_order(history: History, order: Any) -> None:
    """Requests that share a budget keep their order; others may come in any order."""
    groups = _sharing_nothing(history)
    mixed = [group for group, members in enumerate(groups) for _ in members]
    order.shuffle(mixed)
    waiting = [list(reversed(members)) for members in groups]
    reordered = [waiting[group].pop() for group in mixed]
    decided = _decided(history, range(len(history.asked)))
    assert _decided(history, reordered) == decided


def _decided(history: History, order: Sequence[int]) -> dict[int, dict[str, Any]]:
    ledger = engine.a_ledger()
    return {
        place: engine.decide(history.policy, history.staff, ledger, *history.asked[place]) for place in order
    }


def _sharing_nothing(history: History) -> list[list[int]]:
    """Groups of requests, by index; two that may use the same counter are in one group."""
    groups: list[tuple[set[Any], list[int]]] = []
    for place, asked in enumerate(history.asked):
        counters, members = _counters(history, asked), [place]
        for other in [one for one in groups if one[0] & counters]:
            groups.remove(other)
            counters |= other[0]
            members = sorted([*members, *other[1]])
        groups.append((counters, members))
    return [members for _, members in groups]


def _counters(history: History, asked: Asked) -> set[Any]:
    """Every counter that a decision may use, with the window if it is a calendar window."""
    policy, (case, now) = history.policy, asked
    person = find(history.staff, case["agent_id"])
    if person is None or case["request"].get("currency") not in (None, policy["currency"]):
        return set()
    check = MandateCheck(policy, (), case, person, now, case["request"].get("amount"), None)
    return {
        (*charge[:4], None if charge.days else charge.window)
        for row in candidates(policy, person["role"], case)
        for charge, _ in check.charges_of(row)
    }
