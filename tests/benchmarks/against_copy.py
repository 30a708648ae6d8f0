"""The cost of a decision, in copies of the same records."""

from __future__ import annotations

from tests.benchmarks.bench_stack import BenchStack, bench_stack
from tests.benchmarks.case_templates import Template, copies, retail, shop
from tests.benchmarks.rows import Row, ShowProgress, Size
from tests.benchmarks.yardstick import COPY

AIM = 6.0


async def run(size: Size, show_progress: ShowProgress) -> list[Row]:
    """All retail cases, and only those that an agent may decide, with budgets and without."""
    kinds = {
        "approved, two budgets": retail("budgets", ["approved"]),
        "approved, no budget": retail("plain", ["approved"]),
        "retail as it comes (60 % escalated), two budgets": retail("budgets"),
    }
    found: list[Row] = []
    async with bench_stack(size.stack) as here:
        await here.topic(COPY)
        await here.publish(*shop("budgets", budgets=True))
        await here.publish(*shop("plain"))
        await here.start("rules")
        await here.decide(copies(kinds["approved, no budget"], size.cases // 10))
        for name, templates in kinds.items():
            found += await _against(here, name, templates, size, show_progress)
    return found


async def _against(
    here: BenchStack, name: str, templates: list[Template], size: Size, show_progress: ShowProgress
) -> list[Row]:
    worker, yardstick = [], []
    for number in range(size.rounds):
        show_progress(f"{name}: round {number + 1} of {size.rounds}")
        cases = copies(templates, size.cases)
        cost, span = await here.decide_at(cases)
        worker.append(cost.cpu_us)
        yardstick.append((await here.copy(span)).cpu_us)
        await here.check(cases)
    ratios = [one / other for one, other in zip(worker, yardstick, strict=True)]
    return [
        Row(f"{name}: worker CPU in copies", "copies", ratios, f"at most {AIM:.0f}", AIM),
        Row(f"{name}: worker CPU a decision", "us", worker),
        Row(f"{name}: the copy, CPU a record", "us", yardstick),
    ]
