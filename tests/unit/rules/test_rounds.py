"""How a batch is cut into rounds (docs/ledger.md, One round)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, pairwise

from hypothesis import given
from hypothesis import strategies as st

from engine.inputs import Input, Reply, Submission
from engine.judging.budgets import Charge
from engine.policy.book import Budget, Window
from services.rules.worker.outcome import ReceivedInput
from services.rules.worker.rounds import (
    MOST_HALVINGS,
    MOST_INPUTS,
    MOST_MICROSECONDS,
    calls,
    microseconds,
    rounds,
)
from tests.builders.approvals import an_approval_id
from tests.builders.cases import a_case_body
from tests.builders.inputs import a_reply, a_submission

CASES = ("c-1", "c-2", "c-3")
SUBMISSIONS = {name: a_submission(a_case_body(name)) for name in CASES}
REPLIES = {
    name: a_reply(subject=name, data={"case_id": name, "approval_id": an_approval_id(name)}) for name in CASES
}
INPUTS = st.sampled_from([*SUBMISSIONS.values(), *REPLIES.values()])


def cut(inputs: Sequence[Input], most: int = MOST_INPUTS) -> list[list[Input]]:
    """The rounds of these inputs."""
    received = [ReceivedInput(one, None) for one in inputs]
    return [[one.input for one in each] for each in rounds(received, most)]


def mixed(inputs: list[Input]) -> bool:
    """Whether one case has two inputs here that are not both submissions."""
    return any(
        one.case_key == other.case_key and not (isinstance(one, Submission) and isinstance(other, Submission))
        for place, one in enumerate(inputs)
        for other in inputs[place + 1 :]
    )


@given(st.lists(INPUTS, max_size=40), st.integers(1, 7))
def test_rounds_keep_the_order_and_lose_nothing(inputs: list[Input], most: int) -> None:
    assert list(chain.from_iterable(cut(inputs, most))) == inputs


@given(st.lists(INPUTS, max_size=40), st.integers(1, 7))
def test_a_verdict_never_shares_a_round_with_another_input_of_its_case(
    inputs: list[Input], most: int
) -> None:
    for one in cut(inputs, most):
        assert 0 < len(one) <= most
        assert not mixed(one)


@given(st.lists(INPUTS, max_size=40), st.integers(1, 7))
def test_a_round_ends_only_when_it_is_full_or_must(inputs: list[Input], most: int) -> None:
    for one, following in pairwise(cut(inputs, most)):
        assert len(one) == most or mixed([*one, following[0]])


def test_submissions_of_one_case_share_a_round() -> None:
    again = [SUBMISSIONS["c-1"], SUBMISSIONS["c-1"], a_submission(a_case_body("c-1", "r2"))]
    assert cut(again) == [again]


def test_a_batch_of_cases_is_one_round_up_to_500() -> None:
    inputs: list[Input] = [SUBMISSIONS["c-1"]] * (MOST_INPUTS + 1)
    assert [len(one) for one in cut(inputs)] == [500, 1]


def test_two_verdicts_on_one_approval_are_judged_one_after_the_other() -> None:
    first, second = REPLIES["c-1"], a_reply("reject", data={"reply_id": "reply-2"})
    assert cut([first, REPLIES["c-2"], second]) == [[first, REPLIES["c-2"]], [second]]
    assert isinstance(second, Reply)


def charge(days: int = 0) -> Charge:
    budget = Budget("b", "tenant", Window("days" if days else "day", days))
    return Charge(budget, "tenant", "w", "k", "f", 1, 1, days)


@given(st.lists(st.integers(1, 2 * MOST_MICROSECONDS), max_size=40), st.integers(0, MOST_HALVINGS))
def test_calls_keep_the_order_and_only_a_single_input_may_exceed_the_limit(
    taken: list[int], halvings: int
) -> None:
    each_call = list(calls(taken, int, halvings))
    assert list(chain.from_iterable(each_call)) == taken
    for one in each_call:
        assert len(one) == 1 or sum(one) <= MOST_MICROSECONDS >> halvings
        assert len(one) <= max(1, MOST_INPUTS >> halvings)
    for one, following in pairwise(each_call):
        full = len(one) >= MOST_INPUTS >> halvings
        assert full or sum(one) + following[0] > MOST_MICROSECONDS >> halvings


def test_a_usual_round_is_one_call() -> None:
    usual = microseconds([(charge(), charge(30)), (charge(),)], (charge(),))
    assert len(list(calls([usual] * MOST_INPUTS, int))) == 1


def test_many_candidates_or_long_windows_become_several_calls() -> None:
    many, long = microseconds([(charge(),)] * 400, ()), microseconds([(charge(366),)] * 10, ())
    assert len(list(calls([many] * MOST_INPUTS, int))) > 8
    assert len(list(calls([long] * MOST_INPUTS, int))) > 8


def test_after_enough_halvings_each_input_has_its_own_call() -> None:
    assert [len(one) for one in calls([1, 1, 1], int, MOST_HALVINGS)] == [1, 1, 1]
