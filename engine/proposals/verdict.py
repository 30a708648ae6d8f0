"""The proposal for a verdict, on an open or a closed approval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

from engine.events.envelope import Rendered
from engine.events.render import render_closing, render_late, render_not_entitled
from engine.inputs import Reply
from engine.judging.budgets import BudgetUse, Charges
from engine.judging.conclusions import Forbidden, Granted, NotEntitled, Reason, Rejected
from engine.judging.verdict import VerdictAssessment
from engine.policy.book import PolicyBook
from engine.proposals.proposal import Proposal
from schemas.approval import Approval


@dataclass(frozen=True)
class VerdictProposal(Proposal):
    """A verdict on an open approval. It counts if the person may give it and has budget for it."""

    reply: Reply
    approval: Approval
    assessment: VerdictAssessment
    book: PolicyBook

    @property
    def charge_options(self) -> tuple[Charges, ...]:
        """The charges of the person's mandates that cover the request."""
        return self.assessment.charge_options

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """One reason for each prohibition, or for each of the person's mandates that does not cover it."""
        return self.assessment.reasons

    def render(self, seq: int, chosen_option: int = 0, used: Sequence[BudgetUse] = ()) -> Rendered:
        """The events decision.approved or .refused, and approval.closed; or only approval.not_entitled."""
        conclusion = self.assessment.conclude(chosen_option, used)
        match conclusion:
            case NotEntitled(reasons):
                return render_not_entitled(self.reply, self.approval, reasons, seq)
            case Granted() | Rejected() | Forbidden():
                return render_closing(self.reply, self.approval, conclusion, self.book, seq)
            case _:
                assert_never(conclusion)


@dataclass(frozen=True)
class LateProposal(Proposal):
    """A verdict on a closed approval. It changes nothing."""

    reply: Reply
    approval: Approval

    def render(self, seq: int, chosen_option: int = 0, used: Sequence[BudgetUse] = ()) -> Rendered:
        """The event approval.late."""
        return render_late(self.reply, self.approval, seq)
