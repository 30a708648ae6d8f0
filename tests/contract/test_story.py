"""The examples tell one story, in which each event follows from earlier ones."""

from __future__ import annotations

import hashlib
import io
from typing import Any

import pytest
import rfc8785
from ruamel.yaml import YAML

from schemas import types
from schemas.cloud_event import CloudEvent
from schemas.reading import read
from schemas.reply import Verdict
from schemas.request_digest import reply_digest
from schemas.topics import CASES, DECISIONS, INBOUND, NOTICES, POLICIES, REPLIES, STAFF
from tests.contract.examples import EXAMPLES, example


def event(topic: str, stem: str) -> Any:
    return example(topic, stem).json


CASE = event(CASES, "case.submitted")
ESCALATED = event(DECISIONS, "decision.escalated")
REQUESTED = event(DECISIONS, "approval.requested")
NOT_ENTITLED = event(DECISIONS, "approval.not_entitled")
VERDICT = event(REPLIES, "verdict.approve")
APPROVED = event(DECISIONS, "decision.approved")
CLOSED = event(DECISIONS, "approval.closed")
SECOND_VERDICT = event(REPLIES, "verdict.reject")
LATE = event(DECISIONS, "approval.late")


def test_the_case_is_the_one_that_came_in() -> None:
    came = event(INBOUND, "case.submitted--structured")

    assert (
        CASE["data"].items()
        >= (came["data"] | {"origin": {"id": came["id"], "source": came["source"]}}).items()
    )
    assert CASE["traceparent"] == came["traceparent"]


def test_the_escalation_and_the_approval_request_share_a_sequence() -> None:
    assert ESCALATED["sequence"] == REQUESTED["sequence"]
    assert ESCALATED["cause"] == REQUESTED["cause"] == CASE["id"]
    assert ESCALATED["data"]["approval_id"] == REQUESTED["data"]["approval"]["approval_id"]
    assert REQUESTED["data"]["approval"]["escalation"] == ESCALATED["id"]


def test_the_approval_holds_the_case_without_name_and_address() -> None:
    kept = REQUESTED["data"]["approval"]["case"]
    customer = CASE["data"]["customer"] | {"name": None, "email": None}

    assert kept == CASE["data"] | {"customer": customer}


def test_the_asking_agent_is_not_entitled_and_changes_nothing() -> None:
    assert NOT_ENTITLED["data"]["giver"] == CASE["data"]["agent_id"]
    assert NOT_ENTITLED["data"]["approval"] == REQUESTED["data"]["approval"]
    assert [reason["code"] for reason in NOT_ENTITLED["data"]["reasons"]] == ["own_request"]


def test_the_verdict_of_an_entitled_person_decides_and_closes() -> None:
    giver = VERDICT["data"]["agent_id"]
    closing = CLOSED["data"]["approval"]["closing"]

    assert giver in REQUESTED["data"]["approval"]["approvers"]
    assert APPROVED["data"]["by"] == "person"
    assert APPROVED["data"]["decided_by"] == closing["decided_by"] == CLOSED["data"]["giver"] == giver
    assert APPROVED["cause"] == CLOSED["cause"] == VERDICT["id"]
    assert APPROVED["sequence"] == CLOSED["sequence"]
    assert closing["decision_id"] == APPROVED["id"]
    assert closing["reply_id"] == VERDICT["data"]["reply_id"]


def test_closing_changes_state_and_version_and_nothing_else() -> None:
    before, after = REQUESTED["data"]["approval"], CLOSED["data"]["approval"]

    assert after == before | {"state": "closed", "version": 2, "closing": after["closing"]}


def test_a_verdict_after_the_close_is_late() -> None:
    assert LATE["cause"] == SECOND_VERDICT["id"]
    assert LATE["data"]["approval"] == CLOSED["data"]["approval"]
    assert LATE["data"]["giver"] == SECOND_VERDICT["data"]["agent_id"]


