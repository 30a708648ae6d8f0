"""From an input and its sequence to the records of the journal, and back to effects on the ledger."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.events.effects import INPUTS, journalled
from engine.events.envelope import Rendered
from engine.inputs import Input
from engine.propose import propose
from schemas.ids import RequestKey, derived_id
from schemas.topics import DECISIONS
from schemas.types import LEDGER_MARKED, event_model, types_in
from tests.builders.cases import a_case_body, a_request_body
from tests.builders.events import TRACE
from tests.builders.inputs import a_later_reply, a_reply, a_submission, a_withdrawal
from tests.builders.policies import a_mandate
from tests.in_memory_rules import InMemoryRules

SEQ = 1_772_438_402_123_456
LEADS = (a_mandate(id="small", limit=40), a_mandate(id="lead", grants="*", to="team_lead", limit=500))


def parsed(rendered: Rendered) -> list[dict[str, Any]]:
    """The events as parsed JSON."""
    return [json.loads(value) for value in rendered.values]


def kinds(rendered: Rendered) -> list[str]:
    """Their types, shortened."""
    return [one["type"].removeprefix("mandaat.").removesuffix(".v1") for one in parsed(rendered)]


def every_ending() -> dict[str, tuple[Input, Rendered]]:
    """Each way in which an input can end, with the input."""
    asked = a_submission()
    small = a_submission(a_case_body(request=a_request_body(amount="40.00")))
    never = {"id": "never", "kinds": "*", "reason": "no"}
    for_leads = {**never, "when": "agent.role == 'team_lead'"}
    pool = {"id": "pool", "per": "team", "window": "30d", "cap": 100}
    budgets = (
        a_mandate(id="small", limit=40, budgets=[pool, {"per": "agent", "window": "week", "count": 1}]),
        a_mandate(id="lead", grants="*", to="team_lead", budgets=[{**pool, "cap": 45}]),
        a_mandate(id="own", limit=75, discretion={}, budgets=[{**pool, "per": "tenant"}]),
    )
    zone: dict[str, Any] = {"timezone": "Europe/Amsterdam"}
    at_discretion = a_submission(a_case_body(request=a_request_body(discretion=True)))
    refusing = [{"id": "e", "steps": [{"to": "team_lead"}], "when_nobody": "refuse"}]
    endings: dict[str, tuple[Input, InMemoryRules]] = {
        "charged": (small, InMemoryRules(*budgets, **zone)),
        "discretion": (at_discretion, InMemoryRules(*budgets, **zone)),
        "exhausted": (small, spent := InMemoryRules(*budgets, **zone)),
        "person is charged": (a_reply(), InMemoryRules(*budgets, opened=asked, **zone)),
        "person has no room": (
            a_reply(data={"amount": "45.01"}),
            InMemoryRules(*budgets, opened=asked, **zone),
        ),
        "nobody may": (asked, InMemoryRules(LEADS[0], escalation=refusing)),
        "withdrawn": (a_withdrawal(), given_back := InMemoryRules(*budgets, **zone)),
        "withdrawn while open": (a_withdrawal(), InMemoryRules(*budgets, opened=asked, **zone)),
        "withdrawn unseen": (a_withdrawal(), InMemoryRules()),
        "approved": (small, InMemoryRules(*LEADS)),
        "escalated": (asked, InMemoryRules(*LEADS)),
        "refused": (asked, InMemoryRules(*LEADS, prohibitions=[never])),
        "person approves": (a_reply(), InMemoryRules(*LEADS, opened=asked)),
        "person rejects": (a_reply("reject"), InMemoryRules(*LEADS, opened=asked)),
        "not entitled": (a_reply(data={"agent_id": "agent-01"}), InMemoryRules(*LEADS, opened=asked)),
        "forbidden": (a_reply(), InMemoryRules(*LEADS, opened=asked, prohibitions=[for_leads])),
        "late": (a_later_reply(a_reply()), closed := InMemoryRules(*LEADS, opened=asked)),
    }
    closed.decide(a_reply(), SEQ - 1)
    spent.decide(a_submission(a_case_body(case_id="c-2", request=a_request_body(amount="40.00"))), SEQ - 1)
    given_back.decide(small, SEQ - 1)
    return {name: (one, shop.decide(one, SEQ)) for name, (one, shop) in endings.items()}


ENDINGS = every_ending()
NAMES = pytest.mark.parametrize("ending", list(ENDINGS))


def test_each_ending_has_the_events_of_its_name() -> None:
    assert {name: kinds(rendered) for name, (_, rendered) in ENDINGS.items()} == {
        "approved": ["decision.approved"],
        "escalated": ["decision.escalated", "approval.requested"],
        "refused": ["decision.refused"],
        "person approves": ["decision.approved", "approval.closed"],
        "person rejects": ["decision.refused", "approval.closed"],
        "not entitled": ["approval.not_entitled"],
        "forbidden": ["decision.refused", "approval.closed"],
        "late": ["approval.late"],
        "charged": ["decision.approved"],
        "discretion": ["decision.approved"],
        "exhausted": ["decision.escalated", "approval.requested"],
        "person is charged": ["decision.approved", "approval.closed"],
        "person has no room": ["approval.not_entitled"],
        "nobody may": ["decision.refused"],
        "withdrawn": ["decision.withdrawn"],
        "withdrawn while open": ["decision.withdrawn", "approval.closed"],
        "withdrawn unseen": ["decision.withdrawn"],
    }


@NAMES
def test_the_journal_has_the_effects_that_the_round_confirmed(ending: str) -> None:
    one, rendered = ENDINGS[ending]
    said = journalled(parsed(rendered))
    assert said.effects == rendered.effects  # states byte for byte
    assert (said.index_id, said.digest) == (one.index_id, one.digest)


@NAMES
def test_every_event_follows_the_contracts_and_is_the_same_after_reading(ending: str) -> None:
    _, rendered = ENDINGS[ending]
    for value, event in zip(rendered.values, parsed(rendered), strict=True):
        read = event_model(event["type"]).model_validate_json(value)
        assert read.to_bytes() == value


@NAMES
def test_the_events_of_an_input_name_its_sequence_cause_and_case(ending: str) -> None:
    one, rendered = ENDINGS[ending]
    sequences = {event["sequence"] for event in parsed(rendered)}
    assert len(sequences) == 1
    (sequence,) = sequences
    assert len(sequence) == 16
    for event in parsed(rendered):
        moment = datetime.fromisoformat(event["time"])
        assert moment == datetime.fromtimestamp(int(sequence) // 10**6, UTC).replace(
            microsecond=int(sequence) % 10**6
        )
        assert event["cause"] == one.event_id
        assert (event["source"], event["tenant"], event["subject"]) == ("/mandaat/rules", "acme", "c-1")
        assert event["specversion"] == "1.0"
    assert rendered.key == b"acme/c-1"


NUMBERS = {"decision.escalated": 1, "approval.requested": 1, "approval.closed": 2}


@NAMES
def test_ids_follow_from_type_request_and_number_or_version(ending: str) -> None:
    one, rendered = ENDINGS[ending]
    for kind, event in zip(kinds(rendered), parsed(rendered), strict=True):
        number: int | str = NUMBERS.get(kind, 1 if "decision_id" in event["data"] else "")
        if kind in ("approval.late", "approval.not_entitled"):
            number = event["data"]["reply_id"]
        if kind.startswith("decision.") and event["data"]["decided_by"] is not None:
            number = 2
        assert event["id"] == derived_id(event["type"], "acme", "c-1", "r1", number)
        if kind.startswith("decision."):
            assert event["data"]["decision_id"] == event["id"]
    assert one.request_key == RequestKey("acme", "c-1", "r1")


def test_the_same_input_proposal_and_sequence_give_the_same_bytes() -> None:
    assert every_ending() == every_ending()


def test_another_sequence_changes_nothing_but_sequence_and_time() -> None:
    early, late = (InMemoryRules(*LEADS).decide(a_submission(), seq) for seq in (SEQ, SEQ + 1_000_000))
    for one, other in zip(parsed(early), parsed(late), strict=True):
        assert {**one, "sequence": "", "time": ""} == {**other, "sequence": "", "time": ""}


def test_a_trace_continues_in_the_events_of_the_input() -> None:
    rendered = InMemoryRules(*LEADS).decide(a_submission(traceparent=TRACE), SEQ)
    assert [event["traceparent"] for event in parsed(rendered)] == [TRACE, TRACE]
    assert "traceparent" not in parsed(InMemoryRules(*LEADS).decide(a_submission(), SEQ))[0]


def test_versions_of_an_approval_rise_by_one_and_only_with_an_effect() -> None:
    shop = InMemoryRules(*LEADS)
    inputs: tuple[Input, ...] = (
        a_submission(),
        a_reply(data={"agent_id": "agent-01", "reply_id": "0"}),
        a_reply(),
        a_later_reply(a_reply()),
    )
    events = [parsed(shop.decide(one, SEQ + place))[-1] for place, one in enumerate(inputs)]
    assert [one["data"]["approval"]["version"] for one in events] == [1, 1, 2, 2]
    assert [one["data"]["approval"]["state"] for one in events] == ["open", "open", "closed", "closed"]


def test_a_closed_approval_says_how_when_and_by_whom_and_links_the_request() -> None:
    _, rendered = ENDINGS["person approves"]
    decision, closed = (event["data"] for event in parsed(rendered))
    assert closed["approval"]["closing"] == {
        "outcome": "approved",
        "decision_id": decision["decision_id"],
        "decided_by": "lead-north",
        "reply_id": "reply-1",
    }
    assert (decision["by"], decision["decided_by"], decision["mandate"]) == ("person", "lead-north", "lead")
    assert (decision["final"], decision["amount"], decision["currency"]) == (True, "45.00", "EUR")
    assert rendered.effects.links == ("acme/c-1\x00r1",)


def test_an_approval_keeps_no_name_and_no_address_of_the_customer() -> None:
    for _, rendered in ENDINGS.values():
        for value in (*rendered.values, *(state for _, state in rendered.effects.states)):
            assert b"Bakker" not in value
            assert b"example.org" not in value


def test_the_approvers_at_the_moment_of_the_request_are_named() -> None:
    _, rendered = ENDINGS["escalated"]
    assert parsed(rendered)[1]["data"]["approval"]["approvers"] == ["lead-north"]


def test_an_escalation_without_approvers_still_opens_an_approval() -> None:
    ladder = [{"id": "default", "steps": [{"to": "manager"}]}]
    rendered = InMemoryRules(a_mandate(id="small", limit=40), escalation=ladder).decide(a_submission(), SEQ)
    assert parsed(rendered)[1]["data"]["approval"]["approvers"] == []


OPEN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**25), 10**25)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=4), inner, max_size=3)
    ),
    max_leaves=12,
)
LINES = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=8)


@settings(deadline=None)
@given(
    facts=st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=6), OPEN, max_size=4),
    claims=st.none() | st.dictionaries(LINES, OPEN, max_size=2),
    words=st.fixed_dictionaries(
        {},
        optional={
            "channel": LINES,
            "subject": LINES,
            "category": LINES,
            "agent_id": st.sampled_from(["é", "x"]),
        },
    ),
    reason=st.none() | st.text(st.characters(codec="utf-8"), max_size=8),
)
def test_a_rebuilt_ledger_equals_the_confirmed_one_for_any_case(
    facts: Any, claims: Any, words: Any, reason: Any
) -> None:
    shop = InMemoryRules(*LEADS)
    case = a_case_body(facts=facts, claims=claims, request=a_request_body(reason=reason), **words)
    opened = shop.decide(a_submission(case), SEQ)
    assert journalled(parsed(opened)).effects == opened.effects
    for place, reply in enumerate((a_reply(data={"reason": reason}), a_later_reply(a_reply()))):
        rendered = shop.decide(reply, SEQ + 1 + place)
        said = journalled(parsed(rendered))
        assert (said.effects, said.index_id, said.digest) == (rendered.effects, reply.index_id, reply.digest)
        for value, event in zip(rendered.values, parsed(rendered), strict=True):
            assert event_model(event["type"]).model_validate_json(value).to_bytes() == value


@pytest.mark.parametrize(
    "events",
    [
        [],
        [
            {
                "type": "mandaat.approval.requested.v1",
                "tenant": "acme",
                "data": {"reply_id": None, "approval": {}},
            }
        ],
        [{"type": "mandaat.decision.approved.v1", "data": {}}],
    ],
)
def test_events_that_rules_did_not_write_are_rejected(events: list[dict[str, Any]]) -> None:
    with pytest.raises((ValueError, KeyError)):
        journalled(events)


def test_events_of_an_unknown_kind_are_rejected_by_name() -> None:
    with pytest.raises(ValueError, match=r"decision\.approved\.v1, mandaat\.approval\.requested\.v1"):
        journalled(
            [
                {"type": "mandaat.decision.approved.v1", "data": {}},
                {"type": "mandaat.approval.requested.v1", "data": {}},
            ]
        )


def test_a_closed_approval_without_a_reply_is_not_read_as_a_reply() -> None:
    decision, closed = parsed(ENDINGS["person rejects"][1])
    closed["data"]["reply_id"] = None

    with pytest.raises(ValueError, match=r"approval\.closed\.v1 names no reply"):
        journalled([decision, closed])


def test_the_journal_tells_the_input_of_every_event_of_rules() -> None:
    assert {one for kinds in INPUTS for one in kinds} == {*types_in(DECISIONS)} - {LEDGER_MARKED}


def test_a_proposal_changes_nothing() -> None:
    shop, one = InMemoryRules(*LEADS), a_submission()
    assert propose(one, shop, {}).render(SEQ) == propose(one, shop, {}).render(SEQ)
    assert shop.states == {}
