"""What a verdict on an approval may do (DESIGN.md, Policy 8).

Expressions are judged with the one who answers as `agent`: it is their own mandates that are used, and the
budgets of those that are charged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from engine import reasons
from engine.expressions.evaluation import Surroundings
from engine.judging.budgets import BudgetUse, Charges, Spender
from engine.judging.candidates import Tried, rows_for, try_candidates
from engine.judging.conclusions import Reason
from engine.judging.ladder import Ladder
from engine.judging.mandates import Judge
from engine.judging.staff import StaffDirectory, absence_of
from engine.policy.book import PolicyBook
from schemas.approval import Approval
from schemas.case import Case
from schemas.money import Money, parse_amount
from schemas.reply import Verdict
from schemas.staff import StaffMember


@dataclass(frozen=True, slots=True)
class Allowed:
    """The verdict counts. `mandate`, `money`, the mandates passed over and the charges are of an approval."""

    mandate: str | None = None
    money: Money | None = None
    reasons: tuple[Reason, ...] = ()
    charges: Charges = ()


@dataclass(frozen=True, slots=True)
class NotEntitled:
    """The one who answered may not give this verdict; nothing changes."""

    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Forbidden:
    """What was approved is prohibited: the request is refused."""

    reasons: tuple[Reason, ...]


VerdictConclusion: TypeAlias = Allowed | NotEntitled | Forbidden


@dataclass(frozen=True, slots=True)
class VerdictAssessment:
    """What a verdict may come to: for an approval it depends on the room in the giver's own budgets."""

    answer: NotEntitled | Forbidden | Allowed | Tried

    @property
    def charge_options(self) -> tuple[Charges, ...]:
        """What each of the giver's mandates charges that does charge something, in the order to try them."""
        return self.answer.charge_options if isinstance(self.answer, Tried) else ()

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Why it is not simply allowed, as far as it can be told without the ledger."""
        return self.answer.shortfalls if isinstance(self.answer, Tried) else self.answer.reasons

    def conclude(self, chosen_option: int = 0, used: Sequence[BudgetUse] = ()) -> VerdictConclusion:
        """What is concluded where the ledger took this one of `charge_options`, from 1, or none of them."""
        if not isinstance(self.answer, Tried):
            return self.answer
        granting, passed = self.answer.settled(chosen_option, used)
        if granting is None:
            return NotEntitled(passed)
        return Allowed(granting.mandate.id, self.answer.judge.money, passed, granting.charges)


def assess_verdict(
    approval: Approval,
    verdict: Verdict,
    *,
    approves: bool,
    book: PolicyBook,
    staff: StaffDirectory,
    now: datetime,
) -> VerdictAssessment:
    """What a verdict on an open approval may come to."""
    giver = staff.get(verdict.agent_id)
    if giver is None:
        return VerdictAssessment(NotEntitled((reasons.unknown_agent(verdict.agent_id),)))
    case = approval.case
    judge = Judge(Surroundings(case, giver, now, case.request.money), book.currency)
    ladder = Ladder(case, book, staff, now, approval.agent.team, judge)
    shut_out = _shut_out(approval, giver, ladder, now)
    if shut_out is not None:
        return VerdictAssessment(NotEntitled((shut_out,)))
    if not approves:
        return VerdictAssessment(Allowed())
    return VerdictAssessment(_weigh_approval(case, verdict, giver, book, judge, now))


def _shut_out(approval: Approval, giver: StaffMember, ladder: Ladder, now: datetime) -> Reason | None:
    """Why this person may not answer at all."""
    if giver.agent_id == approval.case.agent_id:
        return reasons.own_request()
    if absence_of(giver, now) is not None:
        return reasons.absent(giver.agent_id)
    if all(giver.agent_id != person.agent_id for person in ladder.entitled(approval.step)):
        return reasons.not_an_approver(giver.agent_id, approval.step)
    return None


def _weigh_approval(
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
    spender = Spender(case.tenant, giver.agent_id, giver.team, case.customer.id)
    return try_candidates(rows, judge, spender, now, book.zone, verdict.reason)


def _prohibitions(case: Case, giver: StaffMember, book: PolicyBook, judge: Judge) -> tuple[Reason, ...]:
    """Those that apply. One that cannot be judged is why a person looks: it does not bind them."""
    rows = book.prohibitions_on(case.request.kind, case.category, giver.role)
    return tuple(
        reasons.prohibited(row) for row in rows if row.when is None or judge.condition(row.when) is True
    )
