"""Judge a request: the first check with an answer wins (docs/policy.md, How a request is judged)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypeAlias, assert_never

from engine import reasons
from engine.expressions.evaluation import Surroundings
from engine.judging.budget_warnings import BudgetWatch
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
    """One request, with the policy and the facts that it is judged by."""

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
    """Refused if a prohibition applies. Escalated if none applies, but one cannot be evaluated."""
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


def by_unknown_agent(context: RequestContext) -> Escalated | None:
    """Escalated if the agent is not on the staff, or has a role that the policy does not have."""
    agent = context.agent
    if agent is None:
        return Escalated((reasons.unknown_agent(context.case.agent_id),))
    if agent.role not in context.book.roles:
        return Escalated((reasons.unknown_role(agent.role),))
    return None


def in_another_currency(context: RequestContext) -> Escalated | None:
    """Escalated if the request is in another currency than the policy."""
    currency, covered = context.case.request.currency, context.book.currency
    if currency is None or currency == covered:
        return None
    return Escalated((reasons.currency_not_covered(currency, covered),))


def by_mandate(context: RequestContext) -> Tried:
    """The candidates, tried in order. The first that covers the request and has room approves it."""
    case, book, agent = context.case, context.book, context.agent
    role, team = ("", "") if agent is None else (agent.role, agent.team)
    rows = rows_for(book, role, case.request, case.category)
    spender = Spender(case.tenant, case.agent_id or "", team, case.customer.id, case.case_id)
    tried = try_candidates(rows, context.judge, spender, context.now, book.zone, case.request.reason)
    if not rows:
        return tried._replace(candidates=(reasons.no_mandate(role, case.request.kind),))
    whens = (row.when for row in context.prohibitions)
    prohibiting = tuple(when for when in whens if when is not None and when.names_amount)
    return tried._replace(prohibiting=prohibiting) if prohibiting else tried


Answer: TypeAlias = Refused | Escalated | Tried
Check = Callable[[RequestContext], Answer | None]
CHECKS: Final[tuple[Check, ...]] = (prohibited, by_unknown_agent, in_another_currency, by_mandate)


@dataclass(frozen=True)
class RequestAssessment:
    """The possible conclusions on a request. Only the ledger knows whether its budgets have room."""

    answer: Answer
    requester: Requester
    policy: PolicyName
    context: RequestContext = field(repr=False, compare=False)
    staff: StaffDirectory = field(repr=False, compare=False)

    @cached
    def ladder(self) -> Ladder:
        """The people who may be asked. The ladder is made only for an escalated request."""
        case, book, now, judge = self.context.case, self.context.book, self.context.now, self.context.judge
        return Ladder(case, book, self.staff, now, now, self.requester.team, judge)

    @property
    def charge_options(self) -> tuple[Charges, ...]:
        """The charge option of each candidate that has charges, in the order to try them."""
        return self.answer.charge_options if isinstance(self.answer, Tried) else ()

    @property
    def probes(self) -> Charges:
        """The charges that the ledger looks at if no option had room."""
        return self.answer.probes if isinstance(self.answer, Tried) else ()

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """The reasons against approving it that are known without the ledger."""
        return self.answer.shortfalls if isinstance(self.answer, Tried) else self.answer.reasons

    def conclude(self, chosen_option: int = 0, used: Sequence[BudgetUse] = ()) -> Conclusion:
        """The conclusion. For the parameters see :meth:`engine.proposals.proposal.Proposal.render`."""
        match self.answer:
            case Refused():
                return self.answer
            case Escalated(why):
                return self._escalated(why, None)
            case Tried() as tried:
                granting, passed, before = tried.settled(chosen_option, used)
                if granting is None:
                    return self._escalated(passed, tried.on_the_spot(used))
                row = granting.mandate
                watch = BudgetWatch(self.context.book, self.staff, self.context.agent)
                warnings = watch.warnings(granting.charges, before) if before else ()
                return Approved(
                    row.id,
                    passed,
                    granting.charges,
                    "mandate" if row.discretion is None else "discretion",
                    warnings,
                )
            case _:
                assert_never(self.answer)

    def _escalated(self, why: tuple[Reason, ...], on_the_spot: Money | None) -> Escalated | Refused:
        """Escalated to the step that is asked; refused if there is none (`when_nobody: refuse`)."""
        asked = self.ladder.asked
        if asked is None:
            return Refused((*why, reasons.nobody_may_grant(self.ladder.steps)), "ladder")
        return Escalated(why, on_the_spot, asked.step, asked.approvers, self.ladder.told)


def assess(case: Case, book: PolicyBook, staff: StaffDirectory, now: datetime) -> RequestAssessment:
    """Assess the request in this case; `now` is the time of case.submitted."""
    agent = None if case.agent_id is None else staff.get(case.agent_id)
    context = RequestContext(case, book, agent, now, case.request.money)
    requester = Requester(None, None) if agent is None else Requester(agent.role, agent.team)
    answer = next(answer for check in CHECKS if (answer := check(context)) is not None)
    return RequestAssessment(answer, requester, book.ref, context, staff)
