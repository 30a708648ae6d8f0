"""The contract of the journal, for the real one on Kafka and for its double in memory."""

from __future__ import annotations

import time

import pytest

from services.rules.journal.journal import Journal
from services.rules.journal.publisher import JournalEntry, Landed
from tests.doubles.rules import FakeJournal
from tests.integration.ledger.conftest import PARTITIONS
from tests.integration.ledger.manual_worker import a_request
from tests.integration.ledger.simulated_cluster import render

EitherJournal = Journal | FakeJournal


@pytest.fixture(params=["real", "double"])
def either(request: pytest.FixtureRequest) -> EitherJournal:
    if request.param == "double":
        return FakeJournal(PARTITIONS)
    real: Journal = request.getfixturevalue("journal")
    return real


def an_entry(seq: int, case: str, p: int = 0) -> JournalEntry:
    return JournalEntry(p, seq // 1000, render(a_request(case, p=p), seq))


def now_us() -> int:
    return time.time_ns() // 1000


async def test_a_round_lands_in_its_partitions_and_is_read_in_order(either: EitherJournal) -> None:
    seq = now_us()
    entries = [an_entry(seq, "c1"), an_entry(seq + 1, "c2"), an_entry(seq + 2, "c3", p=1)]
    assert await either.publish(entries) == {0: Landed(2), 1: Landed(1)}
    stored = [one async for chunk in either.read(0, 0, 2) for one in chunk]
    assert [one.offset for one in stored] == [0, 1]
    assert [one.record for one in stored] == [*entries[0].records, *entries[1].records]


async def test_the_events_of_a_sequence_are_found_again(either: EitherJournal) -> None:
    seq = now_us()
    escalated = an_entry(seq, "c1e")  # two events
    await either.publish([escalated, an_entry(seq + 1, "c2")])
    assert await either.stored([(0, seq)]) == {(0, seq): escalated.records}


async def test_a_sequence_that_is_not_there_is_an_error(either: EitherJournal) -> None:
    seq = now_us()
    await either.publish([an_entry(seq, "c1")])
    with pytest.raises(LookupError):
        await either.stored([(0, seq + 5_000)])


async def test_a_marker_is_a_record_and_its_answer_the_offset_after_it(either: EitherJournal) -> None:
    seq = now_us()
    await either.publish([an_entry(seq, "c1")])
    assert await either.mark(0, now_us()) == 2


async def test_it_knows_its_number_of_partitions(either: EitherJournal) -> None:
    assert await either.partitions() == PARTITIONS
