"""The memory that each decision takes, in a worker and in Redis."""

from __future__ import annotations

import redis

from tests.benchmarks.bench_stack import BenchStack, bench_stack
from tests.benchmarks.case_templates import Template, copies, retail, shop
from tests.benchmarks.rows import Row, ShowProgress, Size

MIB = 1024 * 1024


async def run(size: Size, show_progress: ShowProgress) -> list[Row]:
    """Memory before and after a backlog, after a first one that fills what does not grow."""
    kinds = {"approved": retail("budgets", ["approved"]), "escalated": retail("budgets", ["escalated"])}
    found: list[Row] = []
    async with bench_stack(size.stack) as here:
        await here.publish(*shop("budgets", budgets=True))
        await here.start("rules")
        fresh = here.process("rules").memory_info().rss / MIB
        for name, templates in kinds.items():
            show_progress(f"{name}: {size.cases:,} decisions")
            found += await _grown(here, name, templates, size.cases)
        later = here.process("rules").memory_info().rss / MIB
    return [
        Row("worker: resident, just started", "MiB", [fresh]),
        Row(f"worker: resident, after {3 * size.cases:,} decisions", "MiB", [later]),
        *found,
    ]


async def _grown(here: BenchStack, name: str, templates: list[Template], number: int) -> list[Row]:
    await here.decide(copies(templates, number // 2))
    rss, used = here.process("rules").memory_info().rss, _used(here)
    await here.decide(copies(templates, number))
    worker, store = here.process("rules").memory_info().rss - rss, _used(here) - used
    return [
        Row(f"worker: grown, a decision that is {name}", "bytes", [worker / number]),
        Row(f"Redis: grown, a decision that is {name} (each of another customer)", "bytes", [store / number]),
    ]


def _used(here: BenchStack) -> int:
    with redis.Redis.from_url(here.stack.redis_url) as client:
        return int(client.info("memory")["used_memory"])
