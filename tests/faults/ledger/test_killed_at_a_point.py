"""Rolled back, one decision, partly landed: workers die or stop at failpoints (docs/faults.md)."""

from __future__ import annotations

from itertools import pairwise

import pytest
import redis

from tests.audit.topics import CASES, REPLIES
from tests.faults.ledger.competing_requests import FIRST_DAY
from tests.faults.ledger.conftest import StartLoad, only_in_faults
from tests.faults.ledger.load_run import running
from tests.faults.ledger.workers import Workers
from tests.integration.rules.input_sender import case_ids_in_partition

DEATHS: dict[str, dict[str, str]] = {
    "before anything was published": {"rules": "after-settle=kill@3"},
    "before anything was acknowledged": {"rules": "after-publish=kill@3"},
    "before anything was confirmed": {"rules": "after-acknowledge-before-confirm=kill@3"},
    "and two heirs while they take over": {
        "rules": "after-settle=kill@3",
        "rules-2": "before-resolve=kill",
        "rules-3": "before-resolve=kill",
    },
}
QUICK = ("before anything was published", "before anything was confirmed")
FENCE_AND_CLOCK_US = 2_000_000
LARGE_CASES = 400


@pytest.mark.parametrize(
    "death", [name if name in QUICK else pytest.param(name, marks=only_in_faults) for name in DEATHS]
)
async def test_a_worker_that_dies_leaves_no_charge_and_no_second_decision(
    workers: Workers, start_load: StartLoad, death: str
) -> None:
    one = await start_load(0.06)
    await workers.start_with_failpoints(DEATHS[death])
    async with running(one):
        await workers.wait_until_dead("rules")
        await one.wait_until_sent(0.6)
        await workers.restart_dead()
    one.check_competition()


@only_in_faults
async def test_another_worker_continues_after_one_that_dies_while_rebuilding(
    workers: Workers, start_load: StartLoad
) -> None:
    one = await start_load(0.05)
    await workers.keep_only()
    await workers.start_with_failpoints({"rules": "before-activate=kill"})
    async with running(one):
        await one.wait_until_sent(0.4)
        with redis.Redis.from_url(workers.stack.redis_url) as store:
            store.flushall()
        await workers.wait_until_dead("rules")
        await workers.restart_dead()
    one.check_competition()


async def test_a_new_policy_and_an_emptied_redis_between_settling_and_publishing_do_no_harm(
    workers: Workers, start_load: StartLoad
) -> None:
    one = await start_load(0.25)
    await workers.start_with_failpoints({"rules": "after-settle=stop@5"})
    async with running(one):
        await workers.wait_until_stopped("rules")
        await one.activate(one.requests.policy("2", share=0.3))
        with redis.Redis.from_url(workers.stack.redis_url) as store:
            store.flushall()
        workers.stack.resume("rules")
    one.check_competition()
    decisions = one.evidence().decisions.values()
    assert {found[0].data["policy"]["version"] for found in decisions} == {"1", "2"}


@only_in_faults
async def test_only_the_partition_that_refused_its_round_is_decided_again(
    workers: Workers, start_load: StartLoad
) -> None:
    one = await start_load(0.05)
    await workers.keep_only()
    await workers.start_with_failpoints({"rules": ""}, altered="late")
    before = workers.count_in_log("rules", "round_not_landed")
    async with running(one):
        await one.wait_until_sent(0.6)
    assert workers.count_in_log("rules", "round_not_landed") > before  # a line a partition
    await workers.restart_dead()
    one.check_competition()


async def test_a_record_batch_that_landed_stays_and_later_ones_are_decided_again(
    workers: Workers, start_load: StartLoad
) -> None:
    """Verdicts are small and their events are large: those of one partition need at least three batches."""
    one = await start_load(0.01)
    case_ids = case_ids_in_partition(one.requests.tenant, 3, LARGE_CASES)
    asked = {"kind": "refund", "amount": "450.00", "currency": "EUR"}
    large = [one.requests.case(case_id, asked, facts={"note": "x" * 9_000}) for case_id in case_ids]
    await one.send(CASES, [one.requests.submission(case, FIRST_DAY, case["case_id"]) for case in large])
    await one.wait_until_settled(answering=False)
    await workers.keep_only()
    said = {"agent_id": "lead-north", "reply_id": "reply-1"}
    replies = [one.requests.reply("reject", case_id, "r1", said, FIRST_DAY) for case_id in case_ids]
    await one.send(REPLIES, replies)
    await workers.start_with_failpoints({"rules": "after-first-batch=kill"}, wait=False)
    await workers.wait_until_dead("rules")
    await workers.restart_dead()
    await one.wait_until_settled(answering=False)
    one.check_promises()
    closed = [event for event in one.evidence().events if event.type == "approval.closed"]
    assert sum(len(event.record.value or b"") for event in closed) > 3 * 900_000
    sequences = sorted(event.sequence for event in closed)
    assert any(after - before > FENCE_AND_CLOCK_US for before, after in pairwise(sequences))
