"""Laws of warnings: what they claim holds for every case, and none is left out."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.judging.assessment import RequestAssessment, assess
from engine.judging.candidates import Fitting, Tried
from engine.judging.staff import Staff
from engine.policy.checking import check_policy
from schemas.case import Case
from tests.builders.bodies import LEFT_OUT, changed
from tests.builders.cases import a_case
from tests.builders.policies import ROLES, a_mandate, a_policy
from tests.builders.staff import a_member

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
KINDS = ("a", "b")
CATEGORIES = ("x", "y")
BUDGETS = [{"per": "agent", "window": "day", "cap": 250}]

_kinds = st.sampled_from(["*", "a", "b", ["a", "b"]])
_categories = st.sampled_from([LEFT_OUT, LEFT_OUT, ["x"], ["x", "y"]])
_whens = st.sampled_from([LEFT_OUT, LEFT_OUT, "facts.f", "facts.g", "request.amount > 20", "!facts.f"])
_mandate = st.fixed_dictionaries(
    {
        "grants": _kinds,
        "to": st.sampled_from([*ROLES, ["agent", "manager"], "other", ["other", "senior"]]),
        "categories": _categories,
        "when": _whens,
        "limit": st.sampled_from([LEFT_OUT, 10, 30, 50, "facts.l", "facts.l + 10", "10 + 20"]),
        "budgets": st.sampled_from([LEFT_OUT, LEFT_OUT, BUDGETS]),
        "discretion": st.sampled_from([LEFT_OUT, LEFT_OUT, LEFT_OUT, {}]),
    }
)
_prohibition = st.fixed_dictionaries(
    {
        "kinds": _kinds,
        "categories": _categories,
        "when": _whens,
        "except": st.sampled_from([LEFT_OUT, "senior", "manager"]),
    }
)


def _policy(mandates: list[dict[str, Any]], prohibitions: list[dict[str, Any]], step: str = "agent") -> str:
    return a_policy(
        *(a_mandate(**row, id=f"m{place}") for place, row in enumerate(mandates)),
        prohibitions=[
            changed({"id": f"p{place}", "reason": "no"}, row) for place, row in enumerate(prohibitions)
        ],
        roles={**ROLES, "other": {}},
        timezone="UTC",
        escalation=[{"id": "default", "steps": [{"to": step}]}],
    )


def _never_used(text: str) -> set[str]:
    """The ids of the mandates reported as never used; their places are columns of one line."""
    problems = [one for one in check_policy(text).problems if "never used" in one.text]
    return {text[one.column :].partition('"')[0] for one in problems}


def _cases() -> list[tuple[Case, Staff]]:
    """Cases of each kind, category and role, with amounts around every limit and various facts."""
    found = []
    people = {role: Staff([a_member(role=role)]) for role in (*ROLES, "other")}
    for kind, category, role, amount, f, limit, discretion in itertools.product(
        KINDS, (*CATEGORIES, None), people, ("10.00", "30.00", "60.00", None), (True, None), (20, 50), (1, 0)
    ):
        facts = {"g": f is None, "l": limit} | ({} if f is None else {"f": f})
        case = a_case(
            kind=kind,
            category=LEFT_OUT if category is None else category,
            amount=amount,
            currency="EUR" if amount else LEFT_OUT,
            discretion=bool(discretion),
            reason="because",
            facts=facts,
        )
        found.append((case, people[role]))
    return found


CASES = _cases()


def _takes_part(assessment: RequestAssessment) -> set[str]:
    """The mandates that approve it, or would if those before them had no room in their budgets."""
    candidates = assessment.answer.candidates if isinstance(assessment.answer, Tried) else ()
    return {one.mandate.id for one in candidates if isinstance(one, Fitting)}


def _covers(first: dict[str, Any], second: dict[str, Any]) -> bool:
    """The rule of docs/policy.md, How a request is judged, for one mandate before another."""

    def all_of(row: dict[str, Any], key: str) -> set[str]:
        value = row.get(key, LEFT_OUT)
        return set() if value is LEFT_OUT else {value} if isinstance(value, str) else set(value)

    def roles(row: dict[str, Any]) -> set[str]:
        order = list(ROLES)
        return {
            below
            for role in all_of(row, "to")
            for below in (order[order.index(role) :] if role in order else [role])
        }

    first, second = ({key: v for key, v in row.items() if v is not LEFT_OUT} for row in (first, second))
    most, limit = (30 if row.get("limit") == "10 + 20" else row.get("limit") for row in (first, second))
    return (
        "discretion" not in first
        and "budgets" not in first
        and ("when" not in first or first["when"] == second.get("when"))
        and (first["grants"] == "*" or all_of(first, "grants") >= all_of(second, "grants"))
        and roles(first) >= roles(second)
        and ("categories" not in first or all_of(first, "categories") >= all_of(second, "categories") > set())
        and (most is None or (isinstance(most, int) and isinstance(limit, int) and most >= limit))
    )


_mandates = st.lists(_mandate, min_size=2, max_size=6)
_prohibitions = st.lists(_prohibition, max_size=2)
ROW = {"grants": "a", "to": "agent"}
OTHER = {**ROW, "to": "other"}


@settings(max_examples=60, deadline=None)
@given(mandates=_mandates, prohibitions=_prohibitions)
@example(mandates=[ROW, OTHER, {**ROW, "to": ["agent", "other"], "limit": "facts.l"}], prohibitions=[])
@example(mandates=[{**ROW, "discretion": {}}, ROW], prohibitions=[])
@example(mandates=[{**ROW, "categories": ["x"]}, {**ROW, "categories": ["x", "y"]}], prohibitions=[])
@example(mandates=[{**ROW, "budgets": BUDGETS}, ROW], prohibitions=[])
@example(mandates=[ROW, ROW], prohibitions=[{"kinds": "*", "when": "facts.f", "except": "manager"}])
def test_a_mandate_reported_as_never_used_decides_no_case(
    mandates: list[dict[str, Any]], prohibitions: list[dict[str, Any]]
) -> None:
    text = _policy(mandates, prohibitions)
    never, book = _never_used(text), check_policy(text).book
    assert book is not None
    for case, staff in CASES if never else ():
        assert not _takes_part(assess(case, book, staff, NOW)) & never


@settings(max_examples=200, deadline=None)
@given(mandates=_mandates)
def test_every_mandate_covered_by_an_earlier_one_is_reported_as_never_used(
    mandates: list[dict[str, Any]],
) -> None:
    covered = {
        f"m{place}"
        for place, row in enumerate(mandates)
        if any(_covers(earlier, row) for earlier in mandates[:place])
    }
    assert covered <= _never_used(_policy(mandates, []))


@settings(max_examples=60, deadline=None)
@given(mandates=_mandates, step=st.sampled_from([*ROLES, "other"]))
@example(mandates=[{**ROW, "to": ["agent", "other"]}, {**ROW, "to": "manager", "limit": 10}], step="manager")
def test_the_role_of_a_step_reported_as_idle_grants_nothing_there(
    mandates: list[dict[str, Any]], step: str
) -> None:
    text = _policy(mandates, [], step)
    book, problems, _ = check_policy(text)
    assert book is not None
    if not any("can grant no request that reaches this step" in one.text for one in problems):
        return
    person = Staff([a_member(role=step)])
    for case, staff in CASES:
        if not _takes_part(assess(case, book, staff, NOW)):
            assert not _takes_part(assess(case, book, person, NOW))
