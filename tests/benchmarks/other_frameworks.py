"""The cost of the same job in other frameworks, compared with the worker."""

from __future__ import annotations

import json
from pathlib import Path

from tests.benchmarks.bench_stack import ROOT, BenchStack, Cost, bench_stack
from tests.benchmarks.case_templates import copies, retail, shop
from tests.benchmarks.rows import Row, ShowProgress, Size
from tests.benchmarks.yardstick import COPY

TENANT = "budgets"
QUIX: Path = ROOT / ".venv" / "quix" / "bin" / "python"


def has_quix() -> bool:
    """Whether the environment of Quix Streams exists."""
    return QUIX.exists()


async def run(size: Size, show_progress: ShowProgress) -> list[Row]:
    """The same cases, decided by the worker, plain FastStream and Quix Streams, to the same outcomes."""
    templates = retail(TENANT, ["approved"])
    plain: list[float] = []
    quix: list[float] = []
    copied: list[float] = []
    with_quix = has_quix()
    async with bench_stack(size.stack) as here:
        await here.topic(COPY)
        await here.publish(*shop(TENANT, budgets=True))
        await here.start("rules")
        await here.decide(copies(templates, size.slow_cases))
        for number in range(size.rounds):
            show_progress(f"round {number + 1} of {size.rounds}")
            cases = copies(templates, 4 * size.slow_cases)
            mandaat, span = await here.decide_at(cases)
            await here.check(cases)
            copied.append(mandaat.cpu_us / (await here.copy(span)).cpu_us)
            plain.append((await _plain(here, number, size.slow_cases)).cpu_us / mandaat.cpu_us)
            if with_quix:
                quix.append((await _quix(here, number, 4 * size.slow_cases)).cpu_us / mandaat.cpu_us)
    found = [
        Row(
            "plain FastStream, one by one: worker CPU against Mandaat's",
            "times",
            plain,
            "8 expected",
        ),
        Row("Mandaat itself, in copies, for comparison", "copies", copied),
    ]
    if quix:
        found.insert(1, Row("Quix Streams: worker CPU against Mandaat's", "times", quix, "3 expected"))
    return found


async def _plain(here: BenchStack, number: int, most: int) -> Cost:
    cases, source, out = (
        copies(retail(TENANT, ["approved"]), most),
        f"plain.in-{number}",
        f"plain.out-{number}",
    )
    await _laid(here, source, out)
    await here.fill(cases, source)
    said = await here.run(
        "tests.benchmarks.plain_faststream", here.stack.redis_url, TENANT, source, out, str(most)
    )
    await here.check(cases, out)
    return Cost(**json.loads(said))


async def _quix(here: BenchStack, number: int, most: int) -> Cost:
    cases, source, out = copies(retail(TENANT, ["approved"]), most), f"quix.in-{number}", f"quix.out-{number}"
    await _laid(here, source, out)
    await here.fill(cases, source)
    said = await here.run("tests.benchmarks.quix", TENANT, source, out, str(most), python=QUIX)
    await here.check(cases, out)
    return Cost(**json.loads(said))


async def _laid(here: BenchStack, *topics: str) -> None:
    for topic in topics:
        await here.topic(topic)
