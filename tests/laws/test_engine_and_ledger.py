"""In any order of inputs, the service decides and charges as the reference model does."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from hypothesis.stateful import run_state_machine_as_test

from services.chassis.redis import connect
from tests.laws.example_counts import examples
from tests.laws.rules_service import RedisStore, Store
from tests.laws.state_machine import Decisions


def test_the_service_with_a_ledger_in_memory_agrees_with_the_reference_model() -> None:
    with asyncio.Runner() as running:

        class InMemoryStore(Decisions):
            runner: ClassVar[asyncio.Runner] = running

        run_state_machine_as_test(InMemoryStore, settings=examples(150, stateful_step_count=25))


def test_the_service_with_the_real_ledger_agrees_with_the_reference_model(fresh_redis: str) -> None:
    with asyncio.Runner() as running:
        redis = connect(fresh_redis)

        class Real(Decisions):
            runner: ClassVar[asyncio.Runner] = running

            def open_store(self) -> Store:
                return running.run(RedisStore.empty(redis))

        try:
            run_state_machine_as_test(Real, settings=examples(60, stateful_step_count=25))
        finally:
            running.run(redis.aclose())
