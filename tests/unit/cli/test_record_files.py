"""Files of records: one on each line, pretty-printed, or one array, and where each mistake is."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from engine.policy.problems import Spot
from services.cli.record_files import FileRecord, records_of

RECORDS = [{"id": 1, "text": 'a "quoted" } {[ brace'}, {"id": 2, "list": [{"x": []}, {}]}, {"id": 3}]


def _read(text: str) -> list[FileRecord]:
    return list(records_of(text.encode().splitlines(keepends=True)))


@pytest.mark.parametrize("indent", [None, 0, 2, "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n"])
def test_records_on_a_line_and_over_several_lines_are_read_alike(indent: int | str | None, end: str) -> None:
    text = "".join(json.dumps(one, indent=indent).replace("\n", end) + end for one in RECORDS)
    assert [json.loads(one.body) for one in _read(text)] == RECORDS


@pytest.mark.parametrize("indent", [None, 0, 2])
def test_an_array_is_read_as_its_items(indent: int | None) -> None:
    text = "\n" + json.dumps(RECORDS, indent=indent) + "\n"
    assert [json.loads(one.body) for one in _read(text)] == RECORDS


def test_a_file_without_records_has_none() -> None:
    assert _read("") == _read("\n \n") == _read("[]") == _read("[\n]\n") == []


def test_lines_are_read_as_a_stream() -> None:
    read = 0

    def lines() -> Iterator[bytes]:
        nonlocal read
        for number in range(1000):
            read += 1
            yield b'{"id": %d}\n' % number

    records = records_of(lines())
    next(records)
    assert read == 1


def test_a_record_that_does_not_end_takes_no_other_with_it() -> None:
    text = '{"id": 1\n{"id": 2}\n{\n  "id": 3\n{\n  "id": 4\n}\n{"id": "5\n{"id": 6}\n'
    found = _read(text)
    assert [one.spot.line for one in found] == [1, 2, 3, 5, 8, 9]
    assert [json.loads(found[place].body)["id"] for place in (1, 3, 5)] == [2, 4, 6]


@pytest.mark.parametrize(
    "text", ['[{"id": 1}, nonsense, {"id": 3}]', '[{"id": 1} {"id": 2}]', '[{"id": 1}] x']
)
def test_what_is_not_json_in_an_array_is_a_record_of_its_own(text: str) -> None:
    first, second = _read(text)
    assert json.loads(first.body) == {"id": 1}
    assert not second.body.startswith(b'{"id": 1}')
    assert second.spot == Spot(1, 1 + text.index(second.body.decode()))


def test_a_value_is_found_at_its_line_and_column() -> None:
    (_, record) = _read('[\n  {},\n  {\n    "name": "é", "a/b": [true,\n      {"deep": 1}]\n  }\n]')
    assert record.spot == record.place_of("") == Spot(3, 3)
    assert record.place_of("/name") == Spot(4, 13)
    assert record.key_place("/a~1b") == Spot(4, 18)
    assert record.place_of("/a~1b/1/deep") == Spot(5, 16)
    assert record.place_of("/a~1b/7/deep") == record.place_of("/a~1b") == Spot(4, 25)
    assert record.place_of("/absent") == Spot(3, 3)
    (only,) = _read('\n  {"one": 1, "two": 2}\n')
    assert only.place_of("/two") == Spot(2, 21)
