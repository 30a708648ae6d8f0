"""Judging a case by a policy and counting what it charges, without a ledger."""

from __future__ import annotations

from datetime import UTC, datetime

from engine.judging.assessment import assess
from engine.judging.budgets import Counters
from engine.judging.conclusions import Conclusion
from engine.judging.staff import Staff
from engine.policy import PolicyBook
from schemas.case import Case
from tests.builders.cases import a_case
from tests.builders.staff import a_staff

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


def judge(
    book: PolicyBook,
    case: Case | None = None,
    staff: Staff | None = None,
    counters: Counters | None = None,
    now: datetime = NOW,
) -> Conclusion:
    """The conclusion of the policy; its charges are counted."""
    proposal = assess(case or a_case(), book, staff or a_staff(), now)
    return proposal.conclude(*(counters or Counters()).settle(proposal.charge_options, proposal.probes))


def codes(conclusion: Conclusion) -> list[str]:
    """The codes of its reasons."""
    return [reason.code for reason in conclusion.reasons]
