from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.case import Case
from schemas.ids import approval_id
from schemas.money import Money
from schemas.reading import read
from schemas.reply import ReplyBody, Verdict
from schemas.request_digest import digest48, reply_digest, request_digest
from tests.builders.bodies import LEFT_OUT, as_bytes
from tests.builders.cases import a_case_body

APPROVE, REJECT = "mandaat.verdict.approve.v1", "mandaat.verdict.reject.v1"


def digest(**changes: Any) -> str:
    return request_digest(read(Case, as_bytes(a_case_body(**changes))))


@pytest.mark.parametrize(
    "changes",
    [
        {"request.amount": "45.0"},
        {"request.amount": "45"},
        {"request.amount": "0045.00"},
        {"request.discretion": LEFT_OUT},
        {"request.reason": "something else"},
        {"facts": {"days_late": 99}},
        {"claims": {"angry": True}},
        {"subject": "other"},
        {"category": LEFT_OUT},
        {"opened_at": "2027-01-01T00:00:00+01:00"},
        {"customer.name": "Somebody Else", "customer.email": LEFT_OUT},
        {"case_id": "another", "request.request_id": "r2"},
    ],
)
def test_a_request_that_is_equal_by_value_has_the_same_digest(changes: dict[str, Any]) -> None:
    assert digest(**changes) == digest()


@pytest.mark.parametrize(
    "changes",
    [
        {"request.amount": "45.01"},
        {"request.amount": None},
        {"request.currency": "USD"},
        {"request.kind": "goodwill"},
        {"request.discretion": True},
        {"agent_id": "agent-02"},
        {"agent_id": LEFT_OUT},
        {"customer.id": "cu-2"},
    ],
)
def test_a_request_with_other_content_has_another_digest(changes: dict[str, Any]) -> None:
    assert digest(**changes) != digest()


@pytest.mark.parametrize("key", ["agent_id", "request.amount", "request.discretion"])
def test_absent_is_the_same_as_null_or_the_default(key: str) -> None:
    null = False if key.endswith("discretion") else None

    assert digest(**{key: LEFT_OUT}) == digest(**{key: null})


def test_the_digest_does_not_change() -> None:
    """The journal keeps digests for ever. With another value, every repeat would be a conflict."""
    assert digest() == "idPdHiF8"


@given(st.integers(0, 10**15))
def test_the_digest_covers_the_amount_in_minor_units(minor: int) -> None:
    text = Money(minor, "EUR").text

    assert digest(**{"request.amount": text}) == digest(**{"request.amount": "0" + text})


def reply(**changes: Any) -> ReplyBody:
    return ReplyBody(
        **({"agent_id": "lead-north", "reply_id": "1", "amount": "45.00", "reason": "fair"} | changes)
    )


def test_the_same_reply_has_the_same_digest() -> None:
    assert reply_digest(APPROVE, reply()) == reply_digest(APPROVE, reply(reply_id="2"))
    assert reply_digest(APPROVE, reply(amount="45.0")) == reply_digest(APPROVE, reply())


@pytest.mark.parametrize(
    "changes", [{"agent_id": "lead-south"}, {"amount": None}, {"amount": "4500"}, {"reason": None}]
)
def test_another_verdict_has_another_digest(changes: dict[str, Any]) -> None:
    assert reply_digest(APPROVE, reply(**changes)) != reply_digest(APPROVE, reply())
    assert reply_digest(REJECT, reply()) != reply_digest(APPROVE, reply())


class ReplyToAColleague(ReplyBody):
    to: str


def test_the_digest_covers_the_fields_that_a_kind_of_reply_adds() -> None:
    one, other = (
        ReplyToAColleague(agent_id="lead-north", reply_id="1", to=to) for to in ("lead-south", "lead-east")
    )

    assert reply_digest(APPROVE, one) != reply_digest(APPROVE, other)


def test_the_digest_of_a_reply_never_changes() -> None:
    """Ledger and journal keep digests for ever."""
    verdict = Verdict(
        approval_id=approval_id("1", "r1"), case_id="1", request_id="r1", **reply().model_dump()
    )

    assert reply_digest(APPROVE, verdict) == reply_digest(APPROVE, reply())
    assert reply_digest(APPROVE, verdict) == "j7rOfUox"


ids = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=20)


@given(ids | st.none(), ids, st.sampled_from([None, "45.00"]), st.booleans())
def test_the_digest_is_of_a_json_list(
    agent: str | None, customer: str, amount: str | None, discretion: bool
) -> None:
    changes = {"agent_id": agent, "customer.id": customer, "request.amount": amount}
    found = digest(**changes, **{"request.discretion": discretion})
    assert found == digest48([agent, customer, "refund", amount and 4500, "EUR", discretion])
