"""The demonstration compares what it reads with what is expected, in any order of events."""

from __future__ import annotations

from typing import Any

from deploy.local.demo.outcome import DemoOutcome, percentile
from deploy.local.demo.retail import RetailCase, retail_cases
from schemas.topics import CASES, DECISIONS, NOTICES

ONE = RetailCase("c-1", "refund", "escalated", {})


def event(event_type: str, event_id: str, **data: Any) -> dict[str, Any]:
    return {
        "type": f"mandaat.{event_type}.v1",
        "id": event_id,
        "subject": "c-1",
        "time": "2026-03-02T08:00:00Z",
        "sequence": "1772438400250000",
        "data": data,
    }


def notice(about: str, audience: str, person: str | None, failed: str | None = None) -> dict[str, Any]:
    kind = "notice.failed" if failed else "notice.delivered"
    return event(kind, f"n-{about}-{audience}", about=about, audience=audience, person=person, reason=failed)


def escalated_with_notices() -> list[tuple[str, dict[str, Any]]]:
    return [
        (CASES, event("case.submitted", "e-0")),
        (DECISIONS, event("decision.escalated", "e-1", outcome="escalated")),
        (DECISIONS, event("approval.requested", "e-2", approval={"approvers": ["lead-01", "lead-02"]})),
        (NOTICES, notice("e-1", "customer", "cu-1")),
        (NOTICES, notice("e-1", "agent", "agent-01")),
        (NOTICES, notice("e-1", "webhook", None)),
        (NOTICES, notice("e-2", "approver", "lead-01")),
        (NOTICES, notice("e-2", "approver", "lead-02")),
    ]


def seen(events: list[tuple[str, dict[str, Any]]]) -> DemoOutcome:
    outcome = DemoOutcome()
    for topic, each in events:
        outcome.see(topic, each)
    return outcome


def test_a_case_with_the_expected_decision_and_all_notices_is_right() -> None:
    for events in (escalated_with_notices(), escalated_with_notices()[::-1]):
        outcome = seen(events)
        assert outcome.complete([ONE])
        assert outcome.differences([ONE]) == []
        assert outcome.seconds_to_decide() == [0.25]
        assert (outcome.ended_notices, len(outcome.due)) == (5, 5)


def test_it_waits_for_each_approver() -> None:
    outcome = seen(escalated_with_notices()[:-1])
    assert not outcome.complete([ONE])
    assert outcome.differences([ONE]) == ["no notice to approver about e-2"]


def test_an_unexpected_outcome_is_a_difference() -> None:
    wanted = RetailCase("c-1", "refund", "approved", {})
    assert seen(escalated_with_notices()).differences([wanted]) == [
        "c-1 (refund): expected approved, got escalated"
    ]


def test_a_case_that_is_not_decided_is_a_difference() -> None:
    assert DemoOutcome().differences([ONE]) == ["c-1 (refund): expected escalated, got no decision"]


def test_a_second_decision_is_a_difference_and_a_repeated_event_is_not() -> None:
    repeated = [*escalated_with_notices(), escalated_with_notices()[1]]
    assert seen(repeated).differences([ONE]) == []
    twice = [*repeated, (DECISIONS, event("decision.approved", "e-9", outcome="approved"))]
    assert "c-1: decided more than once" in seen(twice).differences([ONE])


def test_a_failed_notice_is_a_difference_with_its_reason() -> None:
    outcome = seen(
        [*escalated_with_notices()[:-1], (NOTICES, notice("e-2", "approver", "lead-02", "no address"))]
    )
    assert outcome.complete([ONE])
    assert outcome.differences([ONE]) == ["not delivered: approver about e-2: no address"]


def test_a_dead_letter_ends_the_waiting_and_is_a_difference() -> None:
    outcome = DemoOutcome()
    outcome.see_dead_letter({"mandaat-reason": "unknown_tenant", "mandaat-detail": "no policy for retail"})
    assert outcome.complete([ONE])
    assert "dead letter: unknown_tenant: no policy for retail" in outcome.differences([ONE])


def test_percentiles_are_existing_values() -> None:
    hundred = [float(number) for number in range(1, 101)]
    assert (percentile(hundred, 0.50), percentile(hundred, 0.99)) == (50.0, 99.0)
    assert (percentile([7.0], 0.5), percentile([], 0.5)) == (7.0, 0.0)


def test_every_retail_case_has_an_expected_outcome() -> None:
    cases = retail_cases()
    assert len({case.case_id for case in cases}) == 1166
    assert {case.expected for case in cases} == {"approved", "escalated"}
