"""The staff of a tenant, found by id and by role."""

from __future__ import annotations

from datetime import timedelta

from engine.judging.staff import Staff, absence_of
from tests.builders.staff import a_member
from tests.judging import NOW


def test_a_person_who_changes_role_or_team_is_found_under_the_new_one() -> None:
    staff = Staff([a_member("a")])
    staff.put(a_member("a", role="team_lead", team="south"))
    assert not staff.with_roles(["agent"])
    assert not staff.with_roles(["team_lead"], "north")
    assert [one.agent_id for one in staff.with_roles(["team_lead"], "south")] == ["a"]
    assert len(staff) == 1


def test_a_person_who_left_is_not_found() -> None:
    staff = Staff([a_member("a"), a_member("b")])
    staff.remove("a")
    staff.remove("a")
    assert staff.get("a") is None
    assert [one.agent_id for one in staff.with_roles(["agent", "team_lead"])] == ["b"]


def test_people_are_found_in_the_order_of_their_ids() -> None:
    staff = Staff([a_member("c", role="team_lead"), a_member("a"), a_member("b", team="south")])
    assert [one.agent_id for one in staff.with_roles(["team_lead", "agent"])] == ["a", "b", "c"]


def test_an_absence_begins_at_from_and_ends_at_until() -> None:
    begin, end = NOW, NOW + timedelta(days=1)
    person = a_member(absences=[{"from": begin.isoformat(), "until": end.isoformat(), "delegate": "x"}])
    moment = timedelta(microseconds=1)
    assert absence_of(person, begin - moment) is None
    assert absence_of(person, begin) is not None
    assert absence_of(person, end - moment) is not None
    assert absence_of(person, end) is None


def test_of_two_absences_the_one_that_began_last_names_the_delegate() -> None:
    week = {"from": "2026-03-01T00:00:00Z", "until": "2026-03-08T00:00:00Z", "delegate": "for-the-week"}
    day = {"from": "2026-03-02T00:00:00Z", "until": "2026-03-03T00:00:00Z", "delegate": "for-the-day"}
    absence = absence_of(a_member(absences=[day, week]), NOW)
    assert absence is not None
    assert absence.delegate == "for-the-day"
