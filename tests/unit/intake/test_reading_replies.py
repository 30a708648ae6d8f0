"""Reading a reply on an approval."""

from __future__ import annotations

from typing import Any, Final

import pytest

from schemas import types
from schemas.errors import Unreadable
from schemas.ids import approval_id
from services.intake.reading.replies import REPLY_KINDS, ReplyKind, read_reply
from tests.builders.bodies import as_bytes

APPROVAL = approval_id("c-1", "r1")
KINDS: Final = {kind.name: kind for kind in REPLY_KINDS}
APPROVE, REJECT = KINDS["approve"], KINDS["reject"]


def a_reply_body(**changes: Any) -> bytes:
    return as_bytes({"agent_id": "lead-01", "reply_id": "rep-1", **changes})


@pytest.mark.parametrize("kind", REPLY_KINDS, ids=lambda kind: kind.name)
def test_the_models_of_a_reply_are_those_of_its_event_type(kind: ReplyKind) -> None:
    (row,) = [row for row in types.EVENT_TYPES if row.name == kind.event_type]
    assert row.body is not None
    assert (row.body.model, row.model) == (kind.body, kind.data)


def test_the_id_of_an_approval_names_its_case_and_request() -> None:
    reply = read_reply(APPROVE, APPROVAL, a_reply_body(reason="fair"), "acme")
    verdict = reply.verdict
    assert reply.key == ("acme", "c-1", "r1")
    assert (verdict.case_id, verdict.request_id, verdict.approval_id) == ("c-1", "r1", APPROVAL)
    assert (verdict.agent_id, verdict.reply_id, verdict.reason) == ("lead-01", "rep-1", "fair")


def test_another_amount_can_be_approved() -> None:
    assert read_reply(APPROVE, APPROVAL, a_reply_body(amount="30.00"), "acme").verdict.amount == "30.00"


@pytest.mark.parametrize("amount", ["1e3", "-5", "12,50", "", "1" * 41])
def test_an_amount_is_digits_and_a_point(amount: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read_reply(APPROVE, APPROVAL, a_reply_body(amount=amount), "acme")
    assert [flaw.pointer for flaw in caught.value.flaws] == ["/amount"]


def test_a_rejection_has_no_amount() -> None:
    with pytest.raises(Unreadable) as caught:
        read_reply(REJECT, APPROVAL, a_reply_body(amount="30.00"), "acme")
    assert caught.value.flaws[0].pointer == "/amount"


@pytest.mark.parametrize(
    "approval",
    ["apr_", "apr_zzz", "c-1", "", "apr_%%%", APPROVAL[4:], APPROVAL + "=", approval_id("c\n", "r")],
)
def test_an_id_that_no_approval_can_have_is_unknown(approval: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read_reply(APPROVE, approval, a_reply_body(), "acme")
    assert caught.value.reason == "unknown_approval"


def test_a_reply_names_its_giver_and_has_an_id() -> None:
    with pytest.raises(Unreadable) as caught:
        read_reply(APPROVE, APPROVAL, b"{}", "acme")
    assert {flaw.pointer for flaw in caught.value.flaws} == {"/agent_id", "/reply_id"}
