"""Find the place in the file of a character of a YAML scalar (YAML 1.2.2, chapters 7.3 and 8.1).

The scalar is read a second time, with a place for each character. If the result is the text that the parser
read, its places are used; otherwise the place is the start of the scalar.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

_PROPERTIES = re.compile(r"(?:[&!][^\s]*[ \t\r\n]+)+")
_BREAK = re.compile(r"\r\n|\r|\n")
_ESCAPES = {
    "0": "\0", "a": "\a", "b": "\b", "t": "\t", "\t": "\t", "n": "\n", "v": "\v", "f": "\f", "r": "\r",
    "e": "\x1b", " ": " ", '"': '"', "/": "/", "\\": "\\", "N": "\x85", "_": "\xa0",
    "L": "\u2028", "P": "\u2029",
}  # fmt: skip
_HEX = {"x": 2, "u": 4, "U": 8}


class _Character(NamedTuple):
    text: str
    at: int


class _SourceLine(NamedTuple):
    text: str
    start: int


def place_in_scalar(
    source: str, style: str | None, text: str, index: int, start: tuple[int, int]
) -> tuple[int, int]:
    """The line and the column, from 1, of character `index` of `text`; `source` is the scalar as written."""
    properties = _PROPERTIES.match(source)
    skipped = properties.end() if properties else 0
    characters = _read(source[skipped:], style, text)
    if characters is None:
        return start
    inside = characters[min(index, len(characters) - 1)].at + skipped if characters else skipped
    if characters and index >= len(characters):
        inside += 1
    before = source[:inside]
    breaks = list(_BREAK.finditer(before))
    if not breaks:
        return start[0], start[1] + inside
    return start[0] + len(breaks), inside - breaks[-1].end() + 1


def _read(source: str, style: str | None, text: str) -> list[_Character] | None:
    wanted = text.rstrip("\n") if style in ("|", ">") else text
    for characters in _readings(source, style):
        while style in ("|", ">") and characters and characters[-1].text == "\n":
            characters.pop()
        if "".join(character.text for character in characters) == wanted:
            return characters
    return None


def _readings(source: str, style: str | None) -> Iterator[list[_Character]]:
    match style:
        case None:
            yield _folded_flow(list(_lines(source, 0)), _plain)
        case "'":
            yield _folded_flow(list(_lines(source[1:-1], 1)), _single_quoted)
        case '"':
            yield list(_joined(_double_quoted(source[1:-1])))
        case _:
            header, _, _ = source.partition("\n")
            lines = list(_lines(source[len(header) + 1 :], len(header) + 1))
            for indent in _indents(lines):
                yield (_literal if style == "|" else _folded_block)([_cut(line, indent) for line in lines])


def _lines(source: str, start: int) -> Iterator[_SourceLine]:
    at = 0
    for found in _BREAK.finditer(source):
        yield _SourceLine(source[at : found.start()], start + at)
        at = found.end()
    yield _SourceLine(source[at:], start + at)


def _plain(line: _SourceLine) -> list[_Character]:
    return [_Character(letter, line.start + place) for place, letter in enumerate(line.text)]


def _single_quoted(line: _SourceLine) -> list[_Character]:
    return [
        _Character(found[0][0], line.start + found.start())
        for found in re.finditer(r"''|.", line.text, re.DOTALL)
    ]


def _folded_flow(
    lines: list[_SourceLine], read: Callable[[_SourceLine], list[_Character]]
) -> list[_Character]:
    characters: list[_Character] = []
    empty = 0
    for number, line in enumerate(lines):
        left = line.text if number == 0 else line.text.lstrip(" \t")
        cut = _SourceLine(
            left if number == len(lines) - 1 else left.rstrip(" \t"), line.start + len(line.text) - len(left)
        )
        if number and not cut.text and number < len(lines) - 1:
            empty += 1
            continue
        if number:
            characters += [_Character("\n", cut.start)] * empty or [_Character(" ", cut.start)]
            empty = 0
        characters += read(cut)
    return characters


def _double_quoted(source: str) -> list[_Character]:
    characters: list[_Character] = []
    at = 0
    while at < len(source):
        folded = re.compile(r"[ \t]*(?:(?:\r\n|\r|\n)[ \t]*)+").match(source, at)
        if folded and _BREAK.search(folded[0]):
            breaks = len(_BREAK.findall(folded[0]))
            characters += [_Character("\n", folded.start() + 1)] * (breaks - 1) or [
                _Character(" ", folded.start() + 1)
            ]
            at = folded.end()
        elif source[at] == "\\" and at + 1 < len(source):
            at = _escape(source, at, characters)
        else:
            characters.append(_Character(source[at], at + 1))
            at += 1
    return characters


def _escape(source: str, at: int, characters: list[_Character]) -> int:
    letter = source[at + 1]
    joined = re.compile(r"\\(?:\r\n|\r|\n)[ \t]*").match(source, at)
    if joined:
        return joined.end()
    if letter in _HEX:
        digits = source[at + 2 : at + 2 + _HEX[letter]]
        characters.append(_Character(chr(int(digits, 16)), at + 1))
        return at + 2 + len(digits)
    characters.append(_Character(_ESCAPES.get(letter, letter), at + 1))
    return at + 2


def _joined(characters: list[_Character]) -> Iterator[_Character]:
    """Join the two escapes of a character above U+FFFF."""
    first: _Character | None = None
    for character in characters:
        if first is not None and "\udc00" <= character.text <= "\udfff":
            whole = (first.text + character.text).encode("utf-16-le", "surrogatepass").decode("utf-16-le")
            yield _Character(whole, first.at)
            first = None
            continue
        if first is not None:
            yield first
        first = character if "\ud800" <= character.text <= "\udbff" else None
        if first is None:
            yield character
    if first is not None:
        yield first


def _indents(lines: list[_SourceLine]) -> Iterator[int]:
    for line in lines:
        if line.text.strip(" "):
            found = len(line.text) - len(line.text.lstrip(" "))
            yield found
            yield from range(found - 1, 0, -1)
            return


def _cut(line: _SourceLine, indent: int) -> _SourceLine:
    return _SourceLine(line.text[indent:], line.start + min(indent, len(line.text)))


def _literal(lines: list[_SourceLine]) -> list[_Character]:
    characters: list[_Character] = []
    for line in lines:
        characters += [*_plain(line), _Character("\n", line.start + len(line.text))]
    return characters


def _folded_block(lines: list[_SourceLine]) -> list[_Character]:
    characters: list[_Character] = []
    breaks, previous = 0, None
    for line in lines:
        if line.text:
            if previous is None or previous.text[0] in " \t" or line.text[0] in " \t":
                joint = "\n" * breaks
            else:
                joint = "\n" * (breaks - 1) or " "
            characters += [_Character(letter, line.start) for letter in joint]
            characters += _plain(line)
            breaks, previous = 0, line
        breaks += 1
    return characters
