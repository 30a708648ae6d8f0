"""A queue that takes turns among tenants, so that a tenant whose server hangs does not hold up the others."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from typing import Generic, TypeVar

Job = TypeVar("Job")


class FairQueue(Generic[Job]):
    """Gives out jobs of each tenant in turn, and at most `share()` of one tenant at a time."""

    def __init__(self, share: Callable[[], int]) -> None:
        self._share = share
        self._waiting: dict[str, deque[Job]] = {}
        self._busy: Counter[str] = Counter()
        self._changed = asyncio.Event()

    def put(self, tenant: str, job: Job) -> None:
        """Add a job."""
        self._waiting.setdefault(tenant, deque()).append(job)
        self._changed.set()

    async def get(self) -> Job:
        """The next job whose tenant has room; waits for one. `done` gives the room back."""
        while True:
            share = self._share()
            for tenant in self._waiting:
                if self._busy[tenant] < share:
                    return self._take(tenant)
            self._changed.clear()
            await self._changed.wait()

    def done(self, tenant: str) -> None:
        """A job of that tenant is done."""
        self._busy[tenant] -= 1
        if not self._busy[tenant]:
            del self._busy[tenant]
        self._changed.set()

    def _take(self, tenant: str) -> Job:
        self._busy[tenant] += 1
        jobs = self._waiting.pop(tenant)
        job = jobs.popleft()
        if jobs:
            self._waiting[tenant] = jobs  # behind the others
        return job
