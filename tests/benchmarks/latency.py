"""The time of a decision at a steady load, from appending the case to reading the decision."""

from __future__ import annotations

import json
from statistics import quantiles

from tests.benchmarks.bench_stack import bench_stack
from tests.benchmarks.case_templates import retail, shop
from tests.benchmarks.rows import Row, ShowProgress, Size

AIM_MS = 10.0
WARM_SECONDS = 3


async def run(size: Size, show_progress: ShowProgress) -> list[Row]:
    """One process sends and reads, so both times are of one monotonic clock."""
    async with bench_stack(size.stack) as here:
        await here.publish(*shop("budgets", budgets=True))
        await here.start("rules")
        for outcome in ("approved", "escalated"):
            retail("budgets", [outcome])
        found: list[Row] = []
        show_progress(f"{size.per_second} cases a second for {size.seconds} s")
        said = await here.run(
            "tests.benchmarks.steady_load", "budgets", str(size.per_second), str(size.seconds)
        )
        seen = json.loads(said)
        for name, figures in (("sent", seen["from_send"]), ("acknowledged", seen["from_acknowledgement"])):
            found += _rows(name, figures, size)
        found.append(Row("cases that were sent more than 20 ms late", "", [seen["late"]]))
    return found


def _rows(since: str, seconds: list[float], size: Size) -> list[Row]:
    cut = quantiles(seconds, n=1000)
    pace = f"{size.per_second:,} cases/s, since the case was {since}"
    aim = (f"at most {AIM_MS:.0f}", AIM_MS) if since == "acknowledged" else ("", None)
    return [
        Row(f"{pace}: p50", "ms", [cut[499] * 1000]),
        Row(f"{pace}: p99", "ms", [cut[989] * 1000], *aim),
        Row(f"{pace}: p99.9", "ms", [cut[998] * 1000]),
    ]
