"""Judge a request by a policy: the checks in order, the first that answers wins (DESIGN.md, Policy)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypeAlias

from engine import reasons
from engine.expressions.evaluation import Surroundings
from engine.judging.budgets import BudgetUse, Charges, Spender
from engine.judging.candidates import Tried, rows_for, try_candidates
from engine.judging.conclusions import Approved, Conclusion, Escalated, Reason, Refused, Requester
from engine.judging.ladder import Ladder
from engine.judging.mandates import Judge
from engine.judging.staff import StaffDirectory
from engine.policy.book import PolicyBook, PolicyName
from schemas.case import Case
from schemas.model import cached
from schemas.money import Money
from schemas.staff import StaffMember


class RequestContext:
    """One request with all it is judged by."""

    __slots__ = ("agent", "book", "case", "judge", "now", "prohibitions")

    def __init__(
        self, case: Case, book: PolicyBook, agent: StaffMember | None, now: datetime, money: Money | None
    ) -> None:
        self.case = case
        self.book = book
        self.agent = agent
        self.now = now
        self.judge = Judge(Surroundings(case, agent, now, money), book.currency)
        role = None if agent is None else agent.role
        self.prohibitions = book.prohibitions_on(case.request.kind, case.category, role)


def prohibited(context: RequestContext) -> Refused | Escalated | None:
    """Refused by every prohibition that applies; escalated where one cannot be judged and none refuses."""
    applying: list[Reason] = []
    unjudged: list[Reason] = []
    for row in context.prohibitions:
        applies = True if row.when is None else context.judge.condition(row.when)
        if applies is True:
            applying.append(reasons.prohibited(row))
        elif applies is not False:
            unjudged.append(reasons.prohibition_not_judged(row, applies))
    if applying:
        return Refused(tuple(applying))
    return Escalated(tuple(unjudged)) if unjudged else None


def by_nobody_known(context: RequestContext) -> Escalated | None:
    """Escalated where the agent is not of the staff, or has a role that the policy does not know."""
    agent = context.agent
    if agent is None:
        return Escalated((reasons.unknown_agent(context.case.agent_id),))
    if agent.role not in context.book.roles:
        return Escalated((reasons.unknown_role(agent.role),))
    return None


def in_another_currency(context: RequestContext) -> Escalated | None:
    """Escalated where the request is in a currency other than the policy's."""
    currency, covered = context.case.request.currency, context.book.currency
    if currency is None or currency == covered:
        return None
    return Escalated((reasons.currency_not_covered(currency, covered),))


def by_mandate(context: RequestContext) -> Tried:
    """The candidates: the first that covers the request and has room in its budgets approves it."""
    case, book, agent = context.case, context.book, context.agent
    role, team = ("", "") if agent is None else (agent.role, agent.team)
    rows = rows_for(book, role, case.request, case.category)
    spender = Spender(case.tenant, case.agent_id or "", team, case.customer.id)
    tried = try_candidates(rows, context.judge, spender, context.now, book.zone, case.request.reason)
    if not rows:
        return tried._replace(candidates=(reasons.no_mandate(role, case.request.kind),))
    whens = (row.when for row in context.prohibitions)
    barring = tuple(when for when in whens if when is not None and when.names_amount)
    return tried._replace(barring=barring) if barring else tried


Answer: TypeAlias = Refused | Escalated | Tried
Check = Callable[[RequestContext], Answer | None]
CHECKS: Final[tuple[Check, ...]] = (prohibited, by_nobody_known, in_another_currency, by_mandate)


@dataclass(frozen=True)
class RequestAssessment:
    """What may be concluded on a request: it depends on the room in the budgets, which the ledger knows."""

    answer: Answer
    requester: Requester
    policy: PolicyName
    context: RequestContext = field(repr=False, compare=False)
    staff: StaffDirectory = field(repr=False, compare=False)

    @cached
    def ladder(self) -> Ladder:
        """Who may be asked, if it is escalated: they are looked for only then."""
        case, book, now, judge = self.context.case, self.context.book, self.context.now, self.context.judge
        return Ladder(case, book, self.staff, now, self.requester.team, judge)

    @property
    def charge_options(self) -> tuple[Charges, ...]:
        """What each candidate charges that does charge something, in the order to try them."""
        return self.answer.charge_options if isinstance(self.answer, Tried) else ()

    @property
    def probes(self) -> Charges:
        """The charges whose room is of interest where nothing was taken."""
        return self.answer.probes if isinstance(self.answer, Tried) else ()

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Why it is not simply approved, as far as it can be told without the ledger."""
        return self.answer.shortfalls if isinstance(self.answer, Tried) else self.answer.reasons

    def conclude(self, chosen_option: int = 0, used: Sequence[BudgetUse] = ()) -> Conclusion:
        """What is concluded where the ledger took this one of `charge_options`, from 1, or none of them."""
        match self.answer:
            case Refused():
                return self.answer
            case Escalated(why):
                return self._escalated(why, None)
            case tried:
                granting, passed = tried.settled(chosen_option, used)
                if granting is None:
                    return self._escalated(passed, tried.on_the_spot(used))
                row = granting.mandate
                return Approved(
                    row.id, passed, granting.charges, "mandate" if row.discretion is None else "discretion"
                )

    def _escalated(self, why: tuple[Reason, ...], on_the_spot: Money | None) -> Escalated | Refused:
        """Escalated to whoever may grant it; where nobody may, the policy may want it refused."""
        asked = self.ladder.asked
        if asked is None:
            return Refused((*why, reasons.nobody_may_grant(self.ladder.steps)), "ladder")
        return Escalated(why, on_the_spot, *asked)


def assess(case: Case, book: PolicyBook, staff: StaffDirectory, now: datetime) -> RequestAssessment:
    """What may be concluded on the request in this case, `now` being the time of case.submitted."""
    agent = None if case.agent_id is None else staff.get(case.agent_id)
    context = RequestContext(case, book, agent, now, case.request.money)
    requester = Requester(None, None) if agent is None else Requester(agent.role, agent.team)
    answer = next(answer for check in CHECKS if (answer := check(context)) is not None)
    return RequestAssessment(answer, requester, book.ref, context, staff)
