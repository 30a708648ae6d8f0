"""The catalogue of reasons, and the rules that give them."""

from __future__ import annotations

import re
from pathlib import Path
from string import Formatter

import pytest

from engine import reasons
from schemas.reasons import CATALOGUE, ReasonEntry, Sentence

ENTRIES = pytest.mark.parametrize("entry", CATALOGUE.values(), ids=CATALOGUE.keys())
ABOUT = {"mandate", "prohibition"}


def named(sentence: str) -> set[str]:
    """The figures that a sentence names."""
    return {name for _, name, _, _ in Formatter().parse(sentence) if name}


def sentences(entry: ReasonEntry) -> list[Sentence]:
    """Those for people."""
    return [*entry.letter.values(), *([entry.explain] if entry.explain else [])]


def test_the_rules_give_every_reason_of_the_catalogue_and_no_other() -> None:
    source = Path(reasons.__file__).read_text()
    made = r"_reason\(|_of_mandate\(|code, figures = |(?:OVER_LIMIT|AMOUNT_MISSING): Final = "
    given = set(re.findall(rf'(?:{made})\s*"([a-z_]+)"', source))
    assert given == CATALOGUE.keys()


@ENTRIES
def test_a_sentence_for_people_names_the_same_figures_in_both_languages(entry: ReasonEntry) -> None:
    for one in sentences(entry):
        assert named(one.nl) == named(one.en)
        assert named(one.nl) <= {*entry.figures, *ABOUT}


@ENTRIES
def test_a_reason_that_is_about_a_mandate_can_be_explained(entry: ReasonEntry) -> None:
    if entry.about == "mandate":
        assert entry.explain is not None
        assert named(entry.explain.nl) == {"mandate"}
