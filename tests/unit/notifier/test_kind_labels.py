"""The labels of kinds in records of mandaat.policies."""

from __future__ import annotations

import json
from typing import Any

import pytest

from schemas.errors import Unreadable
from services.notifier.letters.kind_labels import read_labels


def a_record(**changes: Any) -> bytes:
    policy = json.dumps({"policy": "acme", "kinds": {"refund": {"nl": "geld terug"}}})
    fields = {"name": "acme", "version": "1", "digest": "d" * 64, "yaml": "", "canonical_json": policy}
    return json.dumps(fields | changes).encode()


def test_the_active_policy_gives_its_labels_and_other_versions_do_not() -> None:
    assert read_labels("acme", a_record()) == {"refund": {"nl": "geld terug"}}
    assert read_labels("acme/" + "d" * 64, a_record()) == {}


@pytest.mark.parametrize(
    "policy",
    [None, "{}", "[]", "1", '{"kinds": null}', '{"kinds": [1]}', '{"kinds": {"refund": 1}}'],
)
def test_a_policy_without_labels_gives_none(policy: str | None) -> None:
    assert read_labels("acme", a_record(canonical_json=policy)) == {}


def test_a_label_that_is_no_text_is_left_out_and_the_others_stay() -> None:
    policy = json.dumps({"kinds": {"refund": {"nl": 1, "en": "money back"}, "x": {"nl": ""}}})
    assert read_labels("acme", a_record(canonical_json=policy)) == {"refund": {"en": "money back"}, "x": {}}


@pytest.mark.parametrize("value", [b"\x00", b"{}", b"null", b"[]", a_record(canonical_json="{")])
def test_a_record_that_is_no_policy_is_unreadable(value: bytes) -> None:
    with pytest.raises(Unreadable):
        read_labels("acme", value)
