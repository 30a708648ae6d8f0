"""The engine without the worker: other frameworks decide with it, and journals are made with it."""

from __future__ import annotations

import json

from engine.events.envelope import Rendered
from engine.inputs import read_input
from engine.judging.staff import Staff
from engine.policy.book import PolicyBook
from engine.proposals.proposal import Proposal
from engine.propose import propose
from schemas import topics
from schemas.reading import read
from schemas.staff import StaffMember
from tests.benchmarks.case_templates import Template, shop
from tests.builders.policies import book_of


class Authority:
    """The retail policy with two budgets, and the retail staff."""

    def __init__(self, tenant: str) -> None:
        policy, staff = shop(tenant, budgets=True)
        self._book = book_of(policy)
        self._staff = Staff(read(StaffMember, json.dumps(one).encode()) for one in staff)

    def book(self, _tenant: str) -> PolicyBook:
        """The policy."""
        return self._book

    def staff(self, _tenant: str) -> Staff:
        """The staff."""
        return self._staff

    def propose(self, key: bytes | None, value: bytes | None) -> Proposal:
        """The proposed decision on a record of mandaat.cases."""
        return propose(read_input(topics.CASES, 0, key, value), self, {})


def journalled(authority: Authority, template: Template) -> Rendered:
    """The first decision on a template, as the journal has it, with sequence 0."""
    proposal = authority.propose(template.key, template.value)
    return proposal.render(0, 1 if proposal.charge_options else 0, ())
