"""Sends cases at a steady rate and reads their decisions, in a process of its own.

    python -m tests.benchmarks.steady_load BOOTSTRAP TENANT PER_SECOND SECONDS

Prints of each case the seconds from just before it was sent, and from its acknowledgement by the broker, to
the moment at which its first decision was read. The append is between the two.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from schemas import topics
from schemas.cloud_event import HEADERS
from tests.benchmarks.case_templates import Submitted, copies, retail

LATE_SECONDS = 0.02
WARM_SECONDS = 3
GIVE_UP_SECONDS = 30.0


class SteadyLoad:
    """The times of sending and reading, by key of the record."""

    def __init__(self) -> None:
        self.sent: dict[bytes, float] = {}
        self.acknowledged: dict[bytes, float] = {}
        self.read: dict[bytes, float] = {}
        self.late = 0

    async def send(self, producer: AIOKafkaProducer, cases: list[Submitted], per_second: float) -> None:
        """Send each case at its time, or at once if that has passed."""
        begun, waiting = time.monotonic(), []
        for number, case in enumerate(cases):
            due = begun + number / per_second
            if (ahead := due - time.monotonic()) > 0.0005:
                await asyncio.sleep(ahead)
            self.late += time.monotonic() - due > LATE_SECONDS
            self.sent[case.key] = time.monotonic()
            landed = await producer.send(
                topics.CASES, case.value, case.key, partition=case.partition, headers=list(HEADERS)
            )
            landed.add_done_callback(lambda _, key=case.key: self._acknowledge(key))
            waiting.append(landed)
        await asyncio.gather(*waiting)

    def _acknowledge(self, key: bytes) -> None:
        self.acknowledged[key] = time.monotonic()

    async def follow(self, consumer: AIOKafkaConsumer, number: int) -> None:
        """Read until `number` decisions were read."""
        while len(self.read) < number:
            batches = await consumer.getmany(timeout_ms=100)
            now = time.monotonic()
            for records in batches.values():
                for record in records:
                    if record.key in self.sent:
                        self.read.setdefault(record.key, now)


async def main(bootstrap: str, tenant: str, per_second: int, seconds: int) -> dict[str, object]:
    """Warm up, and measure. Returns the figures."""
    warm = copies(retail(tenant, ["approved"]), per_second * WARM_SECONDS)
    cases = copies(retail(tenant, ["approved"]), per_second * seconds)
    gc.freeze()
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, auto_offset_reset="latest", fetch_max_wait_ms=100
    )
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", linger_ms=0)
    await consumer.start()
    await producer.start()
    try:
        places = [
            TopicPartition(topics.DECISIONS, p) for p in await producer.partitions_for(topics.DECISIONS)
        ]
        consumer.assign(places)
        await consumer.seek_to_end()
        for tp in places:
            await consumer.position(tp)
        for some in (warm, cases):
            pace = SteadyLoad()
            async with (
                asyncio.timeout(len(some) / per_second + GIVE_UP_SECONDS),
                asyncio.TaskGroup() as group,
            ):
                group.create_task(pace.follow(consumer, len(some)))
                group.create_task(pace.send(producer, some, per_second))
        return {
            "from_send": [pace.read[key] - at for key, at in pace.sent.items()],
            "from_acknowledgement": [max(0.0, pace.read[key] - at) for key, at in pace.acknowledged.items()],
            "late": pace.late,
        }
    finally:
        await producer.stop()
        await consumer.stop()


if __name__ == "__main__":
    found = asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
    sys.stdout.write(json.dumps(found) + "\n")
