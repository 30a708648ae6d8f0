"""The case file, and what `GET /v1/cases/{id}` shows of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from schemas import types
from schemas.case import Case
from schemas.request_digest import request_digest
from schemas.withdrawal import WITHDRAWN
from services.notifier.outbox import case_file
from services.notifier.outbox.case_view import view_of
from services.notifier.planning.notice import ended
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
