"""Redis is lost, is being rebuilt, or does not belong to the journal: rules waits, and says so."""

from __future__ import annotations

import httpx
import redis

from deploy.local.stack import Stack
from services.chassis.redis import connect
from services.rules.ledger.client import Ledger
from services.rules.ledger.protocol import Item, Part
from tests.integration.rules.input_sender import PARTITIONS, InputSender, case_ids_in_partition
from tests.integration.rules.journal_watch import JournalWatch
from tests.integration.rules.ledger_comparison import assert_ledger_equals_journal
from tests.integration.rules.load import in_thread
from tests.waiting import eventually


def not_ready(stack: Stack, name: str = "rules") -> dict[str, str]:
    """The checks that fail, by name; empty when the worker is ready."""
    answer = httpx.get(f"{stack.http(name)}/readyz", timeout=4)
    errors = answer.json().get("errors", [])
    assert (answer.status_code == 200) == (not errors)
    return {error["parameter"]: error["detail"] for error in errors}


def lives(stack: Stack) -> bool:
    """Whether the worker says that it need not be restarted."""
    return httpx.get(f"{stack.http('rules')}/livez", timeout=4).status_code == 200


async def until_ready(stack: Stack) -> None:
    await eventually(lambda: not not_ready(stack), seconds=20.0, what="the worker is ready")


async def test_the_other_partitions_go_on_during_a_take_over(
    worker: Stack, sender: InputSender, watch: JournalWatch, ledger_store: redis.Redis, tenant: str
) -> None:
    """Another worker takes partition 2, settles there, and dies before publishing."""
    client = connect(worker.redis_url)
    ledger = Ledger(client)
    await ledger.adopt()
    taken = await ledger.take(2)
    await ledger.call([Part(2, taken.gen)], [Item(2, "of somebody who died", "8 signs.")])
    await client.aclose()
    case_ids = [case_ids_in_partition(tenant, p, 1)[0] for p in range(PARTITIONS)]
    await sender.send(*(sender.case(case_id, amount="12.00") for case_id in case_ids))
    await eventually(
        lambda: not_ready(worker).get("ledger") == "partitions [2] are being taken over",
        what="it says which partition is taken over",
    )
    others = {case_id for p, case_id in enumerate(case_ids) if p != 2}
    await watch.until(lambda: {one.event["subject"] for one in watch.events} >= others, seconds=5.0)
    await watch.until(lambda: watch.of(case_ids[2]))
    times = {one.event["subject"]: int(one.event["sequence"]) for one in watch.events}
    waited = times[case_ids[2]] - max(times[case_id] for case_id in others)
    assert waited > 1_000_000  # T + S, less what the others took
    await until_ready(worker)
    markers = [one for one in watch.all if one.key == b"ledger/2"]
    assert markers
    await assert_ledger_equals_journal(worker)


async def test_a_worker_waits_while_another_rebuilds_the_ledger(
    worker: Stack, sender: InputSender, watch: JournalWatch, ledger_store: redis.Redis
) -> None:
    ledger_store.set("{L0}:lock", "somebody", px=15_000)
    ledger_store.hdel("{L0}:meta", "epoch")
    await eventually(lambda: not_ready(worker) == {"ledger": "the ledger is being rebuilt"})
    (place,) = await sender.send(sender.case("c-1", amount="12.00"))
    assert lives(worker)
    ledger_store.delete("{L0}:lock")  # the other worker died
    await watch.until(lambda: watch.kinds("c-1") == ["decision.approved"], what="it went on")
    await until_ready(worker)
    assert not watch.letter_at(place)


async def test_a_ledger_that_does_not_belong_to_the_journal_is_not_used(
    worker: Stack, sender: InputSender, watch: JournalWatch, ledger_store: redis.Redis
) -> None:
    position = ledger_store.hget("{L0}:meta", "pos:3")
    ledger_store.hset("{L0}:meta", "pos:3", 10**9)
    ledger_store.hdel("{L0}:meta", "epoch")
    await eventually(lambda: "partition 3" in not_ready(worker).get("ledger", ""), what="it says which")
    await sender.send(sender.case("c-1", amount="12.00"))
    ledger_store.hset("{L0}:meta", "pos:3", position)
    await watch.until(lambda: watch.kinds("c-1") == ["decision.approved"], what="it went on")
    await assert_ledger_equals_journal(worker)


async def test_rules_is_not_ready_with_wrong_settings_and_names_them(stack: Stack) -> None:
    stack.begin("rules", {"MANDAAT_PARTITIONS": "7"})
    part = stack.part("rules")

    def said() -> str:
        try:
            return not_ready(stack).get("settings", "")
        except httpx.HTTPError:
            return ""

    await eventually(lambda: "7" in said(), what="it says which")
    assert await in_thread(stack.stop, "rules") == 0
    part.extra.clear()
