"""Credit: budget that a withdrawal gives back is free only once the journal has the withdrawal."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.audit.evidence import Request
from tests.audit.topics import CASES
from tests.faults.ledger.competing_requests import FIRST_DAY
from tests.faults.ledger.conftest import StartLoad, only_in_faults
from tests.faults.ledger.load_run import LoadRun
from tests.faults.ledger.workers import Workers
from tests.integration.rules.input_sender import case_ids_in_partition
from tests.waiting import eventually

ASKED = {"kind": "refund", "amount": "30.00", "currency": "EUR"}
POOL = [{"per": "customer", "window": "30d", "cap": 40}]


def narrow(one: LoadRun) -> dict[str, Any]:
    """A policy with one budget: 40.00 for each customer in thirty days."""
    small = {"id": "small", "grants": "refund", "to": "agent", "budgets": POOL}
    return {**one.requests.policy(), "budgets": {}, "mandates": [small]}


async def ask(one: LoadRun, case_id: str, customer: str, days: int = 0) -> str:
    """Ask for 30.00, and wait for the decision."""
    case = one.requests.case(case_id, ASKED, customer={"id": customer})
    message = one.requests.submission(case, FIRST_DAY + timedelta(days=days), case_id)
    await one.send(CASES, [message])
    return await decided(one, case_id)


async def withdraw(one: LoadRun, case_id: str) -> None:
    """Withdraw the request, without waiting."""
    await one.send(CASES, [one.requests.withdrawal(one.requests.case(case_id, ASKED), FIRST_DAY)])


async def decided(one: LoadRun, case_id: str, number: int = 1) -> str:
    """The outcome of the n-th decision on a case."""

    async def found() -> str | None:
        await one.reader.read_on()
        decisions = one.evidence().decisions.get(Request(case_id, "r1"), [])
        return decisions[number - 1].data["outcome"] if len(decisions) >= number else None

    return str(await eventually(found, seconds=30.0, what=f"decision {number} on {case_id}"))


@pytest.mark.parametrize(
    "point",
    [
        "after-settle",
        pytest.param("after-publish", marks=only_in_faults),
        pytest.param("after-acknowledge-before-confirm", marks=only_in_faults),
    ],
)
async def test_a_credit_counts_only_once_the_withdrawal_is_in_the_journal(
    workers: Workers, start_load: StartLoad, point: str
) -> None:
    one = await start_load(0.01)
    await one.activate(narrow(one))
    first, last = (
        case_ids_in_partition(one.requests.tenant, 0, 4),
        case_ids_in_partition(one.requests.tenant, 5, 4),
    )
    assert [await ask(one, first[0], "cu-0"), await ask(one, last[0], "cu-5")] == ["approved", "approved"]
    await workers.keep_only("rules-2")
    await workers.start_with_failpoints({"rules": f"{point}=stop"})
    await withdraw(one, first[0])  # each worker has three partitions, and which ones is not known yet
    await eventually(lambda: workers.is_stopped("rules") or _withdrawn(one, first[0]), seconds=30.0)
    mine, theirs, customer = (first, last, "cu-0") if workers.is_stopped("rules") else (last, first, "cu-5")
    if mine is last:
        await withdraw(one, last[0])
        await workers.wait_until_stopped("rules")
    assert await ask(one, theirs[1], customer) == "escalated"
    workers.stack.resume("rules")
    assert await decided(one, mine[0], 2) == "withdrawn"
    await one.wait_until_settled(answering=False)
    assert await ask(one, theirs[2], customer, days=29) == "approved"
    assert await ask(one, mine[1], customer, days=29) == "escalated"
    await one.wait_until_settled(answering=False)
    one.check_promises()
    by_case = {request.case_id: found[-1].sequence for request, found in one.evidence().decisions.items()}
    assert by_case[theirs[2]] > by_case[mine[0]]


async def _withdrawn(one: LoadRun, case_id: str) -> bool:
    await one.reader.read_on()
    return len(one.evidence().decisions.get(Request(case_id, "r1"), [])) > 1
