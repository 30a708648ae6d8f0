"""The ledger under thousands of random faults, on a real Redis (docs/ledger.md, Measured)."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator

import pytest

from services.chassis.redis import connect
from services.rules.ledger import rebuild, script
from tests.integration.ledger.simulation import Simulation

SEEDS = int(os.environ.get("MANDAAT_LEDGER_SEEDS", "10"))
STEPS = int(os.environ.get("MANDAAT_LEDGER_STEPS", "600"))
MOST_SEEDS = 60
WHOLE = script.text


async def run(redis_url: str, seed: int, **pieces: bool) -> None:
    redis = connect(redis_url)
    prefix = f"{{cluster-{seed}-{os.getpid()}}}"
    try:
        await Simulation(redis, prefix, seed, **pieces).run(STEPS)
    finally:
        await redis.aclose()


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_the_ledger_equals_the_journal_whatever_happens(redis_url: str, seed: int) -> None:
    await run(redis_url, seed)


async def breaks(redis_url: str, first: int, **pieces: bool) -> bool:
    """Whether a run fails: with the seed that is known to fail, or with one after it."""
    for seed in itertools.islice(itertools.chain([first], itertools.count()), MOST_SEEDS):
        try:
            await run(redis_url, seed, **pieces)
        except AssertionError:
            return True
    return False


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, str]]]:
    """Replace pieces of the script during the test."""
    pieces: list[tuple[str, str]] = []

    def text(nonce: str) -> str:
        whole = WHOLE(nonce)
        for piece, instead in pieces:
            assert piece in whole
            whole = whole.replace(piece, instead)
        return whole

    monkeypatch.setattr(script, "text", text)
    monkeypatch.setattr(rebuild, "text", text)
    script.sha.cache_clear()
    yield pieces
    script.sha.cache_clear()


async def test_without_the_roll_back_at_take_over_it_breaks(
    redis_url: str, without: list[tuple[str, str]]
) -> None:
    without.append(("  roll_back(p)\n  apply_records", "  apply_records"))
    assert await breaks(redis_url, 12)


async def test_without_the_nonce_it_breaks(redis_url: str, without: list[tuple[str, str]]) -> None:
    without.append(("if found[1] ~= NONCE then return 'cold' end", ""))
    assert await breaks(redis_url, 32)


async def test_without_the_fence_it_breaks(redis_url: str) -> None:
    assert await breaks(redis_url, 21, fenced=False)


async def test_without_the_marker_it_breaks(redis_url: str) -> None:
    assert await breaks(redis_url, 35, markers=False)


async def test_without_rolling_back_charges_it_breaks(redis_url: str, without: list[tuple[str, str]]) -> None:
    without.append(("count(counter_key(undo[n - 3]), undo[n - 2], -undo[n - 1])", "return"))
    assert await breaks(redis_url, 0)


async def test_without_giving_back_charges_of_a_failed_option_it_breaks(
    redis_url: str, without: list[tuple[str, str]]
) -> None:
    without.append(("for taken = charge - 5, i + 1, -5 do add(taken, -1) end", ""))
    assert await breaks(redis_url, 0)


async def test_without_checking_every_run_of_days_it_breaks(
    redis_url: str, without: list[tuple[str, str]]
) -> None:
    without.append(("if first <= day and sum > most", "if first == day and sum > most"))
    assert await breaks(redis_url, 0)
