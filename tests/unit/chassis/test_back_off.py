from __future__ import annotations

import asyncio

import pytest

from services.chassis.process.back_off import BackOff, repeat_until_done
from services.chassis.process.errors import TryAgain

NO_PAUSE = BackOff(first=0.0, longest=0.0)


def no_bug(error: BaseException) -> None:
    pytest.fail(f"no bug was expected, got {error!r}")


class Step:
    """A step that ends in the given errors, one after the other; None means done."""

    def __init__(self, *ends: BaseException | None) -> None:
        self._ends = list(ends)

    async def __call__(self) -> None:
        end = self._ends.pop(0)
        if end is not None:
            raise end


def test_pauses_double_up_to_the_longest() -> None:
    back_off = BackOff(first=1.0, longest=5.0)
    assert [back_off.pause(failures, chance=0.0) for failures in (1, 2, 3, 4, 10_000)] == [1, 2, 4, 5, 5]


def test_jitter_only_shortens_a_pause() -> None:
    back_off = BackOff(first=1.0, longest=5.0, jitter=0.5)
    assert back_off.pause(1, chance=1.0) == 0.5
    assert all(0.5 <= back_off.pause(1) <= 1.0 for _ in range(100))


async def test_a_step_is_repeated_until_it_is_done() -> None:
    errors: list[tuple[str, int]] = []
    done = await repeat_until_done(
        Step(TryAgain("once"), TryAgain("twice"), None),
        NO_PAUSE,
        on_try_again=lambda error, failures: errors.append((str(error), failures)),
        on_bug=no_bug,
    )
    assert done
    assert errors == [("once", 1), ("twice", 2)]


async def test_a_bug_ends_the_repeating_and_is_reported() -> None:
    bugs: list[BaseException] = []
    bug = KeyError("x")
    done = await repeat_until_done(
        Step(TryAgain("once"), bug), NO_PAUSE, on_try_again=lambda *_: None, on_bug=bugs.append
    )
    assert not done
    assert bugs == [bug]


async def test_cancelling_ends_a_pause() -> None:
    waiting = asyncio.Event()
    repeating = asyncio.create_task(
        repeat_until_done(
            Step(TryAgain("once")),
            BackOff(first=60.0, longest=60.0),
            on_try_again=lambda *_: waiting.set(),
            on_bug=no_bug,
        )
    )
    await waiting.wait()
    repeating.cancel()
    with pytest.raises(asyncio.CancelledError):
        await repeating
