"""A request that is withdrawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine import reasons
from engine.events.effects import Event
from engine.events.envelope import Rendered
from engine.events.withdrawal import render_withdrawn
from engine.inputs import WithdrawalInput
from engine.judging.budgets import BudgetUse
from engine.judging.conclusions import Reason
from engine.policy.book import PolicyBook
from engine.proposals.proposal import Proposal
from schemas.approval import Approval


@dataclass(frozen=True)
class WithdrawalProposal(Proposal):
    """The withdrawal of a request; `newest` are the events of its newest decision, if it has any."""

    caused_by: WithdrawalInput
    newest: Sequence[Event]
    approval: Approval | None
    book: PolicyBook

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """The reason that was given with the withdrawal."""
        return (reasons.withdrawn(self.caused_by.withdrawal),)

    def render(self, seq: int, chosen_option: int = 0, used: Sequence[BudgetUse] = ()) -> Rendered:
        """decision.withdrawn, and approval.closed where an approval is open."""
        return render_withdrawn(self.caused_by, self.newest, self.approval, self.book, seq)
