"""A ledger of one's own for tests of what is pure: policy, staff, and the states of approvals."""

from __future__ import annotations

from typing import Any

from services.rules.core.envelope import Rendered
from services.rules.core.inputs import Input, Reply, Submission
from services.rules.core.policy import PolicyBook
from services.rules.core.propose import propose
from services.rules.core.staff import Staff
from tests.judging import a_book, a_staff
from tests.rules_inputs import a_reply


class Shop:
    """Decides one input after the other, as rules does, without Kafka and Redis."""

    def __init__(
        self,
        *mandates: dict[str, Any],
        opened: Submission | None = None,
        people: Any = (),
        **policy: Any,
    ) -> None:
        """`opened` was escalated by the same mandates before `people` came and the rest of `policy` held."""
        self.states: dict[str, bytes] = {}
        self._book = a_book(*mandates)
        self._staff = a_staff()
        if opened is not None:
            self.decide(opened, 1_772_438_400_000_000)
            assert self.states, "it was not escalated"
        self._book = a_book(*mandates, **policy)
        self._staff = a_staff(*people)

    def book(self, tenant: str) -> PolicyBook | None:
        """The active policy of acme."""
        return self._book if tenant == "acme" else None

    def staff(self, tenant: str) -> Staff:
        """Who works for acme."""
        return self._staff if tenant == "acme" else Staff()

    def decide(self, one: Input, seq: int) -> Rendered:
        """What the input comes to; its states hold from now on."""
        rendered = propose(one, self, self.states).render(seq)
        self.states.update(rendered.effects.states)
        return rendered


def later(reply: Reply) -> Reply:
    """The same person's next reply."""
    return a_reply(data={**reply.verdict.model_dump(), "reply_id": reply.verdict.reply_id + "-later"})
