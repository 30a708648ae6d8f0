"""Batches that charge budgets and give charges back (docs/ledger.md, The script)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from services.chassis.kafka.dead_letters import ConsumedRecord
from services.chassis.process.errors import TryAgain
from services.rules.journal.grouping import Grouping
from services.rules.worker.effects import effects_of
from tests.builders.approvals import an_approval_id
from tests.builders.cases import a_case_body
from tests.builders.events import a_submitted_event, a_verdict_event, a_withdrawn_event
from tests.builders.policies import a_book, a_budget, a_mandate
from tests.builders.records import a_record
from tests.component.rules.conftest import DeciderHarness
from tests.doubles.rules import FakeLedger

DAY = "acme|day|day|EUR|agent:agent-01"
MONTH = "acme|lead.1|30d|EUR|tenant"
BOOK = a_book(
    a_mandate(id="small", limit=40, budgets=["day"]),
    a_mandate(
        id="lead",
        grants="*",
        to="team_lead",
        limit=500,
        budgets=[a_budget(per="tenant", window="30d", cap=60)],
    ),
    budgets={"day": a_budget(cap=50)},
    timezone="Europe/Amsterdam",
)


@pytest.fixture
def harness() -> DeciderHarness:
    return DeciderHarness(BOOK)


def case(case_id: str, amount: str = "20.00", partition: int = 0, **request: Any) -> ConsumedRecord:
    submitted = a_submitted_event(a_case_body(case_id, amount=amount, **request), id=f"evt-{case_id}")
    return a_record(submitted, partition=partition)


def withdrawal(case_id: str, partition: int = 0, **data: Any) -> ConsumedRecord:
    event = a_withdrawn_event(subject=case_id, data={"case_id": case_id, **data}, id=f"gone-{case_id}")
    return a_record(event, partition=partition)


def verdict(case_id: str, reply_id: str = "reply-1") -> ConsumedRecord:
    data = {"case_id": case_id, "approval_id": an_approval_id(case_id), "reply_id": reply_id}
    return a_record(a_verdict_event("approve", subject=case_id, data=data))


def counted(ledger: FakeLedger, key: str = DAY) -> int:
    return sum(ledger.counters._counters.get(key, {}).values())


async def confirmed(harness: DeciderHarness) -> None:
    """Make the next call, which confirms the round."""
    parts = harness.partitions.parts(range(6))
    await harness.ledger.call(parts)
    harness.partitions.confirmed(parts)


async def test_requests_of_one_round_share_the_room_that_is_left(harness: DeciderHarness) -> None:
    await harness.decide(*(case(f"c-{n}", partition=n) for n in range(3)))
    outcomes = {
        event["subject"]: event["data"]["outcome"] for event in harness.events() if "outcome" in event["data"]
    }
    assert outcomes == {"c-0": "approved", "c-1": "approved", "c-2": "escalated"}
    (refusal,) = (event for event in harness.events(2) if event["type"].endswith("escalated.v1"))
    (reason,) = refusal["data"]["reasons"]
    assert (reason["code"], reason["figures"]["left"]) == ("budget_exhausted", "10.00")
    assert refusal["data"]["on_the_spot"] == "10.00"
    assert counted(harness.ledger) == 4000


async def test_a_charge_counts_once_after_its_confirm(harness: DeciderHarness) -> None:
    await harness.decide(case("c-1"))
    await confirmed(harness)
    assert counted(harness.ledger) == 2000


async def test_a_round_that_did_not_land_charges_nothing(harness: DeciderHarness) -> None:
    harness.journal.refuses = {0}
    await harness.decide(case("c-1", "40.00"))
    assert counted(harness.ledger) == 4000
    await taken_over(harness)
    assert counted(harness.ledger) == 0


async def test_a_round_that_landed_without_acknowledgement_charges_what_the_journal_says(
    harness: DeciderHarness,
) -> None:
    harness.journal.loses = {0}
    await harness.decide(case("c-1", "40.00"), case("c-2", "45.00"))
    await taken_over(harness)
    assert counted(harness.ledger) == 4000


async def taken_over(harness: DeciderHarness, p: int = 0) -> None:
    """Take the partition over, so that the ledger equals the journal."""
    taken = await harness.ledger.take(p)
    grouping = Grouping()
    records = harness.journal.records[p][taken.pos :]
    groups = [*grouping.add(records), *grouping.end()]
    landed = [effects_of(group.events) for group in groups]
    await harness.ledger.resolve(p, taken.gen, taken.pos, landed, taken.pos + len(records))
    harness.partitions.hold(p, taken.gen)


async def test_a_verdict_charges_the_budgets_of_its_giver(harness: DeciderHarness) -> None:
    await harness.decide(case("c-1", "50.00"), verdict("c-1"))
    await harness.decide(case("c-2", "50.00"), verdict("c-2"))
    assert counted(harness.ledger, MONTH) == 5000
    assert harness.kinds()[-1] == "approval.not_entitled"


async def test_a_withdrawal_gives_back_charges_from_its_confirm_on(harness: DeciderHarness) -> None:
    await harness.decide(case("c-1", "40.00"), withdrawal("c-1"))
    assert harness.kinds() == ["decision.approved", "decision.withdrawn"]
    assert [charge["amount"] for event in harness.events() for charge in event["data"]["charges"]] == [
        "40.00",
        "-40.00",
    ]
    assert counted(harness.ledger) == 4000
    assert (await harness.decide(case("c-2", "40.00", 1))).take_over == {}
    assert harness.kinds(1)[0] == "decision.escalated"
    await confirmed(harness)
    assert counted(harness.ledger) == 0
    await harness.decide(case("c-3", "40.00", 1))
    assert harness.kinds(1)[-1] == "decision.approved"


async def test_withdrawing_a_persons_approval_gives_back_its_charges(harness: DeciderHarness) -> None:
    await harness.decide(case("c-1", "50.00"), verdict("c-1"), withdrawal("c-1"))
    await confirmed(harness)
    assert harness.kinds()[2:] == ["decision.approved", "approval.closed", "decision.withdrawn"]
    assert counted(harness.ledger, MONTH) == 0


async def test_withdrawing_an_escalated_request_closes_its_approval(
    harness: DeciderHarness,
) -> None:
    await harness.decide(case("c-1", "50.00"), withdrawal("c-1"), verdict("c-1"))
    assert harness.kinds()[2:] == ["decision.withdrawn", "approval.closed", "approval.late"]
    assert harness.events()[3]["data"]["approval"]["closing"]["outcome"] == "withdrawn"


async def test_a_request_withdrawn_before_it_comes_is_answered_as_withdrawn(
    harness: DeciderHarness,
) -> None:
    await harness.decide(withdrawal("c-1"), case("c-1"), case("c-1", "30.00"))
    assert harness.kinds() == ["decision.withdrawn"] * 3
    first, *others = harness.journal.entries
    assert all(other.records == first.records for other in others)
    assert harness.letters.reasons == []
    assert counted(harness.ledger) == 0


async def test_a_request_is_withdrawn_once(harness: DeciderHarness) -> None:
    await harness.decide(case("c-1"), withdrawal("c-1"), withdrawal("c-1", reason="again"), case("c-1"))
    assert harness.kinds() == ["decision.approved", *["decision.withdrawn"] * 3]
    assert len({event["id"] for event in harness.events()}) == 2
    await confirmed(harness)
    assert counted(harness.ledger) == 0


async def test_a_withdrawn_request_with_other_content_is_a_conflict(harness: DeciderHarness) -> None:
    await harness.decide(case("c-1"), withdrawal("c-1"), case("c-1", "30.00"))
    assert harness.letters.reasons == ["conflict"]


@pytest.mark.parametrize("how", ["refuses", "loses"])
async def test_a_withdrawal_waits_for_a_decision_that_has_not_landed(
    harness: DeciderHarness, how: str
) -> None:
    setattr(harness.journal, how, {0})
    outcome = await harness.decide(case("c-1"), withdrawal("c-1"))
    assert outcome.take_over.keys() == {0}
    assert "decision.withdrawn" not in harness.kinds()
    setattr(harness.journal, how, set())
    await taken_over(harness)
    assert not (await harness.decide(case("c-1"), withdrawal("c-1"))).unfinished
    approved, withdrawn = harness.events()[0], harness.events()[-1]
    assert (approved["data"]["outcome"], withdrawn["data"]["outcome"]) == ("approved", "withdrawn")
    assert approved["sequence"] < withdrawn["sequence"]
    await confirmed(harness)
    assert counted(harness.ledger) == 0


async def test_a_withdrawal_confirms_the_decision_before_it_reads_it(harness: DeciderHarness) -> None:
    await harness.decide(case("c-1"))
    assert harness.due(0) is not None
    await harness.decide(withdrawal("c-1"))
    name, parts = harness.ledger.calls[-2]
    assert name == "read"
    assert parts[0].confirm is not None


async def test_a_pending_decision_of_another_worker_is_not_withdrawn(harness: DeciderHarness) -> None:
    await harness.decide(case("c-1"))
    harness.partitions.hold(0, 0)  # the confirm is lost
    outcome = await harness.decide(withdrawal("c-1"))
    assert outcome.take_over == {0: None}
    assert harness.kinds() == ["decision.approved"]


async def test_a_withdrawal_waits_while_the_journal_cannot_be_read(harness: DeciderHarness) -> None:
    await harness.decide(case("c-1"))
    harness.journal.away = TryAgain("kafka is away")
    outcome = await harness.decide(withdrawal("c-1"), case("c-2", partition=1))
    assert (outcome.retry, outcome.take_over) == ({0}, {})
    harness.journal.away = None
    await harness.decide(withdrawal("c-1"))
    assert harness.kinds(0) == ["decision.approved", "decision.withdrawn"]


async def test_a_withdrawal_in_another_partition_than_its_request_is_a_dead_letter(
    harness: DeciderHarness,
) -> None:
    await harness.decide(case("c-1", partition=1))
    outcome = await harness.decide(withdrawal("c-1", 2), withdrawal("c-9", 2))
    assert not outcome.unfinished
    assert harness.letters.reasons == ["key_mismatch"]
    assert harness.kinds(2) == ["decision.withdrawn"]


async def test_a_replay_counts_the_same_as_settling(harness: DeciderHarness) -> None:
    for number in range(12):
        await harness.decide(case(f"c-{number}", f"{number}.00"), case(f"e-{number}", "45.00"))
        if number % 3 == 0:
            await harness.decide(withdrawal(f"c-{number}"), withdrawal(f"e-{number}"))
        await harness.decide(verdict(f"e-{number}"))
    await confirmed(harness)
    again = FakeLedger()
    grouping = Grouping()
    groups = [*grouping.add(harness.journal.records[0]), *grouping.end()]
    assert await again.resolve(0, 0, 0, [effects_of(group.events) for group in groups], 99) == "ok"
    live = harness.ledger
    assert (again.index, again.states[0]) == (live.index, live.states[0])
    assert plain(again) == plain(live)
    assert plain(live)


def plain(ledger: FakeLedger) -> dict[str, Any]:
    """The counters that are not empty."""
    return json.loads(json.dumps({key: one for key, one in ledger.counters._counters.items() if one}))  # type: ignore[no-any-return] # the same type as before
