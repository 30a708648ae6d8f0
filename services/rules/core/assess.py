"""Judge a request by a policy: the checks in order, the first that answers wins (DESIGN.md, Policy)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from schemas.case import Case
from schemas.money import Money
from schemas.staff import StaffMember
from services.rules.core import reasons
from services.rules.core.expressions.evaluation import Surroundings
from services.rules.core.mandates import Judge
from services.rules.core.policy.book import PolicyBook
from services.rules.core.proposals import Approved, Asker, Escalated, Proposal, Reason, Refused, Variant
from services.rules.core.staff import StaffDirectory


class Hearing:
    """One request with all it is judged by."""

    __slots__ = ("agent", "book", "case", "judge", "money")

    def __init__(
        self, case: Case, book: PolicyBook, agent: StaffMember | None, now: datetime, money: Money | None
    ) -> None:
        self.case = case
        self.book = book
        self.agent = agent
        self.money = money
        self.judge = Judge(Surroundings(case, agent, now, money), book.currency)


def prohibited(hearing: Hearing) -> Refused | Escalated | None:
    """Refused by every prohibition that applies; escalated where one cannot be judged and none refuses."""
    case, agent = hearing.case, hearing.agent
    rows = hearing.book.prohibitions_on(
        case.request.kind, case.category, None if agent is None else agent.role
    )
    applying: list[Reason] = []
    unjudged: list[Reason] = []
    for row in rows:
        applies = True if row.when is None else hearing.judge.condition(row.when)
        if applies is True:
            applying.append(reasons.prohibited(row))
        elif applies is not False:
            unjudged.append(reasons.prohibition_not_judged(row, applies))
    if applying:
        return Refused(tuple(applying))
    return Escalated(tuple(unjudged)) if unjudged else None


def by_nobody_known(hearing: Hearing) -> Escalated | None:
    """Escalated where the agent is not of the staff, or has a role that the policy does not know."""
    agent = hearing.agent
    if agent is None:
        return Escalated((reasons.unknown_agent(hearing.case.agent_id),))
    if agent.role not in hearing.book.roles:
        return Escalated((reasons.unknown_role(agent.role),))
    return None


def in_another_currency(hearing: Hearing) -> Escalated | None:
    """Escalated where the request is in a currency other than the policy's."""
    currency, covered = hearing.case.request.currency, hearing.book.currency
    if currency is None or currency == covered:
        return None
    return Escalated((reasons.currency_not_covered(currency, covered),))


def by_mandate(hearing: Hearing) -> Approved | Escalated:
    """Approved by the first candidate that covers the request; else escalated with a reason for each."""
    case, book, judge = hearing.case, hearing.book, hearing.judge
    role = "" if hearing.agent is None else hearing.agent.role
    candidates = book.candidates(role, case.request.kind, case.category)
    passed: list[Reason] = []
    for row in candidates:
        shortfall = judge.shortfall(row)
        if shortfall is None:
            return Approved(row.id, tuple(passed))
        passed.append(shortfall)
    if not candidates:
        return Escalated((reasons.no_mandate(role, case.request.kind),))
    over = [row for row, reason in zip(candidates, passed, strict=True) if reason.code == "over_limit"]
    offers = [offer for row in over if (offer := judge.offer(row)) is not None]
    return Escalated(tuple(passed), max(offers, default=None, key=lambda offer: offer.minor))


Check = Callable[[Hearing], Variant | None]
CHECKS: Final[tuple[Check, ...]] = (prohibited, by_nobody_known, in_another_currency, by_mandate)


def assess(case: Case, book: PolicyBook, staff: StaffDirectory, now: datetime) -> Proposal:
    """What may be concluded on the request in this case, `now` being the time of case.submitted."""
    agent = None if case.agent_id is None else staff.get(case.agent_id)
    hearing = Hearing(case, book, agent, now, case.request.money)
    asker = Asker(None, None) if agent is None else Asker(agent.role, agent.team)
    variant = next(answer for check in CHECKS if (answer := check(hearing)) is not None)
    return Proposal((variant,), asker, book.ref)
