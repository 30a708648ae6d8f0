"""How records of the journal are grouped by sequence."""

from __future__ import annotations

import json

import pytest

from services.rules.journal.grouping import Group, Grouping, Stored, as_stored
from services.rules.journal.publisher import JournalEntry, JournalRecord, whole_batches
from tests.builders import records as consumed


def a_record(seq: int, number: int = 1, **more: object) -> JournalRecord:
    event = {"id": f"{seq}/{number}", "type": "x", "sequence": f"{seq:016d}", **more}
    return JournalRecord(b"key", json.dumps(event).encode(), ())


A_MARKER = JournalRecord(
    b"ledger/0", json.dumps({"id": "m", "type": "mandaat.ledger.marked.v1"}).encode(), ()
)


def grouped(*chunks: list[JournalRecord]) -> list[Group]:
    grouping, groups, offset = Grouping(), list[Group](), 10
    for chunk in chunks:
        stored = [Stored(offset + n, record) for n, record in enumerate(chunk)]
        groups += grouping.add(stored)
        offset += len(chunk)
    return [*groups, *grouping.end()]


def test_events_of_one_sequence_are_one_group_however_they_are_split() -> None:
    groups = grouped([a_record(5, 1)], [a_record(5, 2), a_record(6, 1)], [a_record(6, 2)])
    assert [(one.seq, len(one.events), one.next_offset) for one in groups] == [(5, 2, 12), (6, 2, 14)]
    assert groups[1].records == (a_record(6, 1), a_record(6, 2))


def test_a_repeat_directly_after_its_events_adds_nothing() -> None:
    both = [a_record(5, 1), a_record(5, 2)]
    (group,) = grouped(both + both)
    assert (group.records, group.next_offset) == (tuple(both), 14)


def test_a_marker_ends_a_group_and_is_no_group() -> None:
    groups = grouped([a_record(5, 1), A_MARKER, a_record(5, 2), A_MARKER])
    assert [one.next_offset for one in groups] == [11, 13]


def test_a_case_of_a_tenant_named_ledger_is_no_marker() -> None:
    (group,) = grouped([a_record(5)._replace(key=b"ledger/0")])
    assert group.seq == 5


@pytest.mark.parametrize(
    "value", [b"[]", b"{}", b'{"id":"a","type":"x"}', b'{"id":"a","type":"x","sequence":7}', b"x"]
)
def test_a_record_that_rules_did_not_write_stops_the_reading(value: bytes) -> None:
    with pytest.raises(ValueError, match=r"journal|expected value"):
        grouped([JournalRecord(b"key", value, ())])


@pytest.mark.parametrize(
    "value",
    [
        *(None, b"\x00", b"{}", b"null", b"[]"),
        b'{"id":"a","type":"mandaat.decision.approved.v9","sequence":"1772438400000000"}',
        b'{"id":["a"],"type":"mandaat.decision.approved.v1","sequence":"1772438400000000"}',
        b'{"id":"a","type":"mandaat.decision.approved.v1"}',
    ],
)
def test_a_record_that_rules_cannot_have_written_is_none_of_the_journal(value: bytes | None) -> None:
    with pytest.raises(ValueError, match=r"journal|expected value"):
        as_stored(consumed.a_record(value, offset=7))


def test_a_null_in_the_journal_stops_the_reading() -> None:
    with pytest.raises(ValueError, match="offset 7 of the journal holds no event"):
        as_stored(consumed.a_record(None, offset=7))


def test_record_batches_hold_whole_inputs_and_no_more_than_fits() -> None:
    record = JournalRecord(b"key", b"v" * 69, ())  # 200 bytes with the overhead of a record
    entries = [JournalEntry(0, n, (record,) * (1 + n % 2)) for n in range(6)]
    batches = list(whole_batches(entries, limit_bytes=600))
    assert [entry for batch in batches for entry in batch] == entries
    assert [[len(entry.records) for entry in batch] for batch in batches] == [[1, 2], [1, 2], [1, 2]]
    with pytest.raises(ValueError, match="400 bytes"):
        list(whole_batches([JournalEntry(0, 0, (record, record))], limit_bytes=399))
