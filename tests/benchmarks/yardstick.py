"""The yardstick, in a process of its own: copy records in batches with aiokafka and nothing else.

    python -m tests.benchmarks.yardstick BOOTSTRAP TOPIC '{"0": [first, end], ...}'

getmany of 1,000, one create_batch and send_batch a partition, acks all, one commit a batch. Prints what it
cost.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
import uuid

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from tests.benchmarks.usage import cpu_seconds

COPY = "bench.copy"
BATCH_BYTES = 900_000


async def copy(bootstrap: str, topic: str, span: dict[str, list[int]]) -> dict[str, float]:
    """Copy these records to COPY. Returns the cost."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, group_id=f"copy-{uuid.uuid4().hex}", enable_auto_commit=False
    )
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, acks="all", enable_idempotence=True, max_batch_size=BATCH_BYTES
    )
    await consumer.start()
    await producer.start()
    try:
        ends = {TopicPartition(topic, int(p)): end for p, (_, end) in span.items()}
        consumer.assign(list(ends))
        for p, (first, _) in span.items():
            consumer.seek(TopicPartition(topic, int(p)), first)
        number = sum(end - first for first, end in span.values())
        cpu, started, done = cpu_seconds(), time.monotonic(), 0
        while done < number:
            batches = await consumer.getmany(timeout_ms=200, max_records=1000)
            waiting = []
            for tp, records in batches.items():
                batch = producer.create_batch()
                for record in records:
                    if (
                        batch.append(
                            key=record.key, value=record.value, timestamp=None, headers=list(record.headers)
                        )
                        is None
                    ):
                        waiting.append(await producer.send_batch(batch, COPY, partition=tp.partition))
                        batch = producer.create_batch()
                        batch.append(
                            key=record.key, value=record.value, timestamp=None, headers=list(record.headers)
                        )
                waiting.append(await producer.send_batch(batch, COPY, partition=tp.partition))
                done += len(records)
            for one in waiting:
                await one
            if batches:
                await consumer.commit({tp: records[-1].offset + 1 for tp, records in batches.items()})
        return {"cpu": cpu_seconds() - cpu, "wall": time.monotonic() - started, "records": done}
    finally:
        await producer.stop()
        await consumer.stop()


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(copy(sys.argv[1], sys.argv[2], json.loads(sys.argv[3])))) + "\n")
