"""The loops that send, and the layout of topics, as /livez and /readyz report them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from schemas.topics import DECISIONS, NOTICES
from services.chassis.process.errors import TryAgain
from services.notifier.outbox import loops as of_loops
from services.notifier.outbox.layout import Layout
from services.notifier.outbox.loops import Loops, Turn


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - what is waited for sets no event
            await asyncio.sleep(0.001)


def no_bug(error: BaseException) -> None:
    raise AssertionError(error)


async def waiting(turn: Turn) -> None:
    turn.waits()
    await asyncio.Event().wait()


async def stuck(_: Turn) -> None:
    await asyncio.Event().wait()


async def test_a_loop_that_waits_for_work_is_alive() -> None:
    loops = Loops("test", no_bug)
    loops.start({"mail 1": waiting})
    await asyncio.sleep(0)
    assert loops.alive() is None
    await loops.stop()


async def test_a_loop_that_hangs_is_not_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of_loops, "STUCK_SECONDS", 0.01)
    loops = Loops("test", no_bug)
    loops.start({"mail 1": waiting, "mail 2": stuck})
    await until(lambda: loops.alive() is not None)
    assert "mail 2 has been busy with one turn" in (loops.alive() or "")
    await loops.stop()


async def test_a_loop_that_a_bug_ended_is_not_alive_and_is_reported() -> None:
    bugs: list[BaseException] = []

    async def broken(_: Turn) -> None:
        raise KeyError("a bug")

    loops = Loops("test", bugs.append)
    loops.start({"settle": broken})
    await until(lambda: loops.alive() is not None)
    assert loops.alive() == "settle ended"
    assert [type(bug) for bug in bugs] == [KeyError]
    await loops.stop()


async def test_a_loop_goes_on_after_try_again() -> None:
    turns = 0

    async def away_once(_: Turn) -> None:
        nonlocal turns
        turns += 1
        if turns == 1:
            raise TryAgain("away")
        await asyncio.sleep(0)

    loops = Loops("test", no_bug)
    loops.start({"fetch": away_once})
    await until(lambda: turns > 1)
    assert loops.alive() is None
    await loops.stop()


class FakeTopics:
    """Topics with these numbers of partitions. It counts the questions."""

    def __init__(self, **partitions: int) -> None:
        self.of = partitions
        self.asked = 0

    async def partitions(self, topic: str, timeout_seconds: float = 5.0) -> int:
        """The given number."""
        self.asked += 1
        return self.of[topic.removeprefix("mandaat.")]


async def test_too_few_partitions_for_notices_are_reported_until_there_are_enough() -> None:
    topics = FakeTopics(decisions=12, notices=6)
    layout = Layout(topics)
    with pytest.raises(TryAgain, match=f"{NOTICES} has 6 partitions and {DECISIONS} has 12"):
        await layout.check()
    topics.of["notices"] = 12
    await layout.check()
    asked = topics.asked
    await layout.check()
    assert topics.asked == asked


async def test_more_partitions_for_notices_than_decisions_do_no_harm() -> None:
    await Layout(FakeTopics(decisions=6, notices=12)).check()
