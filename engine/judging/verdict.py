"""Assess a verdict on an approval (docs/concepts.md, What happens to an escalated request).

In expressions, `agent` is the person who replies. That person's mandates are used, and the budgets of those
mandates are charged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from engine import reasons
from engine.expressions.evaluation import Surroundings
from engine.inputs.reply import ApproveReply, RejectReply, Reply
from engine.judging.budget_warnings import BudgetWatch
from engine.judging.budgets import BudgetUse, Charges, Spender
from engine.judging.candidates import Tried, rows_for, try_candidates
from engine.judging.conclusions import Forbidden, Granted, NotEntitled, Reason, Rejected, VerdictConclusion
from engine.judging.ladder import Ladder
from engine.judging.mandates import Judge
from engine.judging.staff import StaffDirectory, absence_of
from engine.policy.book import PolicyBook
from schemas.approval import Approval
from schemas.case import Case
from schemas.money import parse_amount
from schemas.reply import Verdict
from schemas.staff import StaffMember


@dataclass(frozen=True, slots=True)
class VerdictAssessment:
    """The possible conclusions on a verdict. Only the ledger knows whether the person's budgets have room."""

    answer: NotEntitled | Forbidden | Rejected | Tried
    watch: BudgetWatch

    @property
    def charge_options(self) -> tuple[Charges, ...]:
        """The charge option of each of the person's mandates that has charges, in the order to try them."""
        return self.answer.charge_options if isinstance(self.answer, Tried) else ()

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """The reasons against the verdict that are known without the ledger."""
        return self.answer.shortfalls if isinstance(self.answer, Tried) else self.answer.reasons

    def conclude(self, chosen_option: int = 0, used: Sequence[BudgetUse] = ()) -> VerdictConclusion:
        """The conclusion. For the parameters see :meth:`engine.proposals.proposal.Proposal.render`."""
        if not isinstance(self.answer, Tried):
            return self.answer
        granting, passed, before = self.answer.settled(chosen_option, used)
        if granting is None:
            return NotEntitled(passed)
        warnings = self.watch.warnings(granting.charges, before) if before else ()
        return Granted(granting.mandate.id, self.answer.judge.money, passed, granting.charges, warnings)


def assess_verdict(
    approval: Approval, reply: Reply, *, book: PolicyBook, staff: StaffDirectory
) -> VerdictAssessment:
    """Assess a verdict on an open approval, at the time of the reply."""
    verdict, now = reply.verdict, reply.time
    giver = staff.get(verdict.agent_id)
    watch = BudgetWatch(book, staff, giver)
    if giver is None:
        return VerdictAssessment(NotEntitled((reasons.unknown_agent(verdict.agent_id),)), watch)
    case = approval.case
    judge = Judge(Surroundings(case, giver, now, case.request.money), book.currency)
    ladder = Ladder(case, book, staff, approval.opened_at, now, approval.agent.team, judge)
    not_entitled = _not_entitled(approval, giver, ladder, now)
    if not_entitled is not None:
        return VerdictAssessment(NotEntitled((not_entitled,)), watch)
    match reply:
        case ApproveReply():
            return VerdictAssessment(_assess_approval(case, verdict, giver, book, judge, now), watch)
        case RejectReply():
            return VerdictAssessment(Rejected(), watch)
        case _:
            assert_never(reply)


def _not_entitled(approval: Approval, giver: StaffMember, ladder: Ladder, now: datetime) -> Reason | None:
    """The reason why this person may not answer the approval; None if they may."""
    if giver.agent_id == approval.case.agent_id:
        return reasons.own_request()
    if absence_of(giver, now) is not None:
        return reasons.absent(giver.agent_id)
    if ladder.stood_in(giver):
        return reasons.stood_in(giver.agent_id)
    if not ladder.is_entitled(giver, approval.step):
        return reasons.not_an_approver(giver.agent_id, approval.step)
    return None


def _assess_approval(
    case: Case, verdict: Verdict, giver: StaffMember, book: PolicyBook, judge: Judge, now: datetime
) -> NotEntitled | Forbidden | Tried:
    request = case.request
    money = request.money
    if verdict.amount is not None:
        try:
            money = parse_amount(verdict.amount, request.currency or book.currency)
        except ValueError as flaw:
            return NotEntitled((reasons.amount_unreadable(str(flaw)),))
    if money is not None and money.currency != book.currency:
        return NotEntitled((reasons.currency_not_covered(money.currency, book.currency),))
    judge = judge if money == request.money else judge.of_amount(money)
    applying = _prohibitions(case, giver, book, judge)
    if applying:
        return Forbidden(applying)
    rows = rows_for(book, giver.role, request, case.category)
    if not rows:
        return NotEntitled((reasons.no_mandate(giver.role, request.kind),))
    spender = Spender(case.tenant, giver.agent_id, giver.team, case.customer.id, case.case_id)
    return try_candidates(rows, judge, spender, now, book.zone, verdict.reason)


def _prohibitions(case: Case, giver: StaffMember, book: PolicyBook, judge: Judge) -> tuple[Reason, ...]:
    """The reasons of the prohibitions that apply.

    A prohibition that cannot be evaluated does not count here: a person has looked at the request.
    """
    rows = book.prohibitions_on(case.request.kind, case.category, giver.role)
    return tuple(
        reasons.prohibited(row) for row in rows if row.when is None or judge.condition(row.when) is True
    )
