"""The proposal for a submission."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.events.envelope import Rendered
from engine.events.render import render_first
from engine.inputs import Submission
from engine.judging.assessment import RequestAssessment
from engine.judging.budgets import BudgetUse, Charges
from engine.judging.conclusions import Reason
from engine.proposals.proposal import Proposal


@dataclass(frozen=True)
class RequestProposal(Proposal):
    """The first decision on a request."""

    submission: Submission
    assessment: RequestAssessment

    @property
    def charge_options(self) -> tuple[Charges, ...]:
        """The charges of the mandates that cover the request."""
        return self.assessment.charge_options

    @property
    def probes(self) -> Charges:
        """The charges of the mandates whose limit is below the request."""
        return self.assessment.probes

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """One reason for each prohibition, or for each mandate that does not cover the request."""
        return self.assessment.reasons

    @property
    def approvers(self) -> tuple[str, ...]:
        """The people of the step that is asked. The ladder is searched on first access."""
        asked = self.assessment.ladder.asked
        return () if asked is None else asked.approvers

    def render(self, seq: int, chosen_option: int = 0, used: Sequence[BudgetUse] = ()) -> Rendered:
        """The event decision.*; and approval.requested if the request is escalated."""
        conclusion = self.assessment.conclude(chosen_option, used)
        return render_first(self.submission, self.assessment, conclusion, seq)
