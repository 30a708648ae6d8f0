"""The callers who wait for a decision.

A caller waits from before its case is published, so no decision can come too early for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Final, NamedTuple

from starlette.types import Receive

from schemas import types
from schemas.approval import ApprovalEvent
from schemas.case import Case
from schemas.cloud_event import CloudEvent
from schemas.decision import Decision
from schemas.errors import Unreadable
from schemas.ids import record_key
from schemas.model import Frozen
from schemas.reading import read
from schemas.request_digest import request_digest
from schemas.withdrawal import WITHDRAWN
from services.chassis.process.log import log
from services.intake.metrics import IntakeMetrics, WaitOutcome


class Answer(NamedTuple):
    """The first decision on a request, and the event that says who is asked if it is escalated."""

    decided: CloudEvent[Decision]
    asked: CloudEvent[ApprovalEvent] | None = None


class Waiter:
    """One caller who waits for the first decision on one request."""

    def __init__(self, case: Case) -> None:
        self._request_id = case.request.request_id
        self._digest = request_digest(case)
        self._decided: CloudEvent[Decision] | None = None
        self._asked: CloudEvent[ApprovalEvent] | None = None
        self.answer: Final[asyncio.Future[Answer | None]] = asyncio.get_running_loop().create_future()
        """The answer; None if the service stops first."""

    def take(self, event: CloudEvent[Decision] | CloudEvent[ApprovalEvent]) -> None:
        """Look at an event about the case. A decision on other content of the same ids does not count."""
        if isinstance(event.data, Decision):
            decision = event.data
            if not self._is_about(decision.request_id, decision.request_digest):
                return
            self._decided = self._decided or event
        else:
            approval = event.data.approval
            if not self._is_about(approval.request_id, approval.request_digest):
                return
            self._asked = event
        if self._decided is None or (self._decided.data.outcome == "escalated" and self._asked is None):
            return
        if not self.answer.done():
            self.answer.set_result(Answer(self._decided, self._asked))

    def _is_about(self, request_id: str, digest: str) -> bool:
        """A request that was withdrawn before it arrived has the digest WITHDRAWN, whatever its content."""
        return request_id == self._request_id and digest in (self._digest, WITHDRAWN)

    def stop(self) -> None:
        """End the wait without an answer."""
        if not self.answer.done():
            self.answer.set_result(None)


class Waiters:
    """All callers of this process who wait, by the key of their case's records."""

    def __init__(self, most: int, longest_seconds: float, metrics: IntakeMetrics) -> None:
        self._most = most
        self.longest = longest_seconds
        """Longer waits are cut to so many seconds."""
        self._metrics = metrics
        self._by_key: dict[bytes, list[Waiter]] = {}
        self._number = 0
        self._closed = False
        metrics.waiting.set_function(lambda: self._number)

    async def answer_to(
        self, case: Case, seconds: float, accept: Callable[[], Awaitable[None]], receive: Receive
    ) -> Answer | None:
        """Accept a case and wait for its decision, at most `seconds`; None if there is none by then.

        `receive` is that of the call: the wait ends at once when the caller goes away. Nobody waits if too
        many wait already, or the service stops; the case is accepted all the same.
        """
        refused = "stopping" if self._closed else "too_many" if self._number >= self._most else None
        if refused is not None:
            self._metrics.waits.labels(refused).inc()
            await accept()
            return None
        with self._waiting_for(case) as waiter:
            await accept()
            began = time.monotonic()
            outcome = await _outcome(waiter, min(seconds, self.longest), receive)
            self._metrics.waits.labels(outcome).inc()
            if outcome != "answered":
                return None
            self._metrics.wait_seconds.observe(time.monotonic() - began)
            return waiter.answer.result()

    @contextlib.contextmanager
    def _waiting_for(self, case: Case) -> Iterator[Waiter]:
        key = record_key(case.tenant, case.case_id).encode()
        waiter = Waiter(case)
        of_case = self._by_key.setdefault(key, [])
        of_case.append(waiter)
        self._number += 1
        try:
            yield waiter
        finally:
            self._number -= 1
            of_case.remove(waiter)
            if not of_case:
                del self._by_key[key]

    def take(self, key: bytes | None, value: bytes | None) -> None:
        """Hand a record of mandaat.decisions to those who wait for its case. Others are not looked into."""
        of_case = self._by_key.get(key or b"")
        if of_case is None:
            return
        event = _read(value)
        if event is not None:
            for waiter in of_case:
                waiter.take(event)

    def close(self) -> None:
        """End every wait without an answer, and let nobody wait any more."""
        self._closed = True
        for of_case in self._by_key.values():
            for waiter in of_case:
                waiter.stop()


async def _outcome(waiter: Waiter, seconds: float, receive: Receive) -> WaitOutcome:
    """Wait for the answer, the end of the time, or the caller's leaving, whichever is first."""
    leaving = asyncio.ensure_future(_left(receive))
    try:
        await asyncio.wait((waiter.answer, leaving), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if waiter.answer.done():
            return "stopping" if waiter.answer.result() is None else "answered"
        return "gone" if leaving.done() else "timed_out"
    finally:
        leaving.cancel()


async def _left(receive: Receive) -> None:
    """Returns when the caller has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


class _Typed(Frozen):
    type: str


def _read(value: bytes | None) -> CloudEvent[Decision] | CloudEvent[ApprovalEvent] | None:
    """The decision or the request for an approval in a record; None for anything else."""
    try:
        event_type = read(_Typed, value).type
        if event_type in types.DECISION_EVENTS:
            return read(CloudEvent[Decision], value)
        if event_type == types.APPROVAL_REQUESTED:
            return read(CloudEvent[ApprovalEvent], value)
    except Unreadable as why:  # only rules writes this topic; the caller polls instead
        log.error("decision_unreadable", reason=why.reason)
    return None
