"""The header Prefer."""

import pytest

from services.intake.answering.preferences import wait_preferred


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        (["wait=2"], 2),
        (['wait="2"'], 2),
        (["Wait = 2"], 2),
        (["respond-async, wait=10"], 10),
        (["respond-async", "wait=10"], 10),
        (["wait=2, wait=5"], 2),
        (["wait=5; grace=1"], 5),
        (['note="a, wait=9", wait=3'], 3),
        (["wait=0"], 0),
    ],
)
def test_the_first_wait_among_all_preferences_counts(headers: list[str], seconds: int) -> None:
    assert wait_preferred(headers) == seconds


@pytest.mark.parametrize(
    "headers",
    [[], [""], ["wait"], ["wait="], ["wait=-1"], ["wait=soon"], ["wait=1.5"], ["wait=\u00b2"], ["waits=2"]],
)
def test_a_preference_that_is_no_number_of_seconds_is_ignored(headers: list[str]) -> None:
    assert wait_preferred(headers) is None


def test_a_number_of_five_thousand_digits_is_ignored() -> None:
    assert wait_preferred(["wait=" + "9" * 5_000]) is None
