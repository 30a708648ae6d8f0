"""Asking what an agent may decide: policy and staff from the tables, counters from the ledger."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

from engine.explain.words import Sentences
from engine.judging.staff import StaffDirectory
from engine.policy.book import PolicyBook
from schemas.language import Language, preferred_language
from services.chassis.http.problems import HttpProblem
from services.chassis.process.errors import TryAgain
from services.chassis.process.threads import in_thread
from services.rules.ledger.counters import CounterReader, CounterReading
from services.rules.mandate.view import MandateQuestion

DEFAULT_LANGUAGE: Final[Language] = "nl"
MOST_WAITING: Final = 8
"""Questions are answered one at a time; with so many waiting, the next one is refused with 503."""


class OneAtATime:
    """Lets one caller in at a time, and a few wait."""

    def __init__(self, most_waiting: int) -> None:
        self._lock = asyncio.Lock()
        self._most = 1 + most_waiting
        self._here = 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for the turn. Raises HttpProblem when too many wait already."""
        if self._here >= self._most:
            raise HttpProblem(
                503, "busy", "Too many concurrent requests; retry shortly.", headers={"Retry-After": "1"}
            )
        self._here += 1
        try:
            async with self._lock:
                yield
        finally:
            self._here -= 1


class PolicyTables(Protocol):
    """The policies and the staff, as their topics say now."""

    def ready(self) -> str | None:
        """Why the tables cannot be used yet, or None."""
        ...

    def book(self, tenant: str) -> PolicyBook | None:
        """The active policy of a tenant."""
        ...

    def staff(self, tenant: str) -> StaffDirectory:
        """The staff of a tenant."""
        ...


@dataclass(frozen=True)
class MandateInquiry:
    """Answers what an agent may decide."""

    tables: PolicyTables
    counters: CounterReader
    words: Sentences
    clock: Callable[[], datetime]
    one_at_a_time: OneAtATime = field(default_factory=lambda: OneAtATime(MOST_WAITING))
    """A policy with thousands of mandates takes a while; several at once would slow the loop that decides."""

    async def mandate(
        self, tenant: str, agent_id: str, customer: str | None, asked_language: str | None
    ) -> tuple[bytes, Language]:
        """The mandate of an agent: a MandateView as JSON, and the language of its sentences.

        Raises HttpProblem; and TryAgain when tables or ledger are away.
        """
        unread = self.tables.ready()
        if unread is not None:
            raise TryAgain(unread)
        book, person = self.tables.book(tenant), self.tables.staff(tenant).get(agent_id)
        if book is None:
            raise HttpProblem(404, "no-policy", "No policy is active; publish one.")
        if person is None:
            raise HttpProblem(404, "unknown-agent", "Nobody of your staff has that id.")
        language = preferred_language(asked_language, person.language, DEFAULT_LANGUAGE)
        question = MandateQuestion(book, person, customer, self.clock())
        async with self.one_at_a_time.turn():
            rows, charges = await in_thread(question.charges)
            wanted = [
                CounterReading(charge.key, charge.field, charge.days)
                for charge in charges.values()
                if charge is not None
            ]
            found = await self.counters.read(wanted) if wanted else []
            amounts = [(one.key, by_field) for one, by_field in zip(wanted, found, strict=True)]
            body = await in_thread(lambda: question.view(rows, charges, amounts, self.words, language))
        return body, language
