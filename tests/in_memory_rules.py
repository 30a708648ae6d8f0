"""Rules in memory, for tests of the engine: policy, staff, budgets, approvals and decisions."""

from __future__ import annotations

import json
from typing import Any

from engine.events.envelope import Rendered
from engine.inputs import Input, Submission
from engine.judging.budgets import Counters
from engine.judging.staff import Staff
from engine.policy import PolicyBook
from engine.propose import propose
from tests.builders.policies import a_book
from tests.builders.staff import a_staff

NEEDED = ("timezone", "budgets")
"""Keys of a policy that mandates may depend on."""


class InMemoryRules:
    """Decides inputs one after the other, as rules does, without Kafka and Redis."""

    def __init__(
        self,
        *mandates: dict[str, Any],
        opened: Submission | None = None,
        people: Any = (),
        **policy: Any,
    ) -> None:
        """`opened` is escalated first, under the mandates, before `people` and the rest apply."""
        self.states: dict[str, bytes] = {}
        self.counters = Counters()
        self.newest: dict[str, list[Any]] = {}
        if opened is not None:
            self._book = a_book(*mandates, **{key: policy[key] for key in NEEDED if key in policy})
            self._staff = a_staff()
            self.decide(opened, 1_772_438_400_000_000)
            assert self.states, "it was not escalated"
        self._book = a_book(*mandates, **policy)
        self._staff = a_staff(*people)

    def book(self, tenant: str) -> PolicyBook | None:
        """The active policy of acme."""
        return self._book if tenant == "acme" else None

    def staff(self, tenant: str) -> Staff:
        """The staff of acme."""
        return self._staff if tenant == "acme" else Staff()

    def decide(self, one: Input, seq: int) -> Rendered:
        """Decide one input. Its charges are counted and its states are kept."""
        proposed = propose(one, self, self.states, self.newest)
        rendered = proposed.render(seq, *self.counters.settle(proposed.charge_options, proposed.probes))
        effects = rendered.effects
        self.states.update(effects.states)
        self.counters.add(charge for charge in effects.charges if charge[2] < 0)
        events = [json.loads(value) for value in rendered.values]
        if any("decision_id" in event["data"] for event in events):
            self.newest[one.request_key.index_id] = events
        return rendered
