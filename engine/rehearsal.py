"""Decide inputs one by one, in the same steps as a worker, with a ledger in memory that starts empty."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Final

from engine.events.effects import Event
from engine.events.envelope import EPOCH
from engine.inputs import Input
from engine.judging.budgets import Counters
from engine.judging.staff import StaffDirectory
from engine.policy.book import PolicyBook
from engine.propose import propose
from schemas.errors import Unreadable
from schemas.withdrawal import WITHDRAWN

_MICROSECOND: Final = timedelta(microseconds=1)


class Rehearsal:
    """One policy, its staff, and the state that the ledger would hold."""

    def __init__(self, book: PolicyBook, staff: StaffDirectory) -> None:
        self._book = book
        self._staff = staff
        self.counters = Counters()
        self._states: dict[str, bytes] = {}
        self._known: dict[str, tuple[str, tuple[Event, ...]]] = {}
        self._seq = 0

    def book(self, tenant: str) -> PolicyBook | None:
        """The policy, for its own tenant."""
        return self._book if tenant == self._book.tenant else None

    def staff(self, tenant: str) -> StaffDirectory:
        """The staff."""
        return self._staff

    def decide(self, one: Input) -> tuple[Event, ...]:
        """The events of an input. A repeat gets the events of the newest decision again.

        Raises Unreadable: unknown_tenant, unknown_approval, conflict.
        """
        known = self._known.get(one.index_id)
        if known is not None:
            return _repeated(known, one)
        request = one.request_key.index_id
        newest = {request: self._known[request][1]} if request in self._known else {}
        proposal = propose(one, self, self._states, newest)
        chosen_option, used = self.counters.settle(proposal.charge_options, proposal.probes)
        self._seq = max(self._seq + 1, (one.time - EPOCH) // _MICROSECOND)
        rendered = proposal.render(self._seq, chosen_option, used)
        events: tuple[Event, ...] = tuple(json.loads(value) for value in rendered.values)
        self._known[one.index_id] = (one.digest, events)
        self._states.update(rendered.effects.states)
        self.counters.add(rendered.effects.left_to_do.charges)
        for link in rendered.effects.links:
            digest, _ = self._known.get(link, (WITHDRAWN, ()))
            self._known[link] = (digest, events)
        return events


def _repeated(known: tuple[str, tuple[Event, ...]], one: Input) -> tuple[Event, ...]:
    digest, events = known
    if digest not in (one.digest, WITHDRAWN):
        what = f"request {one.request_key.request_id!r} of case {one.case_key[1]!r}"
        raise Unreadable("conflict", f"{what} is known with other content; give it a new request_id")
    return events
