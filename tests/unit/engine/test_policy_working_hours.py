"""Keys about working time are checked, and one warning says that they have no effect yet."""

from __future__ import annotations

import pytest

from engine.policy.checking import check_policy
from tests.builders.bodies import LEFT_OUT
from tests.builders.policies import a_lead, a_mandate, a_policy

ZONE = {"timezone": "Europe/Amsterdam"}


def _errors(**changes: object) -> list[str]:
    problems = check_policy(a_policy(**{**ZONE, **changes})).problems
    return [one.text for one in problems if one.severity == "error"]


def _warnings(*mandates: dict[str, object], **changes: object) -> list[str]:
    book, problems, _ = check_policy(a_policy(*mandates, a_lead(), **ZONE, **changes))
    assert book is not None
    return [one.text for one in problems]


@pytest.mark.parametrize(
    ("hours", "problem"),
    [
        ({"mon-fri": ["08:00-20:00"], "sat": ["09:00-12:00", "13:00-24:00"]}, None),
        ({"mon": ["08:00-12:00", "12:00-13:00"]}, None),
        ({"fri-mon": ["08:00-20:00"]}, "fri-mon runs backwards; the week begins on mon and ends on sun"),
        (
            {"mon-fri": ["08:00-20:00"], "wed": ["09:00-12:00"]},
            "wed has working time twice; write all its periods in one list",
        ),
        (
            {"mon": ["20:00-08:00"]},
            "a period must end after it begins; split one that runs over midnight: 20:00-24:00,"
            " and 00:00-08:00 on the next day",
        ),
        ({"mon": ["08:00-08:00"]}, "a period must end after it begins; write midnight at its end as 24:00"),
        (
            {"mon": ["13:00-17:00", "08:00-12:00"]},
            "periods must be in order and must not overlap",
        ),
        (
            {"mon": ["08:00-12:00", "11:59-13:00"]},
            "periods must be in order and must not overlap",
        ),
        ({"mon": ["8:00-20:00"]}, "this entry of `mon` must be a period such as 08:00-20:00"),
        ({"monday": ["08:00-20:00"]}, "`monday` must be days, such as mon or mon-fri"),
    ],
)
def test_working_time_is_checked(hours: dict[str, list[str]], problem: str | None) -> None:
    assert _errors(hours=hours) == ([] if problem is None else [problem])


def test_working_time_needs_a_time_zone() -> None:
    said = _errors(hours={"mon": ["08:00-20:00"]}, timezone=LEFT_OUT)
    assert said == ["working time needs a time zone; write `timezone: Europe/Amsterdam`"]


@pytest.mark.parametrize("word", ["promise", "acknowledge_within"])
def test_a_time_is_a_number_of_minutes_hours_or_days(word: str) -> None:
    for text in ("30m", "4h", "5d"):
        assert _errors(escalation=[{"id": "a", "steps": [{"to": "agent"}], word: text}]) == []
    for text in ("30", "4 h", "1h30m", "0m", "-1h", "5w"):
        said = _errors(escalation=[{"id": "a", "steps": [{"to": "agent"}], word: text}])
        assert said == [f"`{word}` must be a time such as 30m, 4h or 5d"]


def test_a_reviewer_is_a_role() -> None:
    row = a_mandate(discretion={"reviewer": "team_laed"})
    assert _errors(mandates=[row]) == ["there is no role `team_laed`; did you mean `team_lead`?"]


def test_one_warning_names_the_keys_without_effect() -> None:
    ladder = {
        "id": "default",
        "promise": "4h",
        "steps": [{"to": "team_lead", "within": "30m"}, {"to": "manager", "within": "2h"}],
        "acknowledge_within": "15m",
        "when_exhausted": "keep_open",
        "when_nobody": "last_step",
    }
    said = _warnings(
        a_mandate(discretion={"review_within": "5d", "reviewer": "team_lead"}),
        hours={"mon-fri": ["08:00-20:00"]},
        holidays="NL",
        escalation=[ladder],
    )
    assert said == [
        "checked, but without effect for now: `hours`, `holidays`, `promise`, `within`, `acknowledge_within`"
        " and `when_exhausted` (an approval waits at its step until somebody answers); `review_within` and"
        " `reviewer` (a decision at discretion has `by: discretion`, and nobody is asked to review it)"
    ]


def test_the_warning_names_only_the_keys_in_use() -> None:
    (only,) = _warnings(holidays="NL")
    assert only.startswith("checked, but without effect for now: `holidays` (an approval waits")
    (only,) = _warnings(a_mandate(limit=5), a_mandate(id="n", discretion={"reviewer": "team_lead"}))
    assert only.startswith("checked, but without effect for now: `reviewer` (a decision at discretion")
    assert _warnings(a_mandate(limit=5), a_mandate(id="n", discretion={})) == []
