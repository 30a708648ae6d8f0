"""The labels of kinds in a policy (docs/policy.md, Every key)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import engine.explain
from engine.explain.may import mandate_in_words
from engine.explain.words import FILE, Sentences
from engine.policy.checking import check_policy
from engine.policy.loading import load_policy
from schemas.language import Language
from tests.builders.policies import a_lead, a_mandate, a_policy

WORDS = Sentences.parse((Path(engine.explain.__file__).parent / FILE).read_text())
LABELS = {"cancel_order": {"nl": "bestelling annuleren", "en": "cancel an order"}}


def _said(kinds: Any, *mandates: dict[str, Any]) -> list[str]:
    rows = mandates or (a_mandate(grants="cancel_order", limit=50), a_lead(grants="cancel_order"))
    return [one.text for one in check_policy(a_policy(*rows, kinds=kinds)).problems]


@pytest.mark.parametrize(("language", "label"), [("nl", "bestelling annuleren"), ("en", "cancel an order")])
def test_a_person_reads_the_label_of_a_kind_in_their_language(language: Language, label: str) -> None:
    canonical = check_policy(a_policy(a_mandate(grants="cancel_order"), kinds=LABELS)).canonical_json
    book = load_policy(canonical)
    (row,) = book.candidates("agent", "cancel_order", None)
    assert label in mandate_in_words(row, {}, {}, WORDS.about(book, language))


def test_a_label_in_one_language_leaves_the_other_as_it_was() -> None:
    canonical = check_policy(
        a_policy(a_mandate(), kinds={"cancel_order": {"nl": "annuleren"}})
    ).canonical_json
    speech = WORDS.about(load_policy(canonical), "en")
    assert speech.kind("cancel_order") == "cancel order"


def test_labels_of_used_kinds_are_fine() -> None:
    assert _said(LABELS) == []


def test_a_label_for_a_kind_that_no_rule_names_is_reported() -> None:
    assert _said({**LABELS, "cancel_ordr": {"nl": "x"}}) == [
        "no rule names kind `cancel_ordr`; did you mean `cancel_order`?"
    ]
    assert _said({"zzz": {"nl": "x"}}) == ["no rule names kind `zzz`; remove its label"]


def test_any_kind_may_have_a_label_if_a_mandate_grants_every_kind() -> None:
    assert _said({"zzz": {"nl": "x"}}, a_mandate(grants="*", limit=50), a_lead()) == []


@pytest.mark.parametrize(
    ("kinds", "text"),
    [
        ({"cancel_order": {"fr": "annuler"}}, "unknown key `fr`; known keys: nl, en"),
        ({"cancel_order": {}}, "`cancel_order` needs a label: write `nl`, `en` or both"),
        ({"cancel_order": "annuleren"}, "`cancel_order` must be a mapping of keys to values"),
        ({"cancel_order": {"nl": "x" * 101}}, "`nl` is longer than 100 characters"),
        ({"cancel_order": {"nl": "twee\nregels"}}, "`nl` must be one line, without spaces around it"),
        ({"Cancel": {"nl": "x"}}, "must be an id"),
    ],
)
def test_a_label_of_another_form_is_refused_with_the_remedy(kinds: Any, text: str) -> None:
    assert any(text in one for one in _said(kinds)), _said(kinds)
