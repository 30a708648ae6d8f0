"""A withdrawal gives back what was charged (docs/concepts.md, What is withdrawn)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.events.effects import journalled
from engine.inputs import WithdrawalInput, read_input
from engine.inputs.ledger_ids import withdrawal_index_id
from engine.propose import propose
from schemas.errors import Unreadable
from schemas.ids import RequestKey
from schemas.topics import CASES
from schemas.withdrawal import WITHDRAWN
from tests.builders.bodies import LEFT_OUT, as_bytes
from tests.builders.cases import a_case_body, a_request_body
from tests.builders.events import a_submitted_event, a_withdrawn_event
from tests.builders.inputs import a_later_reply, a_reply, a_submission, a_withdrawal
from tests.builders.policies import a_mandate
from tests.in_memory_rules import InMemoryRules

SEQ = 1_772_438_402_123_456
BUDGETS = [
    {"id": "day", "per": "agent", "window": "day", "cap": 100},
    {"id": "week", "per": "team", "window": "week", "count": 9},
    {"id": "month", "per": "tenant", "window": "month", "cap": 100},
    {"id": "year", "per": "customer", "window": "year", "cap": 100},
    {"id": "run", "per": "customer", "window": "30d", "cap": 100},
    {"id": "runs", "per": "customer", "window": "7d", "count": 3},
]


def a_shop(currency: str = "EUR") -> InMemoryRules:
    """Agents approve up to 50 with every kind of budget, leads the rest."""
    small = a_mandate(id="small", limit=50, budgets=BUDGETS)
    lead = a_mandate(id="lead", to="team_lead", budgets=BUDGETS)
    return InMemoryRules(small, lead, currency=currency, timezone="Europe/Amsterdam")


def asks(amount: str = "45.00", currency: str = "EUR") -> Any:
    return a_submission(a_case_body(request=a_request_body(amount=amount, currency=currency)))


def settled(shop: InMemoryRules, *inputs: Any) -> list[dict[str, Any]]:
    """The events of the last input."""
    found: list[dict[str, Any]] = []
    for place, one in enumerate(inputs):
        found = [json.loads(value) for value in shop.decide(one, SEQ + place).values]
    return found


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [one["type"].removeprefix("mandaat.").removesuffix(".v1") for one in events]


@pytest.mark.parametrize(("currency", "amount"), [("JPY", "45"), ("EUR", "0.05"), ("KWD", "45.125")])
def test_an_approval_s_charges_are_given_back_exactly_as_they_were_made(currency: str, amount: str) -> None:
    shop = a_shop(currency)
    (approved,) = settled(shop, asks(amount, currency))
    assert len(approved["data"]["charges"]) == len(BUDGETS)
    assert len(shop.counters._counters) == len(BUDGETS)
    (withdrawn,) = settled(shop, a_withdrawal())
    assert withdrawn["type"] == "mandaat.decision.withdrawn.v1"
    for given, taken in zip(withdrawn["data"]["charges"], approved["data"]["charges"], strict=True):
        sign = {"amount": f"-{taken['amount']}"} if "amount" in taken else {"count": -taken["count"]}
        assert given == taken | sign
    assert not any(shop.counters._counters.values())


def test_the_journal_alone_tells_what_was_charged_and_given_back() -> None:
    shop, counted = a_shop(), []
    for place, one in enumerate((asks(), a_withdrawal())):
        rendered = shop.decide(one, SEQ + place)
        said = journalled([json.loads(value) for value in rendered.values])
        assert said.effects == rendered.effects
        counted.append(said.effects.charges)
    taken, given = counted
    assert given == tuple((key, field, -amount) for key, field, amount in taken)
    assert {key for key, _, _ in taken} == {
        "acme|small.day|day|EUR|agent:agent-01",
        "acme|small.week|week|count|team:north",
        "acme|small.month|month|EUR|tenant",
        "acme|small.year|year|EUR|customer:cu-1",
        "acme|small.run|30d|EUR|customer:cu-1",
        "acme|small.runs|7d|count|customer:cu-1",
    }


def test_a_charge_of_an_approver_is_given_back_to_the_approver() -> None:
    events = settled(a_shop(), asks("60.00"), a_reply(), a_withdrawal())
    assert kinds(events) == ["decision.withdrawn"]
    assert events[0]["data"]["charges"][0] == {
        "budget": "lead.day",
        "scope": "agent:lead-north",
        "window": "2026-03-02",
        "amount": "-60.00",
    }


def test_a_withdrawn_escalation_closes_its_approval() -> None:
    shop = a_shop()
    events = settled(shop, asks("60.00"), a_withdrawal(data={"agent_id": "agent-01", "reason": "no longer"}))
    assert kinds(events) == ["decision.withdrawn", "approval.closed"]
    decision, closed = (one["data"] for one in events)
    assert decision["charges"] == []
    assert closed["approval"]["closing"] == {
        "outcome": "withdrawn",
        "decision_id": decision["decision_id"],
        "decided_by": "agent-01",
        "reply_id": None,
    }
    assert (closed["approval"]["state"], closed["approval"]["version"]) == ("closed", 2)
    assert (closed["giver"], closed["reply_id"], closed["note"]) == ("agent-01", None, "no longer")
    assert decision["approval_id"] == closed["approval"]["approval_id"]


@pytest.mark.parametrize("verdict", ["approve", "reject"])
def test_a_verdict_after_the_withdrawal_is_late(verdict: str) -> None:
    events = settled(a_shop(), asks("60.00"), a_withdrawal(), a_reply(verdict))
    assert kinds(events) == ["approval.late"]
    assert events[0]["data"]["approval"]["closing"]["outcome"] == "withdrawn"


def test_an_approval_that_was_closed_before_the_withdrawal_stays_as_it_was() -> None:
    shop = a_shop()
    events = settled(shop, asks("60.00"), a_reply("reject"), a_withdrawal())
    assert kinds(events) == ["decision.withdrawn"]
    assert events[0]["data"]["charges"] == []
    late = settled(shop, a_later_reply(a_reply()))[0]["data"]
    assert late["approval"]["closing"]["outcome"] == "refused"


def test_a_refused_request_may_be_withdrawn_too() -> None:
    shop = InMemoryRules(prohibitions=[{"id": "never", "kinds": "*", "reason": "no"}])
    events = settled(shop, asks(), a_withdrawal())
    assert kinds(events) == ["decision.withdrawn"]
    assert events[0]["data"]["charges"] == []


def test_a_request_that_never_came_may_be_withdrawn() -> None:
    (event,) = settled(a_shop(), a_withdrawal())
    data = event["data"]
    assert (data["outcome"], data["final"], data["charges"]) == ("withdrawn", True, [])
    unknown = ("customer_id", "agent_id", "amount", "currency", "mandate", "approval_id")
    assert [data[name] for name in unknown] == [None] * len(unknown)
    assert (data["request_digest"], data["policy"]["name"]) == (WITHDRAWN, "acme")


def test_a_withdrawal_repeats_the_request_and_the_policy_that_decided_it() -> None:
    shop = a_shop()
    (approved,) = settled(shop, asks())
    shop._book = InMemoryRules(a_mandate(), version="2").book("acme")  # type: ignore[assignment]  # it has one
    (withdrawn,) = settled(shop, a_withdrawal(data={"agent_id": "agent-02", "reason": "he changed his mind"}))
    same = {"case_id", "request_id", "amount", "currency", "agent_id", "customer_id", "policy", "mandate"}
    same |= {"agent", "request_digest"}
    assert {name: withdrawn["data"][name] for name in same} == {name: approved["data"][name] for name in same}
    assert (withdrawn["data"]["by"], withdrawn["data"]["decided_by"]) == ("person", "agent-02")
    (reason,) = withdrawn["data"]["reasons"]
    assert reason == {
        "code": "withdrawn",
        "text": "It was withdrawn: he changed his mind",
        "figures": {"agent": "agent-02", "reason": "he changed his mind"},
    }


def test_every_withdrawal_of_a_request_is_the_same_one() -> None:
    one, other = a_withdrawal(id="evt-8"), a_withdrawal(id="evt-9", data={"reason": "again", "agent_id": "x"})
    assert (one.index_id, one.digest) == (other.index_id, other.digest)
    assert one.digest == WITHDRAWN
    first, second = (propose(each, a_shop(), {}).render(SEQ) for each in (one, one))
    assert first == second


def test_the_request_is_linked_to_its_withdrawal() -> None:
    rendered = a_shop().decide(a_withdrawal(), SEQ)
    assert rendered.effects.links == (RequestKey("acme", "c-1", "r1").index_id,)


def test_a_withdrawal_of_one_tenant_is_never_a_request_of_another() -> None:
    withdrawal = withdrawal_index_id(RequestKey("acme", "c-1", "r1"))
    posing = RequestKey("in", "acme/c-1", "r1/withdrawn")
    assert withdrawal != posing.index_id
    assert withdrawal.count("\x00") != posing.index_id.count("\x00")


def test_a_withdrawal_is_read() -> None:
    one = a_withdrawal(data={"agent_id": "agent-01", "reason": "sent twice"}, traceparent="00-x")
    assert (one.tenant, one.case_key, one.request_key) == ("acme", ("acme", "c-1"), ("acme", "c-1", "r1"))
    assert (one.withdrawal.agent_id, one.withdrawal.reason) == ("agent-01", "sent twice")
    assert one.traceparent == "00-x"
    assert one.state_id == a_reply().state_id


@pytest.mark.parametrize(
    ("event", "key", "reason"),
    [
        (a_withdrawn_event(data={"request_id": LEFT_OUT}), b"acme/c-1", "missing_field"),
        (a_withdrawn_event(data={"tenant": LEFT_OUT}), b"acme/c-1", "missing_field"),
        (a_withdrawn_event(tenant=LEFT_OUT), b"acme/c-1", "missing_field"),
        (a_withdrawn_event(data={"reason": 7}), b"acme/c-1", "invalid"),
        (a_withdrawn_event(tenant="globex"), b"acme/c-1", "key_mismatch"),
        (a_withdrawn_event(subject="c-2"), b"acme/c-1", "key_mismatch"),
        (a_withdrawn_event(), b"acme/c-2", "key_mismatch"),
        (a_withdrawn_event(), None, "key_mismatch"),
    ],
)
def test_a_wrong_withdrawal_is_unreadable(event: Any, key: bytes | None, reason: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read_input(CASES, 0, key, as_bytes(event))
    assert caught.value.reason == reason


def test_a_case_that_mentions_a_withdrawal_is_still_a_case() -> None:
    case = a_case_body(facts={"seen": "mandaat.case.withdrawn.v1"})
    one = read_input(CASES, 0, b"acme/c-1", as_bytes(a_submitted_event(case)))
    assert not isinstance(one, WithdrawalInput)


def test_a_withdrawal_with_a_whole_case_as_its_data_is_not_a_case() -> None:
    event = as_bytes(a_submitted_event(type="mandaat.case.withdrawn.v1"))
    with pytest.raises(Unreadable, match="request_id"):
        read_input(CASES, 0, b"acme/c-1", event)
    with pytest.raises(Unreadable, match="request_id"):
        read_input(CASES, 0, b"acme/c-1", event.replace(b"case.withdrawn", b"case.w\\u0069thdrawn"))


def test_a_withdrawal_of_a_tenant_without_policy_is_unreadable() -> None:
    with pytest.raises(Unreadable, match="unknown_tenant"):
        propose(a_withdrawal(tenant="globex", data={"tenant": "globex"}), a_shop(), {})
