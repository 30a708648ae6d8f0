"""Comparing the settings of a topic."""

from __future__ import annotations

import pytest

from schemas.topics import differences


@pytest.mark.parametrize(
    ("name", "found", "wanted"),
    [
        ("cleanup.policy", "compact,delete", "delete,compact"),
        ("retention.ms", "-1", "2592000000"),
        ("retention.ms", "2592000001", "2592000000"),
        ("replication", "3", "2"),
        ("partitions", "6", "6"),
    ],
)
def test_an_equal_or_better_setting_is_no_difference(name: str, found: str, wanted: str) -> None:
    assert differences("t", {name: found, "of no interest": "x"}, {name: wanted}) == []


@pytest.mark.parametrize(
    ("name", "found", "wanted"),
    [
        ("cleanup.policy", "compact,delete", "compact"),
        ("retention.ms", "2592000000", "-1"),
        ("min.insync.replicas", "1", "2"),
        ("partitions", "12", "6"),
        ("message.timestamp.after.max.ms", "-1", "1000"),
        ("maxmemory-policy", "", "noeviction"),
        ("appendonly", None, "yes"),
    ],
)
def test_a_different_setting_is_named_with_its_value_and_the_wanted_one(
    name: str, found: str | None, wanted: str
) -> None:
    assert differences("t", {name: found}, {name: wanted}) == [
        f"t: {name} is {found or 'not set'}, must be {wanted}"
    ]
