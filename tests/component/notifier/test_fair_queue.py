"""The order of notices when more wait than can be sent at the same time."""

from __future__ import annotations

import asyncio

import pytest

from services.notifier.channels.channel import fair_share
from services.notifier.outbox.fair_queue import FairQueue


async def test_a_tenant_whose_webhook_hangs_leaves_room_for_the_others() -> None:
    queue: FairQueue[str] = FairQueue(share=lambda: 2)
    for number in range(5):
        queue.put("hangs", f"hangs-{number}")
    queue.put("other", "other-0")
    assert [await queue.get() for _ in range(3)] == ["hangs-0", "other-0", "hangs-1"]
    waiting = asyncio.create_task(queue.get())
    queue.put("third", "third-0")
    assert await waiting == "third-0"


async def test_a_job_that_is_done_makes_room_for_the_next_of_its_tenant() -> None:
    queue: FairQueue[int] = FairQueue(share=lambda: 1)
    queue.put("acme", 1)
    queue.put("acme", 2)
    assert await queue.get() == 1
    waiting = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    assert not waiting.done()
    queue.done("acme")
    assert await waiting == 2


async def test_jobs_of_one_tenant_keep_their_order_and_none_is_lost() -> None:
    queue: FairQueue[int] = FairQueue(share=lambda: 3)
    for number in range(100):
        queue.put("acme", number)
    got: list[int] = []

    async def work() -> None:
        while len(got) < 100:
            got.append(await queue.get())
            await asyncio.sleep(0)
            queue.done("acme")

    workers = [asyncio.create_task(work()) for _ in range(5)]
    async with asyncio.timeout(5):
        await asyncio.wait(workers, return_when=asyncio.FIRST_COMPLETED)
    for worker in workers:
        worker.cancel()
    assert got == list(range(100))


@pytest.mark.parametrize(
    ("whole", "tenants", "share"), [(16, 1, 16), (16, 0, 16), (16, 2, 8), (16, 4, 4), (16, 40, 4), (1, 9, 1)]
)
def test_one_tenant_has_at_most_a_quarter_where_there_are_four_or_more(
    whole: int, tenants: int, share: int
) -> None:
    assert fair_share(whole, tenants) == share
