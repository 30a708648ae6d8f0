"""The time to rebuild the ledger from a journal, and the memory in Redis for each decision."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Iterator

import redis

from deploy.local.stack import SIZES
from schemas import topics
from services.chassis.kafka.producer import partition_for
from tests.benchmarks.bench_stack import BenchStack, Records, bench_stack
from tests.benchmarks.case_templates import MARK, retail, shop
from tests.benchmarks.deciding import Authority, journalled
from tests.benchmarks.rows import Row, ShowProgress, Size

CHUNK = 20_000
FIRST_SEQUENCE = 1_770_000_000_000_000


async def run(size: Size, show_progress: ShowProgress) -> list[Row]:
    """Write a journal and start a worker on an empty Redis. The time without a journal is subtracted."""
    async with bench_stack(size.stack) as here:
        await here.publish(*shop("budgets", budgets=True))
        empty = await _seconds_to_ready(here)
        await here.stop("rules")
        used = _used(here)
        with redis.Redis.from_url(here.stack.redis_url) as client:
            client.flushall()
        for written, chunk in enumerate(_journal(size.journal)):
            show_progress(f"writing a journal: {written * CHUNK:,} of {size.journal:,} decisions")
            await here.append(topics.DECISIONS, chunk)
        show_progress(f"rebuilding from {size.journal:,} decisions")
        seconds = max(0.001, await _seconds_to_ready(here) - empty)
        held = (_used(here) - used) / size.journal
    return [
        Row(f"rebuild of {size.journal:,} approved decisions with two charges, from nothing", "s", [seconds]),
        Row("rebuild, a decision", "us", [seconds / size.journal * 1e6]),
        Row(f"Redis, a decision of {size.journal:,} (as many customers)", "bytes", [held]),
    ]


def _journal(number: int) -> Iterator[Records]:
    """Decisions, each on another case of another customer, by partition."""
    authority = Authority("budgets")
    patterns = []
    for template in retail("budgets", ["approved"]):
        rendered = journalled(authority, template)
        (value,) = rendered.values
        patterns.append((rendered.key, value, json.loads(value)["id"].encode()))
    for first in range(0, number, CHUNK):
        chunk: Records = defaultdict(list)
        for n in range(first, min(first + CHUNK, number)):
            key, value, decision_id = patterns[n % len(patterns)]
            mark = str(n).encode()
            key = key.replace(MARK.encode(), mark)
            value = value.replace(MARK.encode(), mark).replace(decision_id, b"%026d" % n)
            value = value.replace(b'"sequence":"0000000000000000"', b'"sequence":"%d"' % (FIRST_SEQUENCE + n))
            chunk[partition_for(key, SIZES.partitions)].append((key, value))
        yield chunk


async def _seconds_to_ready(here: BenchStack) -> float:
    started = time.monotonic()
    await here.start("rules")
    return time.monotonic() - started


def _used(here: BenchStack) -> int:
    with redis.Redis.from_url(here.stack.redis_url) as client:
        return int(client.info("memory")["used_memory"])
