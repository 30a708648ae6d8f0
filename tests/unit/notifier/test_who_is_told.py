"""The recipients of each event (docs/notices.md, Who is told)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from schemas import types
from schemas.notice import ChannelName
from schemas.request_digest import request_digest
from schemas.withdrawal import WITHDRAWN
from services.notifier.planning.early_withdrawal import came_first, with_request
from services.notifier.planning.notice import PendingNotice, ended
from services.notifier.planning.plan import notices_of, recipients_of
from tests.builders.approvals import a_closed_approval, an_approval
from tests.builders.cases import a_case
from tests.builders.decisions import a_budget_warning, a_decision
from tests.builders.events import a_decision_event, an_approval_event
from tests.builders.notices import as_the_notifier_reads

CASE = a_case()
NOW = datetime.now(UTC)
LEADS = ("lead-01", "lead-02")
BOTH: tuple[ChannelName, ...] = ("mail", "webhook")


def told(
    event: Any, approvers: tuple[str, ...] = (), channels: tuple[ChannelName, ...] = BOTH
) -> list[tuple[str, str | None]]:
    return [(one.audience, one.person) for one in recipients_of(event, approvers, channels)]


@pytest.mark.parametrize("outcome", ["approved", "refused", "escalated", "withdrawn"])
def test_customer_agent_and_webhook_are_told_of_every_decision(outcome: str) -> None:
    assert told(a_decision_event(a_decision(CASE, outcome))) == [
        ("customer", "cu-1"),
        ("agent", "agent-01"),
        ("webhook", None),
    ]


@pytest.mark.parametrize("outcome", ["approved", "refused", "withdrawn"])
def test_a_decision_that_closes_an_escalation_is_also_told_to_each_approver(outcome: str) -> None:
    assert told(a_decision_event(a_decision(CASE, outcome)), LEADS)[3:] == [
        ("approver", one) for one in LEADS
    ]


def test_approvers_are_told_of_an_escalation_only_by_the_request_for_approval() -> None:
    assert ("approver", "lead-01") not in told(a_decision_event(a_decision(CASE, "escalated")), LEADS)
    asked = an_approval_event(types.APPROVAL_REQUESTED, an_approval(CASE, *LEADS))
    assert told(asked) == [("approver", one) for one in LEADS]


def test_a_tenant_without_a_webhook_has_no_webhook_notice() -> None:
    assert ("webhook", None) not in told(a_decision_event(a_decision(CASE)), channels=("mail",))


def test_a_case_without_an_agent_tells_no_agent() -> None:
    assert [one for one, _ in told(a_decision_event(a_decision(CASE, agent_id=None)))] == [
        "customer",
        "webhook",
    ]


def test_a_withdrawal_before_its_request_tells_only_the_webhook_until_the_request_comes() -> None:
    event = a_decision_event(
        a_decision(CASE, "withdrawn", customer_id=None, agent_id=None, request_digest=WITHDRAWN)
    )
    assert came_first(event)
    assert told(event) == [("webhook", None)]
    later = with_request(as_the_notifier_reads(event), CASE)
    assert told(later.event) == [("customer", "cu-1"), ("agent", "agent-01"), ("webhook", None)]
    assert later.request[1:] == ("r1", request_digest(CASE))
    assert later.raw == event.to_bytes()
    assert not came_first(a_decision_event(a_decision(CASE, "withdrawn")))


@pytest.mark.parametrize("type_", [types.APPROVAL_LATE, types.APPROVAL_NOT_ENTITLED])
def test_a_verdict_that_does_not_count_is_told_to_its_giver_and_the_webhook(type_: str) -> None:
    event = an_approval_event(type_, a_closed_approval(CASE, *LEADS), giver="lead-02", reply_id="reply-9")
    assert told(event, LEADS) == [("giver", "lead-02"), ("webhook", None)]


def test_the_closing_of_an_approval_tells_nobody() -> None:
    assert told(an_approval_event(types.APPROVAL_CLOSED, a_closed_approval(CASE, *LEADS)), LEADS) == []


def test_one_person_gets_one_notice_of_an_event_over_a_channel() -> None:
    event = as_the_notifier_reads(a_decision_event(a_decision(CASE)))
    notices = notices_of(event, ("lead-01", "lead-01", "agent-01"), BOTH)
    assert len({one.notice_id for one in notices}) == len(notices) == 4


def test_a_customer_and_an_agent_with_the_same_id_get_a_notice_each() -> None:
    same = a_case(customer={"id": "agent-01"})
    notices = notices_of(as_the_notifier_reads(a_decision_event(a_decision(same))), (), BOTH[:1])
    assert len({one.notice_id for one in notices}) == 2


def test_the_same_event_makes_the_same_notices_however_often() -> None:
    event = as_the_notifier_reads(a_decision_event(a_decision(CASE)))
    assert notices_of(event, LEADS, BOTH) == notices_of(event, LEADS, BOTH)


def test_a_notice_that_an_older_version_put_into_the_outbox_is_read() -> None:
    older = (
        '{"notice_id":"n-1","tenant":"acme","case_id":"c-1","request_id":"r1","request_digest":"d",'
        '"about":"e-1","about_type":"mandaat.decision.approved.v1","about_time":"2026-03-02T08:00:00Z",'
        '"settled_us":1772438400000000,"told":{"audience":"customer","person":"cu-1","channel":"mail"},'
        '"traceparent":null,"attempts":2}'
    )
    notice = PendingNotice.model_validate_json(older)
    assert notice.recipient.person == "cu-1"
    assert notice.model_dump_json() == older


@pytest.mark.parametrize("trace", ["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", None])
def test_the_event_of_an_ended_notice_carries_the_trace_of_its_event(trace: str | None) -> None:
    event = a_decision_event(a_decision(CASE)).model_copy(update={"traceparent": trace})
    for notice in notices_of(as_the_notifier_reads(event), (), BOTH):
        kept = PendingNotice.model_validate_json(notice.model_dump_json())
        assert ended(kept, "delivered", NOW, message_id="<x@y>").traceparent == trace


def test_leads_are_told_of_each_budget_that_a_decision_brings_to_its_line() -> None:
    warnings = (a_budget_warning(), a_budget_warning(budget="team-week", leads=("lead-01",)))
    event = a_decision_event(a_decision(CASE, warnings=warnings))
    assert told(event)[3:] == [("lead", "lead-01"), ("lead", "lead-02"), ("lead", "lead-01")]
    notices = notices_of(as_the_notifier_reads(event), (), BOTH)
    assert len({one.notice_id for one in notices}) == len(notices) == 6


def test_a_lead_is_told_of_a_budget_once_a_window_even_if_it_is_crossed_again() -> None:
    def ids(case_id: str, tenant: str = "acme", **changes: Any) -> set[str]:
        case = a_case(case_id=case_id, tenant=tenant)
        event = a_decision_event(a_decision(case, warnings=(a_budget_warning(**changes),)), tenant=tenant)
        notices = notices_of(as_the_notifier_reads(event), (), BOTH)
        return {one.notice_id for one in notices if one.recipient.audience == "lead"}

    assert ids("c-1") == ids("c-2", used="240.00")
    assert not ids("c-1") & ids("c-2", window="2026-03-03")
    assert not ids("c-1") & ids("c-2", scope="agent:agent-02")
    assert not ids("c-1") & ids("c-1", tenant="other")
    kept = PendingNotice.model_validate_json(
        notices_of(
            as_the_notifier_reads(a_decision_event(a_decision(CASE, warnings=(a_budget_warning(),)))),
            (),
            BOTH,
        )[-1].model_dump_json()
    )
    assert kept.recipient.counter == "goodwill-day|2026-03-02|agent:agent-01"
