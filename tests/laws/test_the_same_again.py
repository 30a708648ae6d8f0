"""A repeat or a withdrawal of a request leaves no charges behind (docs/concepts.md, What is withdrawn)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders.events import a_submitted_event, a_withdrawn_event
from tests.laws import strategies
from tests.laws.charges import Json
from tests.laws.example_counts import examples
from tests.laws.rules_service import InMemoryStore, RulesService
from tests.laws.test_many_decisions import Asked, History, histories

IN_ANY_CASE = [per for per in strategies.PERS if per != "case"]
"""Budgets that do not depend on the case."""


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as one:
        yield one


def test_a_request_that_comes_again_gets_the_same_bytes_and_charges_nothing(runner: asyncio.Runner) -> None:
    @examples(60)
    @given(histories(), st.data())
    def law(history: History, data: st.DataObject) -> None:
        service = _house(runner, history)
        first = {
            place: service.hear(_submitted(place, one)).published for place, one in enumerate(history.asked)
        }
        held = service.counters()
        for place in data.draw(st.permutations(range(len(history.asked)))):
            case, now = history.asked[place]
            other = strategies.a_case(data.draw, history.policy, history.staff)
            again = Asked({**case, "facts": other["facts"], "subject": "again"}, now)
            assert service.hear(_submitted(place + 100, again)).published == first[place]
        assert service.counters() == held

    law()


def test_a_withdrawal_leaves_the_budgets_as_they_were_before_the_request(runner: asyncio.Runner) -> None:
    @examples(60)
    @given(histories(per=IN_ANY_CASE))
    def law(history: History) -> None:
        service = _house(runner, history)
        for place, asked in enumerate(history.asked):
            before = service.counters()
            first = service.hear(_submitted(2 * place, asked))
            if place % 2:
                service.hear(_withdrawn(place + 200, asked.case))
                assert service.counters() == before
                again = Asked({**asked.case, "case_id": f"{asked.case['case_id']}-again"}, asked.now)
                second = service.hear(_submitted(2 * place + 1, again))
                assert _outcome(second.decision) == _outcome(first.decision)

    law()


def _house(runner: asyncio.Runner, history: History) -> RulesService:
    return RulesService(InMemoryStore(), runner, history.policy, history.staff)


def _submitted(number: int, asked: Asked) -> dict[str, Any]:
    return a_submitted_event(dict(asked.case), id=f"evt-{number}", time=asked.now.isoformat())


def _withdrawn(number: int, case: Json) -> dict[str, Any]:
    about = {
        "tenant": strategies.TENANT,
        "case_id": case["case_id"],
        "request_id": case["request"]["request_id"],
    }
    return a_withdrawn_event(data=about, subject=case["case_id"], id=f"evt-{number}")


def _outcome(decision: Json) -> Any:
    return {key: decision[key] for key in ("outcome", "by", "mandate", "reasons", "charges", "on_the_spot")}
