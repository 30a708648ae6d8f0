"""The ledger through thousands of small disasters, on a real Redis (LEDGER.md, Measured: a random model)."""

from __future__ import annotations

import os

import pytest

from services.rules.adapters.script import connect
from tests.integration.ledger.simulation import Simulation

SEEDS = int(os.environ.get("MANDAAT_LEDGER_SEEDS", "12"))
STEPS = int(os.environ.get("MANDAAT_LEDGER_STEPS", "600"))


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_the_ledger_says_what_the_journal_says_whatever_happens(redis_url: str, seed: int) -> None:
    redis = connect(redis_url)
    simulation = Simulation(redis, f"{{world-{seed}-{os.getpid()}}}", seed)
    try:
        await simulation.run(STEPS)
    finally:
        await redis.aclose()
