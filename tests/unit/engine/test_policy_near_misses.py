"""A misspelt kind or category has no effect, so it gets a warning; a merely different one does not."""

from __future__ import annotations

from typing import Any

import pytest

from engine.policy.checking import check_policy
from tests.builders.policies import a_lead, a_mandate, a_policy


def _said(*mandates: dict[str, Any], **changes: Any) -> list[str]:
    book, problems, _ = check_policy(a_policy(*mandates, a_lead(), **changes))
    assert book is not None, problems
    return [one.text for one in problems if "did you mean" in one.text]


def _with_prohibition(kind: str, *granted: str) -> list[str]:
    row = {"id": "p", "kinds": kind, "reason": "never", "when": "facts.x"}
    return _said(a_mandate(grants=list(granted)), prohibitions=[row])


def test_a_prohibition_of_a_nearly_granted_kind_is_reported() -> None:
    assert _with_prohibition("kwijtscheling", "kwijtschelding", "refund") == [
        "no mandate grants `kwijtscheling` by name; did you mean `kwijtschelding`?"
    ]


@pytest.mark.parametrize(
    ("prohibited", "granted"),
    [
        ("change_passenger_count", "change_passenger_name"),
        ("refund", "refund"),
        ("room_1", "room_2"),
        ("cash", "cask"),
        ("*", "refund"),
        ("voucher", "flowers"),
    ],
)
def test_a_prohibition_of_another_kind_is_fine(prohibited: str, granted: str) -> None:
    assert _with_prohibition(prohibited, granted) == []


@pytest.mark.parametrize("wrong", ["delivry", "deliverry", "delivary", "delievry"])
def test_a_category_a_letter_away_from_another_is_reported(wrong: str) -> None:
    rows = [a_mandate(id=name, categories=[category]) for name, category in (("a", "delivery"), ("b", wrong))]
    assert _said(*rows) == [f"category `{wrong}` is used only here; did you mean `delivery`?"]


def test_a_kind_a_letter_away_from_another_is_reported_even_if_it_is_first() -> None:
    names = ("refnud", "refund", "refund")
    rows = [a_mandate(id=f"m{place}", grants=name) for place, name in enumerate(names)]
    assert _said(*rows) == ["kind `refnud` is used only here; did you mean `refund`?"]


@pytest.mark.parametrize(
    ("one", "other"), [("room_1", "room_2"), ("return_items", "exchange_items"), ("fee", "fees")]
)
def test_kinds_that_are_merely_alike_are_fine(one: str, other: str) -> None:
    assert _said(a_mandate(id="a", grants=one), a_mandate(id="b", grants=[other])) == []


def test_kinds_that_are_both_used_often_are_meant() -> None:
    names = ("refund", "refunds") * 2
    assert _said(*(a_mandate(id=f"m{place}", grants=name) for place, name in enumerate(names))) == []
