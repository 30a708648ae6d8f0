"""Every reason that a decision gives: its code, its sentence and its figures (DESIGN.md, Policy 1 to 4)."""

from __future__ import annotations

from schemas.money import Money
from services.rules.core.expressions.evaluation import Failure
from services.rules.core.policy.book import Mandate, Prohibition
from services.rules.core.proposals import Reason


def prohibited(row: Prohibition) -> Reason:
    """Nobody may grant this; the sentence is the policy's own."""
    return Reason("prohibited", row.reason, prohibition=row.id, figures={"reason": row.reason})


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
    """It has a limit, and the request no amount."""
    text = f"Mandate {row.id} has a limit, and the request names no amount."
    return Reason("amount_missing", text, mandate=row.id)


def over_limit(row: Mandate, amount: Money, limit: Money) -> Reason:
    """More is asked than it lets grant."""
    text = f"Mandate {row.id} goes up to {limit.text} {limit.currency}, and {amount.text} is asked."
    figures = {"limit": limit.text, "amount": amount.text, "currency": limit.currency}
    return Reason("over_limit", text, mandate=row.id, figures=figures)


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


def _of_failure(beginning: str, failure: Failure) -> Reason:
    text = f"{beginning}: {failure.error}."
    if failure.fact is not None:
        return Reason("fact_missing", text, figures={"fact": failure.fact})
    return Reason("condition_error", text, figures={"error": failure.error})
