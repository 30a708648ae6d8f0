"""In which language somebody is answered."""

from __future__ import annotations

import pytest

from schemas.language import Language, preferred_language


@pytest.mark.parametrize(
    ("accepted", "own", "language"),
    [
        (None, None, "nl"),
        (None, "en-GB", "en"),
        (None, "de", "en"),
        ("nl", "en", "nl"),
        ("en-US,en;q=0.9,nl;q=0.8", "nl", "en"),
        ("nl;q=0.4, en;q=0.7", None, "en"),
        ("fr, de;q=0.9, nl-BE;q=0.1", "en", "nl"),
        ("fr", "en", "en"),
        ("*", "en", "en"),
        ("en;q=0", "nl", "nl"),
        ("en;q=nonsense, nl;q=0.1", "en", "nl"),
        (";;,,=", "en", "en"),
        ("", "", "nl"),
    ],
)
def test_the_answer_is_in_the_best_accepted_language_or_else_their_own(
    accepted: str | None, own: str | None, language: Language
) -> None:
    assert preferred_language(accepted, own, "nl") == language


def test_a_header_of_any_length_is_answered() -> None:
    assert preferred_language("fr," * 100_000 + "en", None, "nl") == "nl"
