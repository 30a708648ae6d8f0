"""Files of JSON records: one record a line, pretty-printed records, or one array of records."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from json import JSONDecodeError, JSONDecoder
from typing import Final, NamedTuple

from engine.policy.problems import PolicyProblem, Spot, problem
from schemas.errors import Unreadable

_DECODER: Final = JSONDecoder()
_SPACE: Final = re.compile(r"[ \t\r\n]*")
_STRING: Final = re.compile(rb'"(?:[^"\\]|\\.)*"')
_PLACE: Final = re.compile(r"^The body is not JSON(?: at line (\d+), column (\d+))?: ")

_ASKED: Final = "; send one JSON object."


class FileRecord(NamedTuple):
    """One record of a file, with the place of its first character."""

    body: bytes
    spot: Spot

    def place(self, line: int, column: int) -> Spot:
        """The place in the file of a place in the record."""
        return Spot(self.spot.line + line - 1, column + (self.spot.column - 1 if line == 1 else 0))

    def place_of(self, pointer: str) -> Spot:
        """The place in the file of the value at a JSON pointer; of the nearest one around it if it is absent.

        The record must be JSON.
        """
        text = self.body.decode()
        return self.place(*_line_and_column(text, _find(text, _steps(pointer))))

    def key_place(self, pointer: str) -> Spot:
        """The place in the file of the last key of a JSON pointer."""
        text = self.body.decode()
        return self.place(*_line_and_column(text, _find(text, _steps(pointer), of_key=True)))

    def problems(self, flaw: Unreadable) -> list[PolicyProblem]:
        """The problems of a record that cannot be read, each with its place."""
        if flaw.flaws:
            return [
                problem(self.place_of(one.pointer), f"{one.pointer}: {one.text}".removeprefix(": "))
                for one in flaw.flaws
            ]
        found = _PLACE.match(flaw.detail)
        if found is None:
            return [problem(self.spot, flaw.detail.replace("The body ", "The record "))]
        spot = self.place(int(found[1]), int(found[2])) if found[1] else self.spot
        return [problem(spot, f"not JSON: {flaw.detail[found.end() :].removesuffix(_ASKED)}")]


def records_of(lines: Iterable[bytes]) -> Iterator[FileRecord]:
    """The records of a file, as a stream. Only a file with one array is read whole.

    A record over several lines ends where its brackets close, or where a line begins with `{` and the line
    above expects no value, so that a record that does not end takes no other with it. A part that is not
    JSON is a record too: the caller finds that out when it reads the record.
    """
    numbered = enumerate(lines, 1)
    begun: list[bytes] = []
    start, depth, last, first = 0, 0, b"", True
    for number, line in numbered:
        if begun and line.startswith(b"{") and not last.endswith((b",", b"[", b":")):
            yield _record(begun, start)
            begun, depth = [], 0
        if not begun:
            if not line.strip():
                continue
            if line.lstrip().startswith(b"[") and not first:  # no record is an array
                yield _record([line], number)
                continue
            if line.lstrip().startswith(b"["):
                yield from _of_array(b"".join([line, *(rest for _, rest in numbered)]), number)
                return
            start, first = number, False
        begun.append(line)
        last = line.rstrip() or last
        depth += _opened(line)
        if depth <= 0:
            yield _record(begun, start)
            begun, depth = [], 0
    if begun:
        yield _record(begun, start)


def _record(lines: list[bytes], start: int) -> FileRecord:
    text = b"".join(lines)
    return FileRecord(text.strip(), Spot(start, len(text) - len(text.lstrip()) + 1))


def _opened(line: bytes) -> int:
    """How many brackets the line opens and does not close."""
    if line.startswith(b"{") and line.rstrip().endswith(b"}") and line.count(b"{") == line.count(b"}"):
        return 0  # a whole record, as most lines are
    bare = _STRING.sub(b"", line)
    return bare.count(b"{") + bare.count(b"[") - bare.count(b"}") - bare.count(b"]")


def _of_array(content: bytes, first_line: int) -> Iterator[FileRecord]:
    """The items of an array. From the first item that is not JSON, the rest is one record."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        yield FileRecord(content, Spot(first_line, 1))  # its reader says which byte is wrong
        return

    line, line_start, counted = first_line, 0, 0

    def item(start: int, end: int) -> FileRecord:
        nonlocal line, line_start, counted  # counting from the beginning each time would take n * n steps
        line += text.count("\n", counted, start)
        line_start = max(line_start, text.rfind("\n", counted, start) + 1)
        counted = start
        return FileRecord(text[start:end].encode(), Spot(line, start - line_start + 1))

    at = _skip(text, _skip(text, 0) + 1)
    while not text.startswith("]", at):
        try:
            _, end = _DECODER.raw_decode(text, at)
        except (JSONDecodeError, RecursionError):
            yield item(at, len(text))
            return
        yield item(at, end)
        at = _skip(text, end)
        if text.startswith(",", at):
            at = _skip(text, at + 1)
        elif not text.startswith("]", at):
            yield item(at, len(text))
            return
    after = _skip(text, at + 1)
    if after < len(text):
        yield item(after, len(text))


def _steps(pointer: str) -> list[str]:
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]


def _find(text: str, steps: list[str], *, of_key: bool = False) -> int:
    """Where the value at these steps begins, or its key; the nearest value around it if it is absent."""
    at = key_at = _skip(text, 0)
    for step in steps:
        found = next((one for one in _entries(text, at) if one[0] == step), None)
        if found is None:
            return at
        _, key_at, at = found
    return key_at if of_key else at


def _entries(text: str, at: int) -> Iterator[tuple[str, int, int]]:
    """Each entry of the object or list at this place: its key, where the key is, and where the value is."""
    if text[at] not in "{[":
        return
    in_object, place, number = text[at] == "{", _skip(text, at + 1), 0
    while text[place] not in "}]":
        key, key_at = str(number), place
        if in_object:
            key, end = _DECODER.raw_decode(text, place)
            place = _skip(text, _skip(text, end) + 1)
        yield key, key_at, place
        place = _skip(text, _DECODER.raw_decode(text, place)[1])
        number += 1
        if text[place] == ",":
            place = _skip(text, place + 1)


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _line_and_column(text: str, at: int) -> tuple[int, int]:
    return text.count("\n", 0, at) + 1, at - (text.rfind("\n", 0, at) + 1) + 1
