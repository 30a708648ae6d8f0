"""A record of mandaat.staff: its key, and reading it."""

from __future__ import annotations

import pytest

from schemas import types
from schemas.decision import Decision
from schemas.errors import Unreadable
from schemas.staff import read_member, staff_key
from tests.builders.staff import a_member


def test_a_staff_record_is_read_under_the_key_of_its_person() -> None:
    member = a_member("agent/01")
    assert member.key == staff_key("acme", "agent/01")
    assert read_member(member.key, member.model_dump_json(by_alias=True).encode()) == member


@pytest.mark.parametrize("key", ["acme/agent-02", "other/agent-01", "agent-01", ""])
def test_a_staff_record_under_another_key_is_refused(key: str) -> None:
    with pytest.raises(Unreadable) as refusal:
        read_member(key, a_member("agent-01").model_dump_json(by_alias=True).encode())
    assert refusal.value.reason == "key_mismatch"


def test_every_event_with_a_decision_has_an_outcome() -> None:
    assert {name for name, one in types.MODELS.items() if one is Decision} == types.DECISION_EVENTS
