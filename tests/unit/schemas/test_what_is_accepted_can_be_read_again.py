"""An accepted case can be read in every event that carries it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import types
from schemas.approval import Approval, ApprovalEvent, without_personal_data
from schemas.case import Case, SubmittedCase
from schemas.cloud_event import CloudEvent
from schemas.decision import AgentRef, PolicyRef
from schemas.errors import Unreadable
from schemas.ids import approval_id
from schemas.reading import parse_json, read
from schemas.topics import BODY_LIMIT_BYTES
from tests.builders.bodies import as_bytes
from tests.builders.cases import a_case_body

KAFKA_LIMIT_BYTES = 1_000_000
"""Kafka accepts a little more than 1 MiB (max.message.bytes); a record is slightly larger than its value."""
NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
open_objects = st.dictionaries(
    texts, st.recursive(scalars | texts, lambda below: st.lists(below, max_size=3), max_leaves=8), max_size=4
)


def submitted(body: bytes) -> Case:
    parse_json(body)
    case = read(SubmittedCase, body)
    return case.of(case.tenant or "acme")


def event(event_type: str, case: Case, data: Any) -> CloudEvent[Any]:
    return CloudEvent[Any](
        id="e-1",
        source="/mandaat/intake",
        type=event_type,
        subject=case.case_id,
        time=NOW,
        tenant=case.tenant,
        sequence="1772438400000000",
        data=data,
    )


def approval_of(case: Case) -> ApprovalEvent:
    approval = Approval(
        approval_id=approval_id(case.case_id, case.request.request_id),
        tenant=case.tenant,
        case_id=case.case_id,
        request_id=case.request.request_id,
        state="open",
        version=1,
        opened_at=NOW,
        case=without_personal_data(case),
        agent=AgentRef(),
        step="team_lead",
        escalation="e-1",
        policy=PolicyRef(name="acme", version="1", digest="0"),
        request_digest="0",
    )
    return ApprovalEvent(approval=approval)


def carried(case: Case) -> list[bytes]:
    """The case in the two events that carry it."""
    return [
        event(types.CASE_SUBMITTED, case, case).to_bytes(),
        event(types.APPROVAL_REQUESTED, case, approval_of(case)).to_bytes(),
    ]


def readable(case: Case) -> None:
    in_case, in_approval = carried(case)

    assert read(CloudEvent[Case], in_case).data == case
    assert read(CloudEvent[ApprovalEvent], in_approval).data == approval_of(case)


@given(facts=open_objects, claims=st.none() | open_objects, subject=texts, case_id=texts, request_id=texts)
def test_a_case_with_any_content_can_be_read_again(
    facts: dict[str, Any], claims: dict[str, Any] | None, subject: str, case_id: str, request_id: str
) -> None:
    body = a_case_body(facts=facts, claims=claims, subject=subject, case_id=case_id)
    body["request"]["request_id"] = request_id
    try:
        case = submitted(as_bytes(body))
    except Unreadable:
        return
    readable(case)


def test_a_case_of_the_greatest_depth_can_be_read_again() -> None:
    facts: Any = 1
    for _ in range(30):
        facts = [facts]

    readable(submitted(as_bytes(a_case_body(facts={"a": facts}))))


def test_a_case_with_the_longest_ids_can_be_read_again() -> None:
    longest = "\U0010ffff" * 200

    readable(
        submitted(
            as_bytes(a_case_body(case_id=longest, **{"request.request_id": longest, "customer.id": longest}))
        )
    )


@pytest.mark.parametrize("item", ["1e15", '"\\u0001"', "0.1", '"é"', "{}", "null"])
def test_the_largest_case_fits_in_a_record_of_kafka(item: str) -> None:
    """A number may become longer when it is written again: `1e15` becomes 1000000000000000.0."""
    body = as_bytes(a_case_body(facts={"list": "HERE"}))
    room = (BODY_LIMIT_BYTES - len(body)) // (len(item.encode()) + 1)
    body = body.replace(b'"HERE"', f"[{','.join([item] * room)}]".encode())
    assert BODY_LIMIT_BYTES - 100 < len(body) <= BODY_LIMIT_BYTES

    assert max(map(len, carried(submitted(body)))) < KAFKA_LIMIT_BYTES
