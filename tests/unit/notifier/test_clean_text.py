"""Text of people made safe to show."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.notifier.letters.clean import clean_code, clean_line, clean_text


@given(st.text(), st.integers(1, 50))
def test_a_clean_line_is_one_line_and_no_longer_than_asked(text: str, limit: int) -> None:
    line = clean_line(text, limit)
    assert len(line) <= limit
    assert len(line.splitlines()) <= 1
    assert clean_line(line, limit) == line


@given(st.text())
def test_clean_text_holds_no_control_character_but_line_ends(text: str) -> None:
    assert all(char == "\n" or char.isprintable() or ord(char) > 0x9F for char in clean_text(text))


def test_names_of_every_script_stay_as_they_are() -> None:
    for name in ("Åke Ñandú", "Nguyễn Thị Hương", "يوسف", "李小龍", "Zoë van 't Hoff", "👩‍👩‍👧"):
        assert clean_line(name) == name


def test_an_id_keeps_its_inner_spaces_and_signs() -> None:
    assert clean_code("a  b/<c>%2F") == "a  b/<c>%2F"
