"""The audit finds the promise that a forged journal breaks, and accepts a good journal."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable

import pytest

from tests.audit.evidence import Evidence
from tests.audit.promises import PROMISES, totals
from tests.unit.audit.forging import POLICY, Forged, given_back, spent
from tests.unit.test_repository import ROOT


def a_good_journal() -> Forged:
    """A journal with one event of every kind."""
    one = Forged()
    for _ in range(3):
        one.submit("c-1")
    decided = one.decide("approved", "c-1")
    one.again(decided)
    one.letter(one.submit("c-1", amount="31.00"))
    one.submit("c-2", amount="90.00", customer="cu-2")
    one.decide("escalated", "c-2", amount="90.00", customer_id="cu-2")
    one.approval("requested", 1, "c-2")
    one.reply("c-2")
    one.decide("approved", "c-2", [], mandate="lead", decided_by="lead-1", amount="80.00", customer_id="cu-2")
    one.approval("closed", 2, "c-2", reply_id="reply-1")
    one.reply("c-2", "reply-2")
    one.sequence += 1
    one.approval("late", 2, "c-2", reply_id="reply-2")
    one.withdraw("c-1")
    one.decide("withdrawn", "c-1", given_back(spent()))
    one.withdraw("c-3")
    one.decide("withdrawn", "c-3", [])
    one.submit("c-3", amount="5.00")
    one.submit("c-4", kind="gesture", amount=None)
    week = [{"budget": "kind.1", "scope": "team:north", "window": "2026-W10", "count": 1}]
    one.decide("approved", "c-4", week, mandate="kind", amount=None)
    return one


def test_a_journal_that_keeps_every_promise_has_no_finding() -> None:
    assert a_good_journal().findings() == []


def test_the_sums_of_the_journal_are_the_counters_of_the_ledger() -> None:
    one = a_good_journal()
    one.submit("c-5")
    one.decide("approved", "c-5")
    assert totals(Evidence(one.topics, "acme")).counters() == {
        "acme|day|day|EUR|agent:agent-01": {"2026-03-02": 3000},
        "acme|month|30d|EUR|customer:cu-1": {"20514": 3000},
        "acme|kind.1|week|count|team:north": {"2026-W10": 1},
    }


def two_contents(one: Forged) -> None:
    one.change(one.again(one.topics.decisions[0]), cause="another")


def same_event_in_another_partition(one: Forged) -> None:
    record = one.again(one.topics.decisions[0])
    one.topics.decisions[-1] = record._replace(partition=3)


def sequences_that_fall(one: Forged) -> None:
    one.submit("c-9", amount="1.00")
    one.sequence -= 10_000_000
    one.decide("approved", "c-9", spent("1.00"), amount="1.00")


def a_time_that_is_not_the_sequences(one: Forged) -> None:
    record = one.topics.decisions[0]
    one.topics.decisions[0] = record._replace(timestamp_ms=record.timestamp_ms + 1)


def one_sequence_for_two_inputs(one: Forged) -> None:
    for case_id in ("c-9", "c-10"):
        one.submit(case_id, amount="1.00")
        one.decide("refused", case_id, amount="1.00")
        one.sequence -= 1_000
    first, second = one.topics.decisions[-2:]
    one.change(first, cause="first")
    one.change(second, cause="second")


def decided_twice(one: Forged) -> None:
    one.decide("refused", "c-1")


def closed_twice(one: Forged) -> None:
    record = one.decide("refused", "c-2", decided_by="lead-2", amount="90.00", customer_id="cu-2")
    assert b"lead-2" in (record.value or b"")


def withdrawn_twice(one: Forged) -> None:
    one.change(one.decide("withdrawn", "c-3", []), id="another")


def decided_after_the_withdrawal(one: Forged) -> None:
    one.decide("refused", "c-3", amount="5.00")


def versions_that_jump(one: Forged) -> None:
    one.submit("c-9")
    one.decide("escalated", "c-9")
    one.approval("requested", 1, "c-9")
    one.sequence += 1
    one.approval("acknowledged", 3, "c-9")


def accepted_and_lost(one: Forged) -> None:
    one.submit("c-9")


def a_withdrawal_that_is_lost(one: Forged) -> None:
    one.withdraw("c-4")


def an_unreadable_record_that_is_lost(one: Forged) -> None:
    record = one.submit("c-9")
    one.topics.cases[-1] = record._replace(value=b"{")


def decided_out_of_nothing(one: Forged) -> None:
    one.decide("refused", "c-9")


def a_reply_that_is_lost(one: Forged) -> None:
    one.reply("c-2", "reply-3")


def an_approval_that_is_closed_twice(one: Forged) -> None:
    one.sequence += 1
    one.approval("closed", 3, "c-2", reply_id="reply-2")


def a_conflict_that_passes(one: Forged) -> None:
    one.submit("c-1", amount="32.00")


def a_repeat_that_is_refused(one: Forged) -> None:
    one.letter(one.submit("c-1", amount="30"))


def a_repeat_of_what_was_withdrawn_that_is_refused(one: Forged) -> None:
    one.letter(one.submit("c-3", amount="6.00"))


def decided_by_the_second_content(one: Forged) -> None:
    one.submit("c-9", amount="31.00")
    one.letter(one.submit("c-9", amount="12.00"))
    one.decide("refused", "c-9", amount="12.00")


def above_the_cap_of_a_day(one: Forged) -> None:
    for case_id in ("c-8", "c-9"):
        one.submit(case_id, customer=case_id)
        one.decide("approved", case_id, spent(customer=case_id), customer_id=case_id)


def above_the_cap_in_a_run_of_days(one: Forged) -> None:
    """30 on three days within thirty; the last one lies between the others."""
    for case_id, day in (("c-7", "2026-02-11"), ("c-8", "2026-03-12"), ("c-9", "2026-02-20")):
        one.submit(case_id, time=f"{day}T08:00:00Z")
        one.decide("approved", case_id, spent(day=day))


def above_a_lowered_cap(one: Forged) -> None:
    lower = json.loads(json.dumps(POLICY))
    lower["budgets"]["day"]["cap"] = 20
    one.publish(lower, "d2")
    one.submit("c-9")
    one.decide("approved", "c-9", policy={"name": "acme", "version": "2", "digest": "d2"})


def room_used_before_it_was_given_back(one: Forged) -> None:
    for case_id, customer in (("c-8", "cu-8"), ("c-9", "cu-9")):
        one.submit(case_id, customer=customer)
        one.decide("approved", case_id, spent(customer=customer), customer_id=customer)
    one.withdraw("c-8")
    one.decide("withdrawn", "c-8", given_back(spent(customer="cu-8")), customer_id="cu-8")


def more_given_back_than_was_taken(one: Forged) -> None:
    one.submit("c-9")
    one.decide("approved", "c-9")
    one.withdraw("c-9")
    one.decide("withdrawn", "c-9", given_back(spent("60.00")))


def nothing_given_back(one: Forged) -> None:
    one.submit("c-9")
    one.decide("approved", "c-9")
    one.withdraw("c-9")
    one.decide("withdrawn", "c-9", [])


def a_charge_that_is_missing(one: Forged) -> None:
    one.submit("c-9")
    one.decide("approved", "c-9", spent()[:1])


def a_charge_in_the_wrong_window(one: Forged) -> None:
    """23:30 in UTC is the next day in Amsterdam."""
    one.submit("c-9", time="2026-03-02T23:30:00Z")
    one.decide("approved", "c-9", spent(day="2026-03-02"))


def a_refusal_that_charges(one: Forged) -> None:
    one.submit("c-9")
    one.decide("refused", "c-9", spent())


def above_the_limit_of_the_mandate(one: Forged) -> None:
    one.submit("c-9", amount="41.00")
    one.decide("approved", "c-9", spent("41.00"), amount="41.00")


def granted_by_a_mandate_for_another_kind(one: Forged) -> None:
    one.submit("c-9", kind="flowers")
    one.decide("approved", "c-9")


def approved_by_a_person_who_sent_no_verdict(one: Forged) -> None:
    one.submit("c-9", amount="90.00")
    one.decide("escalated", "c-9", amount="90.00")
    one.approval("requested", 1, "c-9")
    one.decide("approved", "c-9", [], mandate="lead", decided_by="lead-1", amount="90.00")
    one.approval("closed", 2, "c-9", reply_id="reply-9")


FORGERIES: dict[Callable[[Forged], None], str] = {
    two_contents: "one content",
    same_event_in_another_partition: "one content",
    sequences_that_fall: "in order",
    a_time_that_is_not_the_sequences: "in order",
    one_sequence_for_two_inputs: "one sequence an input",
    decided_twice: "one decision",
    closed_twice: "one decision",
    withdrawn_twice: "one decision",
    decided_after_the_withdrawal: "one decision",
    versions_that_jump: "versions rise by one",
    accepted_and_lost: "accepted means kept",
    a_withdrawal_that_is_lost: "accepted means kept",
    an_unreadable_record_that_is_lost: "accepted means kept",
    decided_out_of_nothing: "accepted means kept",
    a_reply_that_is_lost: "replies are heard",
    an_approval_that_is_closed_twice: "replies are heard",
    a_conflict_that_passes: "conflicts are refused",
    a_repeat_that_is_refused: "conflicts are refused",
    a_repeat_of_what_was_withdrawn_that_is_refused: "conflicts are refused",
    decided_by_the_second_content: "conflicts are refused",
    above_the_cap_of_a_day: "not overspent",
    above_the_cap_in_a_run_of_days: "not overspent",
    above_a_lowered_cap: "not overspent",
    room_used_before_it_was_given_back: "not overspent",
    more_given_back_than_was_taken: "not overspent",
    nothing_given_back: "charges are due",
    a_charge_that_is_missing: "charges are due",
    a_charge_in_the_wrong_window: "charges are due",
    a_refusal_that_charges: "charges are due",
    above_the_limit_of_the_mandate: "charges are due",
    granted_by_a_mandate_for_another_kind: "charges are due",
    approved_by_a_person_who_sent_no_verdict: "charges are due",
}


@pytest.mark.parametrize("forge", FORGERIES, ids=lambda one: one.__name__)
def test_a_forged_journal_is_refused_by_the_promise_that_it_breaks(forge: Callable[[Forged], None]) -> None:
    one = a_good_journal()
    forge(one)
    broken = {finding.partition(":")[0] for finding in one.findings()}
    assert FORGERIES[forge] in broken


def test_every_promise_has_a_forgery_that_breaks_it() -> None:
    assert set(FORGERIES.values()) == set(PROMISES)


def test_the_audit_shares_no_code_with_the_project() -> None:
    imported = {
        name
        for path in (ROOT / "tests" / "audit").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        for name in (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else []
        )
    }
    ours = {name for name in imported if name.split(".")[0] in ("services", "schemas", "deploy", "tests")}
    assert {name for name in ours if not name.startswith("tests.audit")} == set()
