"""The cost of a decision if two workers share the partitions."""

from __future__ import annotations

import os

from tests.benchmarks.bench_stack import BenchStack, bench_stack
from tests.benchmarks.case_templates import copies, retail, shop
from tests.benchmarks.rows import Row, ShowProgress, Size
from tests.waiting import eventually

MOST = 1.15
LEAST = 1.7
"""The throughput that two workers should reach, compared with one, on eight cores or more."""
PARTITIONS = 6


async def run(size: Size, show_progress: ShowProgress) -> list[Row]:
    """Rounds with one worker and with two, in turn."""
    templates = retail("budgets", ["approved"])
    cpu: list[float] = []
    alone, together = [], []
    async with bench_stack(size.stack) as here:
        await here.publish(*shop("budgets", budgets=True))
        await here.start("rules")
        await here.decide(copies(templates, size.cases // 10))
        for number in range(size.rounds):
            show_progress(f"one worker: round {number + 1} of {size.rounds}")
            one = await here.decide(copies(templates, size.cases))
            show_progress(f"two workers: round {number + 1} of {size.rounds}")
            await here.start("rules-2")
            await _share(here, 2)
            await here.decide(copies(templates, size.cases // 10), ("rules", "rules-2"))
            two = await here.decide(copies(templates, size.cases), ("rules", "rules-2"))
            await here.stop("rules-2")
            await _share(here, 1)
            cpu.append(two.cpu_us / one.cpu_us)
            alone.append(one.per_second)
            together.append(two.per_second)
    cores = os.cpu_count() or 1
    faster = [two / one for one, two in zip(alone, together, strict=True)]
    aim = f"at least {LEAST}" if cores >= 8 else f"(at least {LEAST} from 8 cores on; here are {cores})"
    return [
        Row("two workers: CPU a decision, against one", "times", cpu, f"at most {MOST}", MOST),
        Row("one worker: decisions a second", "/s", alone),
        Row("two workers: decisions a second", "/s", together),
        Row("two workers: throughput, against one", "times", faster, aim),
    ]


async def _share(here: BenchStack, workers: int) -> None:
    """Wait until some workers hold all partitions."""

    async def settled() -> bool:
        held = [await here.metric(name, "mandaat_partitions_held") for name in ("rules", "rules-2")[:workers]]
        return sum(held) == PARTITIONS and min(held) > 0

    await eventually(settled, seconds=60.0, what=f"{workers} workers share the partitions")
