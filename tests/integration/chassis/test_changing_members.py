from __future__ import annotations

import asyncio
import random
from collections import defaultdict

from services.chassis.kafka.dead_letters import ConsumedRecord
from services.chassis.process.errors import TryAgain
from tests.integration.chassis.conftest import Rig, until

NUMBER = 1_200


async def test_every_record_is_handled_once_and_in_order_while_members_come_and_go(rig: Rig) -> None:
    topic, dice = await rig.topic(partitions=4), random.Random(7)
    busy: set[int] = set()
    order: defaultdict[int, list[int]] = defaultdict(list)

    async def handle(records: list[ConsumedRecord]) -> None:
        partitions = {record.partition for record in records}
        assert not busy & partitions, "a partition is handled by two members at once"
        busy.update(partitions)
        try:
            await asyncio.sleep(dice.uniform(0, 0.02))
            if dice.random() < 0.1:
                raise TryAgain("a hiccup")
            for record in records:
                order[record.partition].append(record.offset)
        finally:
            busy.difference_update(partitions)

    async def publish() -> None:
        for number in range(0, NUMBER, 20):
            for partition in range(4):
                await rig.put(topic, *[str(number).encode()] * 5, partition=partition)
            await asyncio.sleep(0.1)

    publishing = asyncio.create_task(publish())
    members = [await rig.subscribe(topic, handler=handle, max_records=10)]
    for _ in range(4):
        members.append(await rig.subscribe(topic, handler=handle, max_records=10))
        await until(lambda: all(member.assigned for member in members[-2:]), 30)
        await members.pop(0).stop()
        await asyncio.sleep(dice.uniform(0, 0.5))
    await publishing
    await until(lambda: sum(map(len, order.values())) >= NUMBER, 30)
    assert rig.bugs == []
    assert dict(order) == {partition: list(range(NUMBER // 4)) for partition in range(4)}
