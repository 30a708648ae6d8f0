"""From one example the services make the next: the examples are what the services publish."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pytest

from engine.inputs import Input, Reply, read_input
from engine.judging.budgets import Counters
from engine.judging.staff import Staff, StaffDirectory
from engine.policy import load_policy
from engine.policy.book import PolicyBook
from engine.propose import propose
from schemas.case import Case
from schemas.cloud_event import CloudEvent
from schemas.errors import Unreadable
from schemas.ids import derived_id
from schemas.policy_record import PolicyRecord
from schemas.reading import read
from schemas.staff import StaffMember
from schemas.topics import CASES, DEAD_LETTERS, DECISIONS, INBOUND, NOTICES, POLICIES, REPLIES, STAFF
from schemas.withdrawal import Withdrawal
from services.intake.events import Message, event_of
from services.intake.reading.inbound import read_inbound
from services.notifier.planning.notice import Recipient, notice_id
from tests.builders.received import case_of
from tests.contract.examples import Example, example


def headers_of(one: Example) -> list[tuple[str, bytes | None]]:
    return [(name, text.encode()) for name, text in one.record["headers"].items()]


def key_of(one: Example) -> bytes | None:
    key = one.record["key"]
    return None if key is None else key.encode()


class Retail:
    """The policy of the examples, and the staff of the story."""

    def __init__(self) -> None:
        policy = read(PolicyRecord, example(POLICIES, "policy").value)
        lead = read(StaffMember, example(STAFF, "staff").value)
        assert policy.canonical_json is not None
        self._book = load_policy(policy.canonical_json)
        others = {"agent-05": "north", "agent-07": "south", "agent-09": "south"}
        agents = [
            lead.model_copy(update={"agent_id": agent_id, "role": "agent", "team": team, "absences": ()})
            for agent_id, team in others.items()
        ]
        self._staff = Staff(
            [lead, lead.model_copy(update={"agent_id": "lead-north", "team": "north"}), *agents]
        )

    def book(self, _tenant: str) -> PolicyBook | None:
        return self._book

    def staff(self, _tenant: str) -> StaffDirectory:
        return self._staff


def taken(topic: str, stem: str) -> Input:
    """The example, as rules reads it from its topic."""
    one = example(topic, stem)
    return read_input(topic, 3, f"retail/{one.json['subject']}".encode(), one.value)


def published(one: Input, *expected: str, approval: Any = None, newest: Any = ()) -> list[Any]:
    """The events that rules publishes for an input, with the sequence of the first expected example.

    All budgets have room. `newest` holds the earlier events of the request.
    """
    states: Mapping[str, bytes] = {}
    if isinstance(one, Reply):
        states = {one.state_id: json.dumps(approval).encode()}
    sequence = int(example(DECISIONS, expected[0]).json["sequence"])
    proposed = propose(one, Retail(), states, {one.request_key.index_id: newest})
    rendered = proposed.render(sequence, *Counters().settle(proposed.charge_options))
    return [json.loads(value) for value in rendered.values]


def examples(*stems: str) -> list[Any]:
    return [example(DECISIONS, stem).json for stem in stems]


REQUESTED = example(DECISIONS, "approval.requested").json["data"]["approval"]
CLOSED = example(DECISIONS, "approval.closed").json["data"]["approval"]


def test_intake_reads_a_structured_event_and_publishes_the_case() -> None:
    one = example(INBOUND, "case.submitted--structured")
    wanted = read(CloudEvent[Case], example(CASES, "case.submitted").value)

    received = read_inbound(key_of(one), one.value, headers_of(one))
    message = Message(
        received.data, derived_id(INBOUND, 3, 118), wanted.time, wanted.time, received.traceparent
    )
    event = event_of(message)

    assert json.loads(event.to_bytes()) == example(CASES, "case.submitted").json


@pytest.mark.parametrize("stem", ["case.submitted--binary", "case.submitted--bare"])
def test_intake_reads_the_other_forms_too(stem: str) -> None:
    one = example(INBOUND, stem)

    case = case_of(read_inbound(key_of(one), one.value, headers_of(one)))

    assert (case.tenant, case.case_id) == ("retail", one.json["case_id"])
    assert (case.origin is None) == stem.endswith("--bare")


@pytest.mark.parametrize("mode", ["structured", "binary"])
def test_intake_reads_a_withdrawal(mode: str) -> None:
    one = example(INBOUND, f"case.withdrawn--{mode}")

    withdrawal = read_inbound(key_of(one), one.value, headers_of(one)).data

    assert isinstance(withdrawal, Withdrawal)
    assert withdrawal.key == ("retail", "task-13-4", "r1")


def test_intake_cannot_read_the_record_of_a_dead_letter() -> None:
    one = example(DEAD_LETTERS, "dead-letter")
    came = [pair for pair in headers_of(one) if not pair[0].startswith("mandaat-")]

    with pytest.raises(Unreadable) as caught:
        read_inbound(key_of(one), one.value, came)

    said = one.record["headers"]
    assert (caught.value.reason, caught.value.detail) == (said["mandaat-reason"], said["mandaat-detail"])


def test_rules_escalates_the_case_and_opens_the_approval() -> None:
    stems = ("decision.escalated", "approval.requested")

    assert published(taken(CASES, "case.submitted"), *stems) == examples(*stems)


def test_rules_closes_the_approval_on_the_verdict() -> None:
    stems = ("decision.approved", "approval.closed")

    assert published(taken(REPLIES, "verdict.approve"), *stems, approval=REQUESTED) == examples(*stems)


def test_rules_answers_a_second_verdict_with_late() -> None:
    (late,) = published(taken(REPLIES, "verdict.reject"), "approval.late", approval=CLOSED)

    assert late == example(DECISIONS, "approval.late").json


def test_rules_answers_a_verdict_of_the_asking_agent_with_not_entitled() -> None:
    wanted = example(DECISIONS, "approval.not_entitled").json
    verdict = example(REPLIES, "verdict.approve").json
    verdict |= {"id": wanted["cause"], "time": "2026-03-02T08:24:40.112Z"}
    verdict["data"] |= {
        "agent_id": wanted["data"]["giver"],
        "reply_id": wanted["data"]["reply_id"],
        "reason": wanted["data"]["note"],
    }
    one = read_input(REPLIES, 3, b"retail/task-12-4", json.dumps(verdict).encode())

    assert published(one, "approval.not_entitled", approval=REQUESTED) == [wanted]


def test_rules_approves_a_request_within_a_mandate_on_the_spot() -> None:
    wanted = example(DECISIONS, "decision.approved--on-the-spot").json
    case = case_of(read_inbound(None, example(INBOUND, "case.submitted--bare").value, []))
    accepted = datetime.fromisoformat("2026-03-02T08:00:00.804+00:00")
    event = event_of(Message(case, wanted["cause"], accepted, accepted))
    one = read_input(CASES, 0, b"retail/task-0-4", event.to_bytes())

    assert published(one, "decision.approved--on-the-spot") == [wanted]


@pytest.mark.parametrize(
    ("case", "decision"),
    [
        ("case.submitted--goodwill", "decision.approved--charged"),
        ("case.submitted--discretion", "decision.approved--discretion"),
    ],
)
def test_rules_charges_the_budgets_of_the_mandate(case: str, decision: str) -> None:
    assert published(taken(CASES, case), decision) == examples(decision)


def test_rules_gives_back_the_charges_of_a_withdrawn_request() -> None:
    newest = examples("decision.approved--charged")

    withdrawn = published(taken(CASES, "case.withdrawn"), "decision.withdrawn", newest=newest)

    assert withdrawn == examples("decision.withdrawn")


@pytest.mark.parametrize("stem", ["notice.delivered", "notice.failed"])
def test_the_notifier_gives_a_notice_the_id_of_event_person_and_channel(stem: str) -> None:
    notice = example(NOTICES, stem).json["data"]
    told = Recipient(audience=notice["audience"], person=notice["person"], channel=notice["channel"])

    assert notice["notice_id"] == notice_id("acme", notice["about"], told)
