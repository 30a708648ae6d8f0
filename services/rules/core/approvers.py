"""Who may answer an approval, and what their verdict may do (DESIGN.md, Policy 8).

Expressions are judged with the one who answers as `agent`: it is their own mandate that is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from schemas.approval import Approval
from schemas.case import Case
from schemas.money import Money, parse_amount
from schemas.reply import Verdict
from schemas.staff import StaffMember
from services.rules.core import reasons
from services.rules.core.expressions.evaluation import Surroundings
from services.rules.core.mandates import Judge
from services.rules.core.policy.book import PolicyBook
from services.rules.core.proposals import Reason
from services.rules.core.staff import StaffDirectory, absence_of


@dataclass(frozen=True, slots=True)
class Allowed:
    """The verdict counts. `mandate` and `money` are of an approval; a rejection has neither."""

    mandate: str | None
    money: Money | None


@dataclass(frozen=True, slots=True)
class NotEntitled:
    """The one who answered may not give this verdict; nothing changes."""

    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Forbidden:
    """What was approved is prohibited: the request is refused."""

    reasons: tuple[Reason, ...]


def find_approvers(
    case: Case, book: PolicyBook, staff: StaffDirectory, now: datetime, team: str | None
) -> tuple[str, ...]:
    """The ids of those who may answer: of the asking agent's `team` where it has any, else of all teams.

    Where the mandates of none of them cover the request, a person looks all the same: whoever has the step's
    role may reject it, or approve what their own mandate covers.
    """
    teams = (team, None) if team is not None else (None,)
    present = [_present(case, book, staff, now, one) for one in teams]
    able = [[person for person in people if _covers(person, case, book, now)] for people in present]
    chosen = next((people for people in (*able, *present) if people), ())
    return tuple(sorted(person.agent_id for person in chosen))


def judge_verdict(
    approval: Approval,
    verdict: Verdict,
    *,
    approves: bool,
    book: PolicyBook,
    staff: StaffDirectory,
    now: datetime,
) -> Allowed | NotEntitled | Forbidden:
    """What a verdict on an open approval comes to."""
    giver = staff.get(verdict.agent_id)
    if giver is None:
        return NotEntitled((reasons.unknown_agent(verdict.agent_id),))
    shut_out = _shut_out(approval, giver, book, staff, now)
    if shut_out is not None:
        return NotEntitled((shut_out,))
    if not approves:
        return Allowed(mandate=None, money=None)
    return _judge_approval(approval.case, verdict.amount, giver, book, now)


def _shut_out(
    approval: Approval, giver: StaffMember, book: PolicyBook, staff: StaffDirectory, now: datetime
) -> Reason | None:
    """Why this person may not answer at all."""
    if giver.agent_id == approval.case.agent_id:
        return reasons.own_request()
    if absence_of(giver, now) is not None:
        return reasons.absent(giver.agent_id)
    if giver.agent_id not in find_approvers(approval.case, book, staff, now, approval.agent.team):
        return reasons.not_an_approver(giver.agent_id, book.step)
    return None


def _judge_approval(
    case: Case, amount: str | None, giver: StaffMember, book: PolicyBook, now: datetime
) -> Allowed | NotEntitled | Forbidden:
    money = case.request.money
    if amount is not None:
        try:
            money = parse_amount(amount, case.request.currency or book.currency)
        except ValueError as flaw:
            return NotEntitled((reasons.amount_unreadable(str(flaw)),))
    if money is not None and money.currency != book.currency:
        return NotEntitled((reasons.currency_not_covered(money.currency, book.currency),))
    judge = Judge(Surroundings(case, giver, now, money), book.currency)
    applying = _prohibitions(case, giver, book, judge)
    if applying:
        return Forbidden(applying)
    passed: list[Reason] = []
    for row in book.candidates(giver.role, case.request.kind, case.category):
        shortfall = judge.shortfall(row)
        if shortfall is None:
            return Allowed(row.id, money)
        passed.append(shortfall)
    return NotEntitled(tuple(passed) or (reasons.no_mandate(giver.role, case.request.kind),))


def _prohibitions(case: Case, giver: StaffMember, book: PolicyBook, judge: Judge) -> tuple[Reason, ...]:
    """Those that apply. One that cannot be judged is why a person looks: it does not bind them."""
    rows = book.prohibitions_on(case.request.kind, case.category, giver.role)
    return tuple(
        reasons.prohibited(row) for row in rows if row.when is None or judge.condition(row.when) is True
    )


def _present(
    case: Case, book: PolicyBook, staff: StaffDirectory, now: datetime, team: str | None
) -> list[StaffMember]:
    """Who has the step's role, or stands in for somebody who has it; never who asked."""
    present = {
        person.agent_id: person
        for holder in staff.with_roles(book.roles[book.step], team)
        if (person := _standing_in(holder, staff, now)) is not None and person.agent_id != case.agent_id
    }
    return list(present.values())


def _standing_in(holder: StaffMember, staff: StaffDirectory, now: datetime) -> StaffMember | None:
    """The person, or who stands in for them while they are away; None where nobody is there."""
    seen: set[str] = set()
    person: StaffMember | None = holder
    while person is not None and person.agent_id not in seen:
        absence = absence_of(person, now)
        if absence is None:
            return person
        seen.add(person.agent_id)
        person = None if absence.delegate is None else staff.get(absence.delegate)
    return None


def _covers(person: StaffMember, case: Case, book: PolicyBook, now: datetime) -> bool:
    if case.request.currency not in (None, book.currency):
        return False
    rows = book.candidates(person.role, case.request.kind, case.category)
    judge = Judge(Surroundings(case, person, now, case.request.money), book.currency)
    return any(judge.shortfall(row) is None for row in rows)
