"""The reasons that the rules give: each function fills in one entry of the catalogue (schemas/reasons)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from engine.expressions.evaluation import Failure
from engine.judging.budgets import Charge
from engine.judging.conclusions import NO_FIGURES, Reason
from engine.policy.book import Mandate, Prohibition
from schemas.money import Money
from schemas.reasons import CATALOGUE
from schemas.withdrawal import Withdrawal

OVER_LIMIT: Final = "over_limit"
AMOUNT_MISSING: Final = "amount_missing"

_SENTENCES: Final = {
    (code, variant): sentence.format
    for code, entry in CATALOGUE.items()
    for variant, sentence in entry.event.items()
}


def prohibited(row: Prohibition) -> Reason:
    """Nobody may grant this, except the roles of `except`. The sentence comes from the policy."""
    figures = {"reason": row.reason}
    if row.named:
        figures["except"] = ", ".join(row.named)
    return _reason("prohibited", prohibition=row.id, figures=figures)


def prohibition_not_judged(row: Prohibition, failure: Failure) -> Reason:
    """The prohibition's `when` cannot be evaluated, so nobody knows whether it applies."""
    return _failed("prohibition", failure, prohibition=row.id)


def unknown_agent(agent_id: str | None) -> Reason:
    """Nobody on the staff has this id."""
    return _reason("unknown_agent", "none" if agent_id is None else "", figures={"agent": agent_id})


def unknown_role(role: str) -> Reason:
    """The agent has a role that the policy does not have."""
    return _reason("unknown_role", figures={"role": role})


def currency_not_covered(currency: str, covered: str) -> Reason:
    """The amount is in a currency other than the policy's."""
    return _reason("currency_not_covered", figures={"currency": currency, "covered": covered})


def no_mandate(role: str, kind: str) -> Reason:
    """No mandate grants this kind to this role, in this category."""
    return _reason("no_mandate", figures={"role": role, "kind": kind})


def condition_not_met(row: Mandate) -> Reason:
    """The mandate's `when` is false."""
    return _of_mandate("condition_not_met", "", row.id)


def condition_failed(row: Mandate, failure: Failure) -> Reason:
    """The mandate's `when` cannot be evaluated."""
    return _failed("condition", failure, mandate=row.id)


def limit_failed(row: Mandate, failure: Failure) -> Reason:
    """The mandate's `limit` cannot be evaluated."""
    return _failed("limit", failure, mandate=row.id)


def amount_missing(row: Mandate) -> Reason:
    """The mandate has a limit or a budget in money, and the request has no amount."""
    return _of_mandate(AMOUNT_MISSING, "budget" if row.limit is None else "limit", row.id)


def over_limit(row: Mandate, amount: Money, limit: Money) -> Reason:
    """The amount is above the mandate's limit."""
    figures = {"limit": limit.text, "amount": amount.text, "currency": limit.currency}
    return _reason(OVER_LIMIT, mandate=row.id, figures=figures)


def budget_exhausted(
    row: Mandate, charge: Charge, used: int, asked: Money | None, renews_at: datetime | None, zone: ZoneInfo
) -> Reason:
    """A budget has no room. It has room again at `renews_at`; None if the amount is above the cap.

    The figures have the time zone of the window, so that people can be told the local day.
    `left` is money as a decimal string, or a count. It is never negative, even after a cap is lowered.
    """
    renewed = None if renews_at is None else renews_at.isoformat().replace("+00:00", "Z")
    left = max(0, charge.cap - used)
    figures: dict[str, str | int | None] = {"budget": charge.budget.id, "left": left, "renews_at": renewed}
    figures["timezone"] = zone.key
    variant = "count"
    if charge.budget.cap is not None and asked is not None:
        variant = "money"
        figures |= {
            "left": Money(left, asked.currency).text,
            "amount": asked.text,
            "currency": asked.currency,
        }
    if renewed is None:
        variant += ".never"
    return _reason("budget_exhausted", variant, mandate=row.id, figures=figures, scope=charge.scope)


def discretion_needs_reason(row: Mandate) -> Reason:
    """The mandate is at discretion, but the request gives no reason."""
    return _of_mandate("discretion_needs_reason", "", row.id)


def nobody_may_grant(steps: tuple[str, ...]) -> Reason:
    """No person on the ladder has a mandate that covers the request."""
    return _reason("nobody_may_grant", figures={"steps": ", ".join(steps)})


def own_request() -> Reason:
    """Nobody may answer their own request."""
    return _reason("own_request")


def absent(agent_id: str) -> Reason:
    """An absent person may not answer."""
    return _reason("absent", figures={"agent": agent_id})


def stood_in(agent_id: str) -> Reason:
    """Nobody may answer a request of somebody for whom they stood in."""
    return _reason("stood_in", figures={"agent": agent_id})


def not_an_approver(agent_id: str, step: str) -> Reason:
    """This person is not among the people who may answer the approval."""
    return _reason("not_an_approver", figures={"agent": agent_id, "step": step})


def amount_unreadable(flaw: str) -> Reason:
    """The verdict approves an amount that is not valid in the currency."""
    return _reason("amount_unreadable", figures={"error": flaw})


def withdrawn(asked: Withdrawal) -> Reason:
    """The request was withdrawn. The reason of the withdrawal is optional."""
    figures = {"agent": asked.agent_id, "reason": asked.reason}
    return _reason("withdrawn", "reason" if asked.reason else "", figures=figures)


@lru_cache(maxsize=10_000)  # nearly every case has the same few reasons
def _of_mandate(code: str, variant: str, mandate: str) -> Reason:
    """A reason without figures."""
    return _reason(code, variant, mandate=mandate)


def _failed(
    variant: str, failure: Failure, *, mandate: str | None = None, prohibition: str | None = None
) -> Reason:
    """An expression cannot be evaluated: a fact is missing, or evaluation failed."""
    code, figures = "condition_error", {"error": failure.error}
    if failure.fact is not None:
        code, figures = "fact_missing", {"fact": failure.fact}
    return _reason(
        code, variant, mandate=mandate, prohibition=prohibition, figures=figures, error=failure.error
    )


def _reason(
    code: str,
    variant: str = "",
    *,
    mandate: str | None = None,
    prohibition: str | None = None,
    figures: Mapping[str, str | int | None] = NO_FIGURES,
    **more: str,
) -> Reason:
    """The reason, with the catalogue's event sentence for this variant. Only the sentence uses `more`."""
    values = {"mandate": mandate, "prohibition": prohibition, **figures, **more}
    return Reason(code, _SENTENCES[code, variant](**values), mandate, prohibition, figures)
