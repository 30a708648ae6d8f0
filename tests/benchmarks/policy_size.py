"""The cost of a decision under a large policy or with a large staff, and the cost of each candidate."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from tests.benchmarks.bench_stack import BenchStack, bench_stack
from tests.benchmarks.case_templates import Submitted, Template, template
from tests.benchmarks.rows import Row, ShowProgress, Size

EACH = 10
"""Mandates for each kind."""
TRIED = (1, 2, 5, 10)
TEAM = 20
TENANT = "large"
WITHIN = 1.1


def policy(mandates: int) -> str:
    """A policy with some mandates, ten for each kind, half of them with a condition."""
    lines = [
        f"policy: {TENANT}",
        'version: "1"',
        "currency: EUR",
        "timezone: Europe/Amsterdam",
        "roles: {agent: {}, team_lead: {extends: agent}}",
        "mandates:",
    ]
    for number in range(mandates):
        kind, place = divmod(number, EACH)
        rest = f'when: "facts.level == {place}"' if place % 2 == 0 else f"limit: {_amount(place)}"
        lines.append(f"  - {{id: m{kind}-{place}, grants: kind{kind}, to: agent, {rest}}}")
    lines += ["escalation:", "  - id: lead", "    steps: [{to: team_lead}]"]
    return "\n".join(lines) + "\n"


def staff(agents: int) -> Iterator[dict[str, Any]]:
    """Agents in teams of twenty, each with a lead."""
    for number in range(agents):
        team = f"team{number // TEAM}"
        role = "team_lead" if number % TEAM == 0 else "agent"
        yield {"agent_id": f"a{number}", "tenant": TENANT, "name": f"A. {number}", "role": role, "team": team}


def cases(number: int, mandates: int, agents: int, tried: tuple[int, ...] = TRIED) -> list[Submitted]:
    """Cases that the first, second, fifth or tenth candidate approves, of any agent and kind."""
    some = random.Random(number)  # the same for every stack of these sizes
    return [
        _template(some.choice(tried) - 1, some.randrange(mandates // EACH), some.randrange(agents)).again()
        for _ in range(number)
    ]


def _amount(place: int) -> int:
    return 10 * (place + 1)


def _template(place: int, kind: int, agent: int) -> Template:
    by_condition = place % 2 == 0
    case = {
        "case_id": "c-",
        "tenant": TENANT,
        "opened_at": "2026-03-02T08:00:00Z",
        "channel": "phone",
        "customer": {"id": "cu-", "name": "A. Bakker", "email": "a@example.org", "language": "nl"},
        "agent_id": f"a{agent}",
        "category": "delivery",
        "facts": {"level": float(place if by_condition else -1), "order_value": 90.0},
        "request": {
            "request_id": "r1",
            "kind": f"kind{kind}",
            "amount": f"{1000 if by_condition else _amount(place)}.00",
            "currency": "EUR",
        },
    }
    return template(case, "approved")


async def run(size: Size, show_progress: ShowProgress) -> list[Row]:
    """Pairs of rounds, on a small stack and on a large one."""
    few = size.few
    async with bench_stack(size.stack) as base:
        await _open(base, few["mandates"], few["agents"], show_progress)
        found = await _tried(base, size, show_progress)
        for what, mandates, agents in (
            ("mandates", size.mandates, few["agents"]),
            ("agents", few["mandates"], size.agents),
        ):
            async with bench_stack(size.stack) as large:
                await _open(large, mandates, agents, show_progress)
                found.append(await _pairs(what, base, large, mandates, agents, size, show_progress))
    return found


async def _open(here: BenchStack, mandates: int, agents: int, show_progress: ShowProgress) -> None:
    show_progress(f"starting a stack with {mandates:,} mandates and {agents:,} agents")
    await here.stop("rules")
    await here.publish(policy(mandates), staff(agents))
    await here.start("rules")
    await here.decide(cases(1_000, mandates, agents))


async def _tried(here: BenchStack, size: Size, show_progress: ShowProgress) -> list[Row]:
    costs: dict[int, list[float]] = {tried: [] for tried in TRIED}
    for number in range(size.rounds):
        for tried in TRIED:
            show_progress(f"candidates tried: round {number + 1} of {size.rounds}, {tried}")
            backlog = cases(size.cases // 3, size.few["mandates"], size.few["agents"], (tried,))
            costs[tried].append((await here.decide(backlog)).cpu_us)
    return [Row(f"candidates tried: {tried}, worker CPU a decision", "us", costs[tried]) for tried in TRIED]


async def _pairs(
    what: str,
    base: BenchStack,
    large: BenchStack,
    mandates: int,
    agents: int,
    size: Size,
    show_progress: ShowProgress,
) -> Row:
    few, ratios = size.few, []
    for number in range(size.pairs):
        show_progress(f"{what}: pair {number + 1} of {size.pairs}")
        one = await base.decide(cases(size.cases // 2, few["mandates"], few["agents"]))
        other = await large.decide(cases(size.cases // 2, mandates, agents))
        ratios.append(other.cpu_us / one.cpu_us)
    number = mandates if what == "mandates" else agents
    text = f"{number:,} {what} instead of {few[what]:,}: worker CPU a decision"
    return Row(text, "times", ratios, f"at most {WITHIN}", WITHIN)
