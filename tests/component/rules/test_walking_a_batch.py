"""The walk of a batch, with faults that a real broker cannot be made to have (docs/ledger.md, One round)."""

from __future__ import annotations

from typing import Any

import pytest
from structlog.testing import capture_logs

from services.chassis.kafka.dead_letters import ConsumedRecord
from services.chassis.process.errors import TryAgain
from services.rules.ledger.script import Cold
from services.rules.worker import settling
from services.rules.worker.outcome import ReceivedInput
from tests.builders.approvals import an_approval_id
from tests.builders.bodies import as_bytes
from tests.builders.cases import a_case_body
from tests.builders.events import a_submitted_event, a_verdict_event, a_withdrawn_event
from tests.builders.inputs import a_reply, a_submission
from tests.builders.policies import a_book, a_mandate
from tests.builders.records import a_record
from tests.component.rules.conftest import DeciderHarness


def case(
    case_id: str, partition: int = 0, *, event: str = "evt", tenant: str = "acme", **request: Any
) -> ConsumedRecord:
    """A record with a case of 45.00, which needs a team lead, or with the given request."""
    submitted = a_submitted_event(
        {**a_case_body(case_id, **request), "tenant": tenant}, id=f"{event}-{case_id}"
    )
    return a_record(submitted, partition=partition)


def verdict(
    case_id: str, partition: int = 0, reply_id: str = "reply-1", said: str = "approve"
) -> ConsumedRecord:
    """A record with the team lead's verdict on a case."""
    data = {"case_id": case_id, "approval_id": an_approval_id(case_id), "reply_id": reply_id}
    data |= {"reason": "once, out of goodwill"}
    return a_record(a_verdict_event(said, subject=case_id, data=data), partition=partition)


async def test_good_cases_are_decided_between_unreadable_records(harness: DeciderHarness) -> None:
    outcome = await harness.decide(
        case("c-1"), a_record(b"{"), case("c-2", amount="12,50"), case("c-3", amount="40.00"), a_record(None)
    )
    assert not outcome.unfinished
    assert harness.kinds() == ["decision.escalated", "approval.requested", "decision.approved"]
    assert harness.letters.reasons == ["not_json", "invalid", "null_value"]


async def test_an_input_without_a_record_is_decided_once_like_any_other(harness: DeciderHarness) -> None:
    received = [ReceivedInput(a_submission(a_case_body(case_id="c-1")), None)]
    for _ in range(2):
        assert not (await harness.decider.decide_inputs(received)).unfinished
    assert harness.kinds() == ["decision.escalated", "approval.requested"] * 2
    first, again = harness.journal.entries
    assert first.records == again.records


async def test_an_input_without_a_record_that_cannot_be_judged_is_only_logged(
    harness: DeciderHarness,
) -> None:
    with capture_logs() as lines:
        outcome = await harness.decider.decide_inputs([ReceivedInput(a_reply(), None)])
    assert not outcome.unfinished
    assert harness.letters.reasons == []
    (line,) = [one for one in lines if one["event"] == "undecidable"]
    assert (line["log_level"], line["reason"], line["case_id"]) == ("error", "unknown_approval", "c-1")


