"""Every reason that a decision gives: its code, its sentence and its figures (DESIGN.md, Policy 1 to 4)."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from engine.expressions.evaluation import Failure
from engine.judging.budgets import Charge
from engine.judging.conclusions import Reason
from engine.policy.book import Mandate, Prohibition
from schemas.money import Money
from schemas.withdrawal import Withdrawal

OVER_LIMIT: Final = "over_limit"


def prohibited(row: Prohibition) -> Reason:
    """Nobody may grant this but whom `except` names; the sentence is the policy's own."""
    figures = {"reason": row.reason}
    if row.named:
        figures["except"] = ", ".join(row.named)
    return Reason("prohibited", row.reason, prohibition=row.id, figures=figures)


def prohibition_not_judged(row: Prohibition, failure: Failure) -> Reason:
    """Whether it is prohibited cannot be told."""
    return _of_failure(f"Prohibition {row.id} cannot be judged", failure)._replace(prohibition=row.id)


def unknown_agent(agent_id: str | None) -> Reason:
    """Nobody of the staff has that id."""
    text = "The case names no agent." if agent_id is None else f"Nobody of the staff has the id {agent_id}."
    return Reason("unknown_agent", text, figures={"agent": agent_id})


def unknown_role(role: str) -> Reason:
    """The agent has a role that the policy does not know."""
    return Reason("unknown_role", f"The policy knows no role {role}.", figures={"role": role})


def currency_not_covered(currency: str, covered: str) -> Reason:
    """The amount is in a currency other than the policy's."""
    text = f"The policy's amounts are in {covered}, and the request is in {currency}."
    return Reason("currency_not_covered", text, figures={"currency": currency, "covered": covered})


def no_mandate(role: str, kind: str) -> Reason:
    """No mandate grants this kind to this role, in this category."""
    text = f"No mandate lets the role {role} grant {kind} in this case."
    return Reason("no_mandate", text, figures={"role": role, "kind": kind})


def condition_not_met(row: Mandate) -> Reason:
    """Its `when` came out false."""
    return Reason(
        "condition_not_met", f"Mandate {row.id} does not apply: its condition is not met.", mandate=row.id
    )


def condition_failed(row: Mandate, failure: Failure) -> Reason:
    """Its `when` did not come out."""
    return _of_failure(f"The condition of mandate {row.id} cannot be judged", failure)._replace(
        mandate=row.id
    )


def limit_failed(row: Mandate, failure: Failure) -> Reason:
    """Its `limit` did not come out."""
    return _of_failure(f"The limit of mandate {row.id} cannot be worked out", failure)._replace(
        mandate=row.id
    )


def amount_missing(row: Mandate) -> Reason:
    """It has a limit or a budget in money, and the request no amount."""
    has = "a limit" if row.limit is not None else "a budget in money"
    text = f"Mandate {row.id} has {has}, and the request names no amount."
    return Reason("amount_missing", text, mandate=row.id)


def over_limit(row: Mandate, amount: Money, limit: Money) -> Reason:
    """More is asked than it lets grant."""
    text = f"Mandate {row.id} goes up to {limit.text} {limit.currency}, and {amount.text} is asked."
    figures = {"limit": limit.text, "amount": amount.text, "currency": limit.currency}
    return Reason(OVER_LIMIT, text, mandate=row.id, figures=figures)


def budget_exhausted(
    row: Mandate, charge: Charge, used: int, asked: Money | None, renews_at: datetime | None, zone: ZoneInfo
) -> Reason:
    """A budget has no room for it. `left` was left, and its window gives room again at `renews_at`, if ever.

    `timezone` is that of the window, so that people can be told the day as they know it.
    `left` is money as a decimal string, or a count; also where a lowered cap is overdrawn it is not negative.
    """
    renewed = None if renews_at is None else renews_at.isoformat().replace("+00:00", "Z")
    left = max(0, charge.cap - used)
    figures: dict[str, str | int | None] = {"budget": charge.budget.id, "left": left, "renews_at": renewed}
    figures["timezone"] = zone.key
    if charge.budget.cap is not None and asked is not None:
        money = Money(left, asked.currency)
        figures |= {"left": money.text, "amount": asked.text, "currency": asked.currency}
        what = f"{money.text} {asked.currency} left, and {asked.text} is asked"
    else:
        what = f"{left} left"
    again = "not for so much at any time" if renewed is None else f"not before {renewed}"
    text = f"Mandate {row.id}: budget {charge.budget.id} of {charge.scope} has {what}; {again}."
    return Reason("budget_exhausted", text, mandate=row.id, figures=figures)


def discretion_needs_reason(row: Mandate) -> Reason:
    """It is a step outside the frame, and nobody says why."""
    text = f"Mandate {row.id} is for discretion, and discretion needs a reason."
    return Reason("discretion_needs_reason", text, mandate=row.id)


def nobody_may_grant(steps: tuple[str, ...]) -> Reason:
    """No step of the ladder has anybody whose mandate covers the request."""
    text = f"Nobody on the ladder ({', '.join(steps)}) may grant this."
    return Reason("nobody_may_grant", text, figures={"steps": ", ".join(steps)})


def own_request() -> Reason:
    """Nobody answers what they asked themselves."""
    return Reason("own_request", "Who asked for it cannot answer it.")


def absent(agent_id: str) -> Reason:
    """Who is away does not answer."""
    return Reason("absent", f"{agent_id} is absent at this moment.", figures={"agent": agent_id})


def not_an_approver(agent_id: str, step: str) -> Reason:
    """Somebody else's turn."""
    text = f"{agent_id} is not one of those who may answer as {step} here."
    return Reason("not_an_approver", text, figures={"agent": agent_id, "step": step})


def amount_unreadable(flaw: str) -> Reason:
    """The other amount that was approved is none."""
    return Reason("amount_unreadable", f"The amount cannot be read: {flaw}.", figures={"error": flaw})


def withdrawn(asked: Withdrawal) -> Reason:
    """It was taken back, with whatever was said of it."""
    text = f"It was withdrawn: {asked.reason}" if asked.reason else "It was withdrawn."
    return Reason("withdrawn", text, figures={"agent": asked.agent_id, "reason": asked.reason})


def _of_failure(beginning: str, failure: Failure) -> Reason:
    text = f"{beginning}: {failure.error}."
    if failure.fact is not None:
        return Reason("fact_missing", text, figures={"fact": failure.fact})
    return Reason("condition_error", text, figures={"error": failure.error})
