"""The proposal for a withdrawal."""

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
    """The withdrawal of a request. `newest`: the events of the request's newest decision, or none."""

    caused_by: WithdrawalInput
    newest: Sequence[Event]
    approval: Approval | None
    book: PolicyBook

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """One reason: the request was withdrawn."""
        return (reasons.withdrawn(self.caused_by.withdrawal),)

    def render(self, seq: int, chosen_option: int = 0, used: Sequence[BudgetUse] = ()) -> Rendered:
        """The event decision.withdrawn; and approval.closed if an approval is open."""
        return render_withdrawn(self.caused_by, self.newest, self.approval, self.book, seq)