@pytest.mark.parametrize(
    ("reply", "answer", "reply_type"),
    [(VERDICT, CLOSED, types.VERDICT_APPROVE), (SECOND_VERDICT, LATE, types.VERDICT_REJECT)],
)
def test_the_answer_to_a_reply_has_its_id_digest_and_reason(reply: Any, answer: Any, reply_type: str) -> None:
    stem = reply_type.removeprefix("mandaat.").removesuffix(".v1")
    verdict = read(CloudEvent[Verdict], example(REPLIES, stem).value).data

    assert answer["data"]["reply_digest"] == reply_digest(reply_type, verdict)
    assert answer["data"]["reply_id"] == verdict.reply_id
    assert answer["data"]["note"] == verdict.reason


def test_later_events_have_later_sequences() -> None:
    order = [one["sequence"] for one in (ESCALATED, NOT_ENTITLED, APPROVED, LATE)]

    assert order == sorted(order)
    assert len(set(order)) == 4


def test_every_decision_names_the_published_policy() -> None:
    policy = event(POLICIES, "policy")
    named = {key: policy[key] for key in ("name", "version", "digest")}
    decisions = [one.json for one in EXAMPLES if one.topic == DECISIONS and one.name.startswith("decision.")]

    assert len(decisions) == 7
    assert all(one["data"]["policy"] == named for one in decisions)
    assert REQUESTED["data"]["approval"]["policy"] == named


def test_the_digest_of_a_policy_is_that_of_its_canonical_json() -> None:
    policy = event(POLICIES, "policy")
    document = YAML(typ="safe").load(io.StringIO(policy["yaml"]))

    assert document["policy"] == policy["name"] == "retail"
    assert policy["canonical_json"].encode() == rfc8785.dumps(document)
    assert hashlib.sha256(policy["canonical_json"].encode()).hexdigest() == policy["digest"]


def test_the_mandates_that_decisions_name_are_in_the_policy() -> None:
    rows = YAML(typ="safe").load(event(POLICIES, "policy")["yaml"])["mandates"]
    known = {row["id"] for row in rows}
    stories = [one.json for one in EXAMPLES if one.topic == DECISIONS and one.name.startswith("decision.")]
    named = {one["data"]["mandate"] for one in stories} | {
        reason.get("mandate") for one in stories for reason in one["data"]["reasons"]
    }

    assert named - {None} <= known


def test_a_withdrawal_gives_back_exactly_what_was_charged() -> None:
    charged = event(DECISIONS, "decision.approved--charged")["data"]
    withdrawn = event(DECISIONS, "decision.withdrawn")["data"]
    given_back = [{**one, "amount": "-" + one["amount"]} for one in charged["charges"]]

    assert withdrawn["charges"] == given_back
    assert withdrawn["request_digest"] == charged["request_digest"]
    assert withdrawn["decided_by"] == event(CASES, "case.withdrawn")["data"]["agent_id"]


def test_the_budgets_that_are_charged_are_in_the_policy() -> None:
    policy = YAML(typ="safe").load(event(POLICIES, "policy")["yaml"])
    inline = {
        f"{row['id']}.{one['id']}"
        for row in policy["mandates"]
        for one in row.get("budgets", ())
        if isinstance(one, dict)
    }
    decisions = [one.json["data"] for one in EXAMPLES if one.name.startswith("decision.")]

    assert {charge["budget"] for one in decisions for charge in one["charges"]} == inline | set(
        policy["budgets"]
    )


def test_the_approver_is_a_member_of_staff() -> None:
    member = event(STAFF, "staff")

    assert [member["agent_id"]] == REQUESTED["data"]["approval"]["approvers"]
    assert member["role"] == REQUESTED["data"]["approval"]["step"]


@pytest.mark.parametrize("name", ["notice.delivered", "notice.failed"])
def test_a_notice_names_its_event_and_its_recipient(name: str) -> None:
    notice = event(NOTICES, name)["data"]

    assert (notice["about"], notice["about_type"]) == (APPROVED["id"], APPROVED["type"])
    assert notice["person"] in (CASE["data"]["customer"]["id"], CASE["data"]["agent_id"])
    assert (notice["reason"] is None) == (name == "notice.delivered")
