"""The case file, and what `GET /v1/cases/{id}` shows of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import pytest

from schemas import types
from schemas.case import Case
from schemas.decision import Reason
from schemas.request_digest import request_digest
from schemas.request_status import RequestStatus
from schemas.withdrawal import WITHDRAWN
from services.notifier.failures import FailedRecord
from services.notifier.outbox import case_file
from services.notifier.outbox.case_view import status_view, view_of
from services.notifier.planning.notice import ended
from services.notifier.routes import CaseView
from tests.builders.approvals import a_closed_approval, an_approval
from tests.builders.cases import a_case
from tests.builders.decisions import a_decision
from tests.builders.events import a_decision_event, an_approval_event
from tests.builders.notices import a_pending_notice


def kept(*what: Any) -> dict[bytes, bytes]:
    """The hash of a case to which these happened."""
    fields: dict[bytes, bytes] = {}
    for one in what:
        new, removed = (
            (case_file.of_case(one), ()) if isinstance(one, Case) else case_file.of_event(one, one.to_bytes())
        )
        fields |= {name.encode(): value for name, value in new}
        for name in removed:
            fields.pop(name.encode(), None)
    return fields


def test_a_case_that_nobody_submitted_is_not_shown() -> None:
    assert view_of({}) is None
    assert view_of(kept(a_decision_event(a_decision(a_case())))) is None


def test_a_case_shows_its_requests_with_decisions_in_order_and_the_newest_approval() -> None:
    case, second = a_case(), a_case(request_id="r2", amount="5.00")
    shown = view_of(
        kept(
            case,
            second,
            a_decision_event(a_decision(case, "escalated")),
            an_approval_event(types.APPROVAL_REQUESTED, an_approval(case, "lead-01")),
            a_decision_event(a_decision(case, "approved", by="person", decided_by="lead-01")),
            an_approval_event(types.APPROVAL_CLOSED, a_closed_approval(case, "lead-01")),
        )
    )
    assert shown is not None
    first, other = shown["requests"]
    assert [one["outcome"] for one in first["decisions"]] == ["escalated", "approved"]
    assert first["approval"]["state"] == "closed"
    assert first["request"]["amount"] == "45.00"
    assert (other["request_id"], other["decisions"], other["approval"]) == ("r2", [], None)


def test_a_submission_that_was_refused_as_a_conflict_is_not_shown() -> None:
    case, conflict = a_case(), a_case(amount="99.00", name="Somebody Else")
    for order in ((case, conflict), (conflict, case)):
        shown = view_of(kept(*order, a_decision_event(a_decision(case))))
        assert shown is not None
        assert shown["case"]["customer"]["name"] == "A. Bakker"
        assert shown["requests"][0]["request"]["amount"] == "45.00"


def test_notices_are_shown_in_the_order_in_which_they_ended() -> None:
    case, event = a_case(), a_decision_event(a_decision(a_case()))
    fields = kept(case, event)
    for hour, audience in ((9, "agent"), (8, "customer")):
        pending = a_pending_notice(event, audience, "cu-1")
        notice = ended(pending, "delivered", datetime(2026, 3, 2, hour, tzinfo=UTC), message_id="<m@x>")
        fields[f"n:{pending.notice_id}".encode()] = case_file.notice_line(notice)
    shown = view_of(fields)
    assert shown is not None
    assert [(one["audience"], one["outcome"]) for one in shown["notices"]] == [
        ("customer", "delivered"),
        ("agent", "delivered"),
    ]


def test_an_approval_marks_its_case_as_open_until_it_closes() -> None:
    case = a_case()
    requested = an_approval_event(types.APPROVAL_REQUESTED, an_approval(case, "lead-01"))
    assert b"o:r1" in kept(case, requested)
    assert b"o:r1" not in kept(
        case, requested, an_approval_event(types.APPROVAL_CLOSED, a_closed_approval(case, "lead-01"))
    )


def test_approvers_are_kept_while_the_approval_is_open() -> None:
    case = a_case()
    requested = an_approval_event(types.APPROVAL_REQUESTED, an_approval(case, "lead-01"))
    ended = an_approval_event(types.APPROVAL_CLOSED, a_closed_approval(case, "lead-01"))
    late = an_approval_event(
        types.APPROVAL_LATE, a_closed_approval(case, "lead-01"), giver="lead-01", reply_id="x"
    )
    assert [case_file.approvers_after(one) for one in (requested, ended, late)] == [("lead-01",), (), None]
    assert case_file.read_approvers(kept(case, requested).get(b"p:r1")) == ("lead-01",)
    assert b"p:r1" not in kept(case, requested, ended)


def test_a_request_that_was_withdrawn_before_it_came_shows_the_withdrawal_when_it_comes() -> None:
    case = a_case()
    early = a_decision_event(a_decision(case, "withdrawn", customer_id=None, request_digest=WITHDRAWN))
    assert view_of(kept(early)) is None
    shown = view_of(kept(early, case))
    assert shown is not None
    assert [one["outcome"] for one in shown["requests"][0]["decisions"]] == ["withdrawn"]
    assert kept(case)[b"l:r1"] == request_digest(case).encode()


def test_each_request_shows_the_facts_that_came_with_it() -> None:
    first = a_case(facts={"parcel": {"days_late": 6}}, subject="parcel six days late", channel="phone")
    second = a_case(request_id="r2", facts={"parcel": {"days_late": 9}}, subject="still late", channel="chat")
    shown = view_of(kept(first, second, a_decision_event(a_decision(first))))
    assert shown is not None
    assert [
        (one["facts"]["parcel"]["days_late"], one["subject"], one["channel"]) for one in shown["requests"]
    ] == [
        (6, "parcel six days late", "phone"),
        (9, "still late", "chat"),
    ]


def test_each_decision_shows_its_time_and_sequence() -> None:
    event = a_decision_event(a_decision(a_case()), at=datetime(2026, 3, 2, 9, tzinfo=UTC))
    (decision,) = the_request(a_case(), event)["decisions"]
    assert (decision["time"], decision["sequence"]) == ("2026-03-02T09:00:00Z", event.sequence)


def test_all_times_are_in_utc_in_one_form() -> None:
    case = a_case(opened_at="2026-03-02T09:00:00+01:00", facts={"since": "2026-03-02T09:00:00+01:00"})
    event = a_decision_event(a_decision(case, "escalated", respond_by=case.opened_at), at=case.opened_at)
    asked = an_approval_event(
        types.APPROVAL_REQUESTED,
        an_approval(case, "lead-01", opened_at=case.opened_at, respond_by=case.opened_at),
        at=case.opened_at,
    )
    late = an_approval_event(
        types.APPROVAL_LATE, a_closed_approval(case), giver="lead-01", reply_id="x", at=case.opened_at
    )
    pending = a_pending_notice(event, "agent", "agent-01")
    notice = ended(pending, "delivered", case.opened_at, message_id="<m@x>")
    fields = kept(case, event, asked, late) | {b"n:1": case_file.notice_line(notice)}
    shown = view_of(fields)
    assert shown is not None
    (request,) = shown["requests"]
    (decision,), approval, (reply,), (told,) = (
        request["decisions"],
        request["approval"],
        request["replies"],
        shown["notices"],
    )
    times = [shown["case"]["opened_at"], request["opened_at"], decision["time"], decision["respond_by"]]
    times += [approval["opened_at"], approval["respond_by"], approval["case"]["opened_at"]]
    times += [reply["time"], told["time"]]
    status = status_view(fields, "c-1", "r1")
    assert status is not None
    times += [status["decided_at"], status["decision"]["respond_by"]]
    assert set(times) == {"2026-03-02T08:00:00Z"}
    assert request["facts"] == {"since": "2026-03-02T09:00:00+01:00"}  # the caller's own words


def test_every_reply_shows_what_became_of_it() -> None:
    case = a_case()
    refusal = Reason(code="not_entitled", text="This person may not answer.")
    closed = a_closed_approval(case, "lead-01")
    request = the_request(
        case,
        an_approval_event(types.APPROVAL_REQUESTED, an_approval(case, "lead-01")),
        an_approval_event(
            types.APPROVAL_NOT_ENTITLED,
            an_approval(case, "lead-01"),
            giver="agent-02",
            reply_id="reply-0",
            reasons=(refusal,),
            verdict="approve",
        ),
        an_approval_event(
            types.APPROVAL_CLOSED,
            closed,
            giver="lead-01",
            reply_id="reply-1",
            note="a loyal customer",
            verdict="approve",
            at=datetime(2026, 3, 2, 9, tzinfo=UTC),
        ),
        an_approval_event(
            types.APPROVAL_LATE,
            closed,
            giver="lead-02",
            reply_id="reply-2",
            note="no",
            verdict="reject",
        ),
    )
    replies = {one["reply_id"]: one for one in request["replies"]}
    assert {
        id_: (one["giver"], one["verdict"], one["outcome"], one["note"]) for id_, one in replies.items()
    } == {
        "reply-0": ("agent-02", "approve", "not_entitled", None),
        "reply-1": ("lead-01", "approve", "closed", "a loyal customer"),
        "reply-2": ("lead-02", "reject", "late", "no"),
    }
    assert [one["code"] for one in replies["reply-0"]["reasons"]] == ["not_entitled"]
    late = replies["reply-2"]
    assert (late["closing"]["decided_by"], late["closed_at"]) == ("lead-01", "2026-03-02T09:00:00Z")


def test_a_withdrawal_that_closes_an_approval_is_no_reply() -> None:
    case = a_case()
    closed = an_approval_event(types.APPROVAL_CLOSED, a_closed_approval(case, "lead-01", outcome="withdrawn"))
    assert the_request(case, closed)["replies"] == []


def test_the_words_of_the_person_who_decided_stand_on_the_decision() -> None:
    case = a_case()
    event = a_decision_event(a_decision(case, by="person", decided_by="lead-01", note="a loyal customer"))
    assert the_request(case, event)["decisions"][0]["note"] == "a loyal customer"
    status = status_view(kept(case, event), "c-1", "r1")
    assert status is not None
    assert status["decision"]["note"] == "a loyal customer"


def test_the_state_of_a_request_is_that_of_its_newest_decision() -> None:
    case = a_case()
    escalated = a_decision_event(a_decision(case, "escalated"))
    asked = an_approval_event(types.APPROVAL_REQUESTED, an_approval(case, "lead-01"))
    refused = a_decision_event(a_decision(case, "refused"))
    waiting, decided = (
        status_view(kept(case, *events), "c-1", "r1")
        for events in ((escalated, asked), (refused, asked, escalated))
    )
    assert waiting is not None
    assert decided is not None
    assert (waiting["state"], waiting["step"], waiting["approvers"]) == (
        "escalated",
        "team_lead",
        ["lead-01"],
    )
    assert (decided["state"], decided["approvers"], decided["sequence"]) == ("refused", [], refused.sequence)
    RequestStatus.model_validate_json(json.dumps(decided))


def test_a_request_without_a_decision_is_pending_and_an_unknown_one_has_no_status() -> None:
    status = status_view(kept(a_case()), "c-1", "r1")
    assert status is not None
    assert (status["state"], status["decision"]) == ("pending", None)
    assert status_view(kept(a_case()), "c-1", "r2") is None


def a_failure(of: Literal["submission", "withdrawal", "reply"], reason: str, **more: Any) -> FailedRecord:
    return FailedRecord(of, "r1", reason, "It failed.", datetime(2026, 3, 2, 8, tzinfo=UTC), **more)


def test_a_request_that_became_a_dead_letter_shows_that_it_failed_and_why() -> None:
    failure = a_failure("submission", "unknown_tenant")
    assert the_request(a_case(), failures=[failure])["state"] == "failed"
    status = status_view(kept(a_case()), "c-1", "r1", [failure])
    assert status is not None
    assert (status["state"], status["failure"]["reason"]) == ("failed", "unknown_tenant")


def test_a_decision_after_a_redrive_wins_over_the_failure() -> None:
    case, failure = a_case(), a_failure("submission", "unknown_tenant")
    request = the_request(case, a_decision_event(a_decision(case)), failures=[failure])
    assert (request["state"], [one["reason"] for one in request["failures"]]) == (
        "approved",
        ["unknown_tenant"],
    )


@pytest.mark.parametrize(
    ("of", "reason"), [("submission", "conflict"), ("withdrawal", "invalid"), ("reply", "conflict")]
)
def test_a_failure_beside_a_request_is_shown_and_does_not_make_it_fail(of: Any, reason: str) -> None:
    request = the_request(a_case(), failures=[a_failure(of, reason)])
    assert (request["state"], [one["of"] for one in request["failures"]]) == ("pending", [of])


def test_a_reply_that_became_a_dead_letter_is_shown_as_failed() -> None:
    failure = a_failure("reply", "unknown_approval", reply_id="reply-9", giver="lead-01", verdict="approve")
    (reply,) = the_request(a_case(), failures=[failure])["replies"]
    assert (reply["reply_id"], reply["outcome"]) == ("reply-9", "failed")
    assert reply["reasons"][0]["code"] == "unknown_approval"


def the_request(*what: Any, failures: Sequence[FailedRecord] = ()) -> dict[str, Any]:
    """The only request of a case to which these happened, as the answer shows it."""
    shown = view_of(kept(*what), failures)
    assert shown is not None
    CaseView.model_validate_json(json.dumps(shown))
    (request,) = shown["requests"]
    return dict(request)
