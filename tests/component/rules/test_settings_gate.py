"""Nothing is consumed before Kafka and Redis have the right settings (docs/ledger.md, Topics)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from services.chassis.process.errors import TryAgain
from services.rules.worker.settings_gate import SettingsGate
from tests.waiting import eventually


class Checks:
    """The results of the next checks; the last one repeats."""

    def __init__(self, found: Sequence[list[str] | TryAgain]) -> None:
        self.found = list(found)
        self.asked = 0

    async def __call__(self) -> list[str]:
        self.asked += 1
        found = self.found.pop(0) if len(self.found) > 1 else self.found[0]
        if isinstance(found, TryAgain):
            raise found
        return found


async def test_correct_settings_pass_at_once() -> None:
    gate = SettingsGate(Checks([[]]))
    assert gate.ready() == "not checked yet"
    await gate.passed()
    assert gate.ready() is None


async def test_a_wrong_setting_is_reported_until_it_is_corrected() -> None:
    checks = Checks([["retention.ms is 7"]])
    gate = SettingsGate(checks)
    passing = asyncio.create_task(gate.passed(pause_seconds=0.001))
    await eventually(lambda: checks.asked > 3)
    assert gate.ready() == "retention.ms is 7"
    checks.found = [TryAgain("kafka is away")]
    await eventually(lambda: gate.ready() == "kafka is away")
    checks.found = [[]]
    await passing
    assert gate.ready() is None


async def test_waiting_for_correct_settings_can_be_cancelled() -> None:
    gate = SettingsGate(Checks([["retention.ms is 7"]]))
    passing = asyncio.create_task(gate.passed(pause_seconds=10.0))
    await eventually(lambda: gate.ready() == "retention.ms is 7")
    passing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await passing
