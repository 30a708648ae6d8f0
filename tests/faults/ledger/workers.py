"""Four workers, each a process: started with failpoints, killed, stopped and restarted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

import httpx
import psutil

from deploy.local.part import StackPart
from deploy.local.stack import Stack
from tests.waiting import eventually

PARTITIONS = 6
NAMES = ("rules", "rules-2", "rules-3", "rules-4")
ROOT = Path(__file__).parents[3]


class Workers:
    """The workers of a stack. `settings` override those of the stack."""

    def __init__(
        self, stack: Stack, names: Sequence[str] = NAMES, settings: Mapping[str, str] | None = None
    ) -> None:
        self.stack = stack
        self.names = tuple(names)
        self._settings = dict(settings or {})
        self._armed: set[str] = set()

    async def start_all(self) -> None:
        """Run all workers as in production, and wait until they hold all partitions."""
        for name in self.names:
            self.stack.resume(name)
            if name in self._armed:
                await self._wait(self.stack.stop, name)
        self._armed.clear()
        await self._wait(self.stack.up, ["kafka", "redis", *self.names])
        await self.wait_until_shared(*self.names)

    async def keep_only(self, *names: str) -> None:
        """Stop the other workers."""
        for name in self.names:
            if name not in names:
                self.stack.resume(name)
                await self._wait(self.stack.stop, name)
                self._armed.discard(name)

    async def start_with_failpoints(
        self, failpoints: Mapping[str, str], *, altered: str | None = None, wait: bool = True
    ) -> None:
        """Restart these with failpoints, and wait until all hold their share again.

        `altered`: start them by tests.faults.ledger.altered_rules, with that change.
        """
        for name in failpoints:
            self.stack.resume(name)
            await self._wait(self.stack.stop, name)
        for name, text in failpoints.items():
            self._armed.add(name)
            part = self.stack.part(name)
            if altered is not None:
                _alter(part, altered)
            part.extra.update(self._settings)
            if text:
                part.extra["MANDAAT_FAILPOINTS"] = text
            part.begin()
        if not wait:
            return

        def all_held() -> bool:
            parts = [self.partitions_held(name) for name in self.names if self.stack.running(name)]
            return sum(parts) == PARTITIONS and all(parts)

        await eventually(partial(self._in_thread, all_held), seconds=60.0, what="all partitions are held")

    async def wait_until_shared(self, *names: str) -> None:
        """Wait until these hold all six partitions, each at least one."""

        await eventually(
            partial(self._in_thread, partial(self._share, names)),
            seconds=60.0,
            what=f"{names} share the partitions",
        )

    def _share(self, names: Iterable[str]) -> bool:
        held = [self.partitions_held(name) for name in names]
        return sum(held) == PARTITIONS and all(held)

    async def wait_until_stopped(self, name: str, seconds: float = 60.0) -> None:
        """Wait until it is stopped at its failpoint."""
        await eventually(lambda: self.is_stopped(name), seconds=seconds, what=f"{name} stops")

    async def wait_until_dead(self, name: str, seconds: float = 60.0) -> None:
        """Wait until it died at its failpoint."""
        await eventually(lambda: not self.stack.running(name), seconds=seconds, what=f"{name} dies")

    async def restart_dead(self) -> None:
        """Restart the dead workers without failpoints, until all workers share the partitions.

        A worker may reach its failpoint only when another one was restarted, so this looks again and again.
        """

        def shared() -> bool:
            for name in self.names:
                if not self.stack.running(name):
                    self._armed.discard(name)
                    self.stack.begin(name, self._settings)
            return self._share(self.names)

        await eventually(partial(self._in_thread, shared), seconds=90.0, what="all share the partitions")

    def partitions_held(self, name: str) -> int:
        """The number of partitions that a worker says it holds."""
        try:
            text = httpx.get(f"{self.stack.http(name)}/metrics", timeout=2).text
        except httpx.HTTPError:
            return 0
        line = next((one for one in text.splitlines() if one.startswith("mandaat_partitions_held ")), "x 0")
        return int(float(line.split()[1]))

    def count_in_log(self, name: str, event: str) -> int:
        """How often an event is in its log."""
        log = self.stack.log(name)
        return log.read_text().count(f'"{event}"') if log.exists() else 0

    def bugs(self) -> list[str]:
        """The workers whose log has a bug."""
        texts = {name: self.stack.log(name) for name in self.names}
        return [
            name
            for name, log in texts.items()
            if log.exists() and any(word in log.read_text() for word in ('"stopped_by_a_bug"', "Traceback"))
        ]

    def is_stopped(self, name: str) -> bool:
        """Whether it is stopped."""
        found = self.stack.part(name).process.running()
        return found is not None and found.status() == psutil.STATUS_STOPPED

    async def _in_thread(self, step: Callable[[], bool]) -> bool:
        return await asyncio.to_thread(step)

    @staticmethod
    async def _wait(step: Callable[..., object], *arguments: object) -> None:
        await asyncio.to_thread(step, *arguments)


def _alter(part: StackPart, piece: str) -> None:
    command = part.command
    part.command = lambda: [command()[0], "-m", "tests.faults.ledger.altered_rules", piece]
    part.extra["PYTHONPATH"] = str(ROOT)
