"""The active policies and the staff, as their topics say."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

from engine.inputs import Input
from engine.judging.staff import Staff
from engine.policy.book import PolicyBook
from engine.policy.loading import load_policy
from engine.policy.problems import PolicyProblems
from schemas.policy_record import PolicyRecord
from schemas.reading import read
from schemas.staff import StaffMember, read_member
from schemas.topics import POLICIES, STAFF
from services.chassis.kafka.table import Table
from services.chassis.process.log import log
from services.chassis.process.metrics import Metrics

_NOBODY: Final = Staff()


@dataclass(frozen=True)
class _Activated:
    """A row of mandaat.policies. It has no book, and says why, if rules cannot use it."""

    book: PolicyBook | None = None
    problem: str = ""


class Tables:
    """Policies and staff by tenant, following their topics.

    A policy that cannot be used never takes the place of one that can: it is logged, and the earlier one goes
    on deciding. If there is no earlier one, as after a restart, the tenant's cases wait. A record that is no
    policy record at all is skipped, as if it were not there.
    """

    def __init__(self, *, bootstrap: str, metrics: Metrics, on_bug: Callable[[BaseException], None]) -> None:
        self._metrics = metrics
        self._books: dict[str, PolicyBook] = {}
        self._problems: dict[str, str] = {}
        """By tenant, of active policies that cannot be used."""
        self._staff: dict[str, Staff] = {}
        self._policies = Table(
            POLICIES,
            bootstrap=bootstrap,
            client_id="mandaat-rules-policies",
            metrics=metrics,
            parse=_read_policy,
            on_bug=on_bug,
            on_change=self._policy_changed,
            parse_in_thread=True,  # a fifth of a millisecond a mandate, most of it for compiling
        )
        self._members = Table(
            STAFF,
            bootstrap=bootstrap,
            client_id="mandaat-rules-staff",
            metrics=metrics,
            parse=read_member,
            on_bug=on_bug,
            on_change=self._member_changed,
        )
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Tables:
        await self._stack.enter_async_context(self._policies)
        await self._stack.enter_async_context(self._members)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def ready(self) -> str | None:
        """The problem that /readyz reports, or None."""
        waiting = (f"{tenant}: {why}" for tenant in self._problems if (why := self.held_back(tenant)))
        return self._policies.ready() or self._members.ready() or next(waiting, None)

    def book(self, tenant: str) -> PolicyBook | None:
        """The active policy of a tenant."""
        return self._books.get(tenant)

    def held_back(self, tenant: str) -> str | None:
        """Why the cases of a tenant wait: its active policy cannot be used, and no earlier one is known."""
        if tenant in self._books or tenant not in self._problems:
            return None
        return f"the active policy cannot be used ({self._problems[tenant]}); publish one that can"

    def staff(self, tenant: str) -> Staff:
        """The staff of a tenant."""
        return self._staff.get(tenant, _NOBODY)

    async def refresh(self, inputs: Iterable[Input]) -> None:
        """Read both topics to their ends if an input names an unknown tenant or person. Raises TryAgain."""
        if any(self._is_unknown(one) for one in inputs):
            await asyncio.gather(self._policies.read_to_end(), self._members.read_to_end())

    def _is_unknown(self, one: Input) -> bool:
        if one.tenant not in self._books:
            return True
        person = one.judged_person
        return person is not None and self.staff(one.tenant).get(person) is None

    def _policy_changed(self, key: str, old: _Activated | None, new: _Activated | None) -> None:
        if "/" in key:
            return
        self._problems.pop(key, None)
        if new is None:
            self._books.pop(key, None)
            log.info("policy_removed", tenant=key)
        elif new.book is not None:
            self._books[key] = new.book
            log.info("policy_active", tenant=key, version=new.book.version, digest=new.book.digest)
        else:
            self._problems[key] = new.problem
            log.error("policy_not_used", tenant=key, problem=new.problem)
            self._metrics.rows_skipped.labels(POLICIES, "policy_not_used").inc()

    def _member_changed(self, key: str, old: StaffMember | None, new: StaffMember | None) -> None:
        if old is not None and (new is None or new.agent_id != old.agent_id):
            self._staff[old.tenant].remove(old.agent_id)
        if new is not None:
            self._staff.setdefault(new.tenant, Staff()).put(new)


def _read_policy(key: str, value: bytes) -> _Activated:
    """Read an activated policy. Raises Unreadable for a value that is no policy record: it is skipped."""
    if "/" in key:
        return _Activated()
    record = read(PolicyRecord, value)
    try:
        if record.canonical_json is None:
            return _Activated(problem="it was published by an older version, without JSON: publish it again")
        book = load_policy(record.canonical_json)
    except PolicyProblems as found:
        return _Activated(problem=str(found.problems[0]))
    if book.tenant != key:
        return _Activated(problem="it is of another tenant")
    if book.digest != record.digest:
        return _Activated(problem="its digest is not that of its JSON")
    return _Activated(book)