async def test_the_log_names_agent_kind_and_mandate_of_each_decided_input(
    harness: DeciderHarness, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", "mandaat"):
        await harness.decide(case("c-1", amount="40.00"), case("c-2"))
        await harness.decide(verdict("c-2"))
    rows = [row for record in caplog.records if hasattr(record, "lines") for row in record.lines.rows]
    about = [
        {name: row.get(name) for name in ("case_id", "outcome", "agent", "kind", "mandate")} for row in rows
    ]
    assert [list(one.values()) for one in about] == [
        ["c-1", "approved", "agent-01", "refund", "small"],
        ["c-2", "escalated", "agent-01", "refund", None],
        ["c-2", "approved", "agent-01", "refund", "lead"],
    ]
    assert "mandate" not in rows[1]


async def test_a_round_is_published_in_order_of_sequence_with_that_time(harness: DeciderHarness) -> None:
    await harness.decide(*(case(f"c-{place}", partition=place % 2) for place in range(6)))
    for p in (0, 1):
        sequences = [int(event["sequence"]) for event in harness.events(p)]
        assert sequences == sorted(sequences)
    for entry in harness.journal.entries:
        assert f'"sequence":"{entry.timestamp_ms}'.encode() in entry.records[0].value


async def test_a_published_round_is_confirmed_with_the_next_call(harness: DeciderHarness) -> None:
    await harness.decide(case("c-1"))
    due = harness.due(0)
    assert due is not None
    assert (due.first_sequence, due.next_offset, len(due.effects)) == (harness.ledger.pending[0][0], 2, 1)
    await harness.decide(case("c-2"))
    assert list(harness.ledger.states[0]) == [f"acme/{an_approval_id('c-1')}"]
    assert harness.ledger.positions[0] == 2


@pytest.mark.parametrize("how", ["refuses", "loses"])
async def test_only_the_partition_that_did_not_land_is_taken_over(harness: DeciderHarness, how: str) -> None:
    setattr(harness.journal, how, {2})
    outcome = await harness.decide(case("c-1", 1), case("c-2", 2), case("c-3", 1), case("c-4", 2))
    assert outcome.take_over.keys() == {2}
    assert outcome.take_over[2] is not None
    assert outcome.take_over[2].gen == 0
    assert not outcome.retry
    assert (harness.due(1) is not None, harness.due(2)) == (True, None)
    assert len(harness.events(1)) == 4


async def test_a_partition_that_failed_gets_no_further_round_of_the_batch(harness: DeciderHarness) -> None:
    harness.journal.refuses = {0}
    outcome = await harness.decide(case("c-1", 0), case("c-2", 1), verdict("c-2", 1), verdict("c-1", 0))
    assert outcome.take_over.keys() == {0}
    assert harness.kinds(1)[-2:] == ["decision.approved", "approval.closed"]
    assert harness.kinds(0) == []
    assert harness.letters.reasons == []


async def test_a_verdict_directly_after_its_case_finds_the_approval(harness: DeciderHarness) -> None:
    await harness.decide(case("c-1"), verdict("c-1"))
    assert harness.kinds()[2:] == ["decision.approved", "approval.closed"]
    names = [name for name, _ in harness.ledger.calls]
    assert names == ["call", "read", "call"]
    assert harness.ledger.calls[1][1][0].confirm is not None  # before the state is read


async def test_of_two_verdicts_in_one_batch_the_first_wins(harness: DeciderHarness) -> None:
    await harness.decide(case("c-1"), verdict("c-1"), verdict("c-1", reply_id="reply-2", said="reject"))
    assert harness.kinds()[2:] == ["decision.approved", "approval.closed", "approval.late"]


async def test_a_repeat_in_one_round_gets_the_same_bytes_from_memory(harness: DeciderHarness) -> None:
    await harness.decide(case("c-1", event="one"), case("c-1", event="two"))
    first, again = harness.journal.entries
    assert first.records == again.records
    assert harness.journal.looked_up == []


async def test_a_later_repeat_gets_the_same_bytes_from_the_journal_at_a_new_time(
    harness: DeciderHarness,
) -> None:
    await harness.decide(case("c-1"))
    await harness.decide(case("c-1"), case("c-2"))
    first, other, again = harness.journal.entries
    assert first.records == again.records
    assert again.timestamp_ms == other.timestamp_ms == harness.ledger.clock_us // 1000
    due = harness.due(0)
    assert due is not None
    assert due.next_offset == 6


async def test_a_round_of_repeats_settles_nothing_and_moves_the_position(harness: DeciderHarness) -> None:
    await harness.decide(case("c-1"))
    await harness.decide(case("c-1"))
    due = harness.due(0)
    assert due is not None
    assert (due.first_sequence, due.next_offset, due.effects) == (None, 4, ())


async def test_a_repeat_of_a_closed_request_gets_the_closing_events(harness: DeciderHarness) -> None:
    await harness.decide(case("c-1"), verdict("c-1"))
    await harness.decide(case("c-1"), verdict("c-1"))
    assert harness.kinds()[4:] == ["decision.approved", "approval.closed"] * 2


async def test_a_repeat_of_a_closed_request_repeats_the_approver_s_words(harness: DeciderHarness) -> None:
    await harness.decide(case("c-1"), verdict("c-1"))
    await harness.decide(case("c-1"))
    _, closing, again = harness.journal.entries
    assert again.records == closing.records
    assert harness.events()[-2]["data"]["note"] == "once, out of goodwill"


@pytest.mark.parametrize("together", [True, False])
async def test_a_conflict_is_a_dead_letter_and_changes_nothing(
    harness: DeciderHarness, together: bool
) -> None:
    one, other = case("c-1"), case("c-1", amount="46.00")
    for batch in [(one, other)] if together else [(one,), (other,)]:
        await harness.decide(*batch)
    assert harness.letters.reasons == ["conflict"]
    assert harness.letters.letters[0][0] is other
    assert len(harness.journal.entries) == 1


async def test_a_conflicting_reply_is_a_dead_letter(harness: DeciderHarness) -> None:
    await harness.decide(case("c-1"), verdict("c-1"), verdict("c-1", said="reject"))
    assert harness.letters.reasons == ["conflict"]
    assert harness.kinds()[2:] == ["decision.approved", "approval.closed"]


async def test_nothing_is_published_while_the_ledger_is_away(
    harness: DeciderHarness,
) -> None:
    harness.ledger.fails = [TryAgain("away")]
    outcome = await harness.decide(case("c-1", 1), case("c-2", 2))
    assert outcome.take_over == {1: None, 2: None}
    assert harness.journal.entries == []


async def test_a_round_that_landed_stays_when_the_ledger_goes_away_after_it(
    harness: DeciderHarness,
) -> None:
    harness.ledger.fails = [None, TryAgain("away")]
    outcome = await harness.decide(case("c-1", 1), case("c-2", 2), verdict("c-1", 1), case("c-3", 2))
    assert outcome.take_over.keys() == {1}  # the read for the verdict failed; partition 2 went on
    assert len(harness.kinds(1)) == 2
    assert len(harness.kinds(2)) == 4


async def test_a_cold_ledger_raises_cold(harness: DeciderHarness) -> None:
    harness.ledger.fails = [None, Cold("epoch")]
    with pytest.raises(Cold):
        await harness.decide(case("c-1"), verdict("c-1"))


async def test_a_partition_of_another_worker_is_left_alone(harness: DeciderHarness) -> None:
    harness.ledger.gens[2] = 7
    outcome = await harness.decide(case("c-1", 1), case("c-2", 2))
    assert outcome.take_over == {2: None}
    assert harness.kinds(2) == []
    assert len(harness.kinds(1)) == 2


async def test_a_partition_with_something_pending_is_taken_over(harness: DeciderHarness) -> None:
    harness.ledger.pending[2] = (1, [])
    outcome = await harness.decide(case("c-1", 1), case("c-2", 2), verdict("c-9", 2))
    assert outcome.take_over == {2: None}


async def test_unwritten_dead_letters_hold_up_only_their_partitions(harness: DeciderHarness) -> None:
    harness.letters.away = True
    outcome = await harness.decide(case("c-1", 1), a_record(b"{", partition=2), case("c-2", 2))
    assert (outcome.retry, outcome.take_over) == ({2}, {})
    assert len(harness.kinds(1)) == 2
    assert harness.kinds(2) == []


async def test_a_conflict_whose_dead_letter_cannot_be_written_comes_again(harness: DeciderHarness) -> None:
    await harness.decide(case("c-1", 1))
    harness.letters.away = True
    outcome = await harness.decide(case("c-1", 1, amount="46.00"), case("c-2", 1), case("c-3", 2))
    assert (outcome.retry, outcome.take_over) == ({1}, {})
    harness.letters.away = False
    assert not (await harness.decide(case("c-1", 1, amount="46.00"), case("c-2", 1))).unfinished
    assert harness.letters.reasons == ["conflict"]


async def test_no_dead_letter_is_written_for_a_record_that_comes_again(harness: DeciderHarness) -> None:
    harness.journal.refuses = {1}
    await harness.decide(case("c-1", 1), case("c-1", 1, amount="46.00"))
    assert harness.letters.reasons == []


async def test_an_unreadable_journal_holds_up_repeats_and_not_new_requests(
    harness: DeciderHarness,
) -> None:
    await harness.decide(case("c-1", 1))
    harness.journal.away = TryAgain("kafka is away")
    outcome = await harness.decide(case("c-1", 1), case("c-2", 1), case("c-3", 2))
    assert (outcome.retry, outcome.take_over) == ({1}, {})
    assert len(harness.kinds(1)) == 4
    assert len(harness.kinds(2)) == 2
    assert harness.due(1) is not None


async def test_new_decisions_are_published_before_repeats_are_looked_up(harness: DeciderHarness) -> None:
    await harness.decide(case("c-1", 1))
    seen: list[int] = []
    real = harness.journal.stored

    async def look_up(wanted: Any) -> Any:
        seen.append(len(harness.kinds(1)))
        return await real(wanted)

    harness.journal.stored = look_up  # type: ignore[method-assign] # notes what is published already
    await harness.decide(case("c-1", 1), case("c-2", 1))
    assert seen == [4]
    assert len(harness.kinds(1)) == 6
    due = harness.due(1)
    assert due is not None
    assert (due.first_sequence, due.next_offset, len(due.effects)) == (harness.ledger.pending[1][0], 6, 1)


async def test_repeats_that_do_not_land_leave_new_decisions_in_place(harness: DeciderHarness) -> None:
    await harness.decide(case("c-1", 1))
    real = harness.journal.publish

    async def publish(entries: Any) -> Any:
        outcomes = await real(entries)
        harness.journal.refuses = {1}
        return outcomes

    harness.journal.publish = publish  # type: ignore[method-assign] # refuses the second time
    outcome = await harness.decide(case("c-1", 1), case("c-2", 1))
    assert outcome.take_over.keys() == {1}
    assert [event["subject"] for event in harness.events(1)] == ["c-1", "c-1", "c-2", "c-2"]


async def test_a_request_that_was_decided_in_another_partition_is_a_dead_letter(
    harness: DeciderHarness,
) -> None:
    await harness.decide(case("c-1", 1), case("c-2", 2))
    outcome = await harness.decide(case("c-1", 2), case("c-2", 2), case("c-3", 2))
    assert not outcome.unfinished
    assert harness.letters.reasons == ["key_mismatch"]
    assert [event["subject"] for event in harness.events(2)] == ["c-2", "c-2", "c-3", "c-3", "c-2", "c-2"]


async def test_tables_are_read_again_once_a_batch_for_unknown_tenants_and_agents(
    harness: DeciderHarness,
) -> None:
    await harness.decide(case("c-1"))
    assert harness.tables.refreshed == 0
    stranger = a_record(a_submitted_event(a_case_body(case_id="c-2", agent_id="agent-77")))
    await harness.decide(stranger, case("c-3", tenant="other"), case("c-4", tenant="another"))
    assert harness.tables.refreshed == 1
    assert harness.events()[2]["data"]["reasons"][0]["code"] == "unknown_agent"
    assert harness.letters.reasons == ["unknown_tenant", "unknown_tenant"]


async def test_a_policy_published_a_moment_ago_counts(harness: DeciderHarness) -> None:
    harness.tables.published = {"other": a_book(a_mandate(), policy="other")}
    await harness.decide(case("c-1", tenant="other"))
    assert harness.letters.reasons == []
    assert harness.events()[0]["data"]["policy"]["name"] == "other"


async def test_a_batch_is_not_settled_while_the_tables_are_away(harness: DeciderHarness) -> None:
    harness.tables.away = True
    with pytest.raises(TryAgain):
        await harness.decide(case("c-1"), case("c-2", tenant="other"))
    assert harness.ledger.calls == []


async def test_a_partition_that_is_no_longer_held_comes_again(harness: DeciderHarness) -> None:
    harness.partitions.drop([1])
    outcome = await harness.decide(case("c-1", 1), case("c-2", 2), verdict("c-3", 1))
    assert (outcome.retry, outcome.take_over) == ({1}, {})
    assert len(harness.kinds(2)) == 2


async def test_a_cold_start_during_a_publish_is_no_bug(harness: DeciderHarness) -> None:
    harness.journal.meanwhile = lambda: harness.partitions.drop(range(6))
    outcome = await harness.decide(case("c-1", 1), verdict("c-1", 1), case("c-2", 2))
    assert (outcome.retry, outcome.take_over) == ({1, 2}, {})
    assert len(harness.kinds(1)) == 2


async def test_a_confirm_under_an_older_generation_is_forgotten(harness: DeciderHarness) -> None:
    harness.journal.meanwhile = lambda: harness.partitions.hold(1, 5)
    await harness.decide(case("c-1", 1))
    assert harness.due(1) is None


async def test_a_case_too_large_for_the_journal_is_a_dead_letter_and_not_settled(
    harness: DeciderHarness,
) -> None:
    large = a_record(a_submitted_event(a_case_body(case_id="c-1", facts={"long": "x" * 900_000})))
    await harness.decide(large, case("c-2"))
    assert harness.letters.reasons == ["too_large"]
    assert len(harness.ledger.index) == 1


async def test_every_record_of_a_mixed_batch_ends_in_events_or_dead_letters(harness: DeciderHarness) -> None:
    records = [
        case("c-1"),
        verdict("c-1"),
        case("c-1"),
        verdict("c-1"),
        case("c-1", amount="1.00"),
        verdict("c-2"),
        a_record(as_bytes({"type": "mandaat.case.reopened.v1"})),
    ]
    outcome = await harness.decide(*records)
    assert not outcome.unfinished
    assert sorted(harness.letters.reasons) == ["conflict", "unknown_approval", "unknown_type"]
    assert harness.kinds() == [
        "decision.escalated",
        "approval.requested",
        *["decision.approved", "approval.closed"] * 3,
    ]


def a_heavy_book() -> Any:
    """Ten mandates, each with a budget of its own over 366 days, that has no room for 45.00."""
    budgets = [{"id": "year", "per": "tenant", "window": "366d", "cap": 1}]
    mandates = (a_mandate(id=f"m{n}", budgets=budgets) for n in range(10))
    return a_book(*mandates, timezone="Europe/Amsterdam")


async def test_expensive_inputs_are_settled_in_several_calls_in_order() -> None:
    harness = DeciderHarness(a_heavy_book())
    outcome = await harness.decide(*(case(f"c-{n}", partition=n % 2) for n in range(100)))
    assert not outcome.unfinished
    assert len(harness.ledger.calls) > 2
    for _, parts in harness.ledger.calls[1:]:  # each call confirms what the call before settled
        assert all(part.confirm is not None for part in parts)
    for p in (0, 1):
        decided = [one for one in harness.events(p) if one["type"].startswith("mandaat.decision")]
        assert [one["subject"] for one in decided] == [f"c-{n}" for n in range(p, 100, 2)]
        assert [one["sequence"] for one in decided] == sorted(one["sequence"] for one in decided)


async def test_after_a_failed_call_nothing_more_is_settled_on_its_partitions() -> None:
    harness = DeciderHarness(a_heavy_book())
    harness.ledger.fails = [None, TryAgain("too late")]
    outcome = await harness.decide(*(case(f"c-{n}") for n in range(100)))
    assert outcome.take_over == {0: None}
    assert len(harness.ledger.calls) == 2


async def test_a_call_is_halved_after_each_failure_until_it_goes_through(
    harness: DeciderHarness,
) -> None:
    """The same call would take too long every time, so it gets smaller."""

    batch = [case(f"c-{n}", amount="40.00") for n in range(16)]
    for _ in range(9):
        harness.ledger.fails = [TryAgain("too late")]
        assert (await harness.decide(*batch)).take_over == {0: None}
        harness.partitions.hold(0, 0)  # after its take-over
    failed = len(harness.ledger.calls)
    assert not (await harness.decide(*batch)).unfinished
    assert len(harness.ledger.calls) - failed == 16
    assert len(harness.events()) == 16


@pytest.mark.parametrize(("soon", "left"), [(float("inf"), 0), (0.0, 3)])
async def test_calls_grow_again_once_they_are_answered_soon(
    harness: DeciderHarness, monkeypatch: pytest.MonkeyPatch, soon: float, left: int
) -> None:
    monkeypatch.setattr(settling, "SOON_SECONDS", soon)
    harness.partitions.slow_down([0, 0, 0, 1])
    assert (harness.partitions.halvings([0, 1]), harness.partitions.halvings([1, 2])) == (3, 1)
    for n in range(3):
        await harness.decide(case(f"c-{n}"))
    assert (harness.partitions.halvings([0]), harness.partitions.halvings([1])) == (left, 1)


@pytest.mark.parametrize("how", ["policy", "size"])
async def test_a_known_request_is_answered_even_if_it_cannot_be_judged_now(
    harness: DeciderHarness, how: str
) -> None:
    await harness.decide(case("c-1"), case("c-2"), verdict("c-1"))
    known = len(harness.journal.entries)
    again, other, new = case("c-1"), case("c-2", amount="46.00"), case("c-3")
    if how == "policy":
        harness.tables.books.clear()
    else:
        facts = {"facts": {"all": "\u0001" * 200_000}}
        again, other, new = (
            a_record(a_submitted_event({**a_case_body(case_id, **request), **facts}))
            for case_id, request in (("c-1", {}), ("c-2", {"amount": "46.00"}), ("c-3", {}))
        )
    outcome = await harness.decide(again, other, new)
    assert not outcome.unfinished
    assert harness.letters.reasons == ["conflict", "unknown_tenant" if how == "policy" else "too_large"]
    assert [record for record, _ in harness.letters.letters] == [other, new]
    assert [one.records for one in harness.journal.entries[known:]] == [harness.journal.entries[2].records]
    due = harness.due(0)
    assert due is not None
    assert (due.first_sequence, due.effects) == (None, ())


async def test_a_known_verdict_and_withdrawal_are_answered_without_a_policy(
    harness: DeciderHarness,
) -> None:
    batch = (case("c-1"), verdict("c-1"), a_record(a_withdrawn_event()))
    await harness.decide(*batch)
    opened, answered, withdrawn = (one.records for one in harness.journal.entries)
    harness.tables.books.clear()
    await harness.decide(*batch)
    assert harness.letters.reasons == []
    again = [one.records for one in harness.journal.entries[3:]]
    assert again == [withdrawn, answered, withdrawn]
    assert opened not in again


async def test_a_repeat_too_large_to_judge_is_recognised_in_its_own_round(harness: DeciderHarness) -> None:
    grown = {**a_case_body("c-1"), "facts": {"all": "\u0001" * 200_000}}
    await harness.decide(a_record(a_submitted_event(grown)), case("c-1"))
    assert harness.letters.reasons == []
    assert harness.journal.entries[0].records == harness.journal.entries[1].records


async def test_no_possibly_known_request_is_a_dead_letter_while_the_ledger_is_away(
    harness: DeciderHarness,
) -> None:
    harness.tables.books.clear()
    harness.ledger.fails = [TryAgain("away")]
    outcome = await harness.decide(case("c-1"))
    assert outcome.take_over == {0: None}
    assert harness.letters.reasons == []


async def test_cases_wait_while_the_policy_of_their_tenant_cannot_be_used(
    harness: DeciderHarness,
) -> None:
    """A restarted worker must not make dead letters of cases that other workers decide."""
    harness.tables.problems["late"] = "1:1: it is not YAML"
    outcome = await harness.decide(case("c-1", 0), case("c-2", 1, tenant="late"), case("c-3", 1))
    assert (outcome.retry, outcome.take_over) == ({1}, {})
    assert harness.letters.reasons == []
    assert {event["subject"] for event in harness.events()} == {"c-1"}
    harness.tables.published["late"] = a_book(policy="late")
    outcome = await harness.decide(case("c-2", 1, tenant="late"), case("c-3", 1))
    assert not outcome.unfinished
    assert {event["subject"] for event in harness.events()} == {"c-1", "c-2", "c-3"}
