"""The reference model of a decision, in the plainest code, written only from docs/policy.md.

Policies, staff and cases are plain JSON values. It shares no code with the engine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple

from tests.laws.charges import DECIMALS, Charge, Json
from tests.laws.ladder import Ladder, absence, find
from tests.laws.mandate_checks import MandateCheck, Reason, candidates


@dataclass(frozen=True)
class ReferenceDecision:
    """A decision; or, with outcome `not_entitled`, the refusal of a verdict that a person may not give."""

    outcome: str
    by: str | None = None
    mandate: str | None = None
    reasons: Sequence[Reason] = ()
    charges: Sequence[Charge] = ()
    on_the_spot: str | None = None
    step: str | None = None
    approvers: Sequence[str] = ()
    amount: str | None = field(default=None, compare=False)


class Waiting(NamedTuple):
    """An escalated request that waits for a person, the team of the asking agent, and when it was made."""

    case: Json
    team: str | None
    step: str
    since: datetime


def decide(
    policy: Json, staff: Sequence[Json], charges: Sequence[Charge], case: Json, now: datetime
) -> ReferenceDecision:
    """The first decision on the request of a case, submitted at `now`."""
    request, person = case["request"], find(staff, case.get("agent_id"))
    check = MandateCheck(policy, charges, case, person, now, request.get("amount"), request.get("reason"))
    ladder = Ladder(policy, staff, case, None if person is None else person["team"], now, now)
    applying, unjudged = check.prohibitions()
    if applying:
        return ReferenceDecision("refused", "prohibition", reasons=applying)
    if unjudged:
        return _escalated(ladder, unjudged)
    if person is None:
        return _escalated(ladder, [Reason("unknown_agent")])
    if person["role"] not in policy["roles"]:
        return _escalated(ladder, [Reason("unknown_role")])
    if request.get("currency") not in (None, policy["currency"]):
        return _escalated(ladder, [Reason("currency_not_covered")])
    rows = candidates(policy, person["role"], case)
    granted = _granted(check, rows)
    if isinstance(granted, ReferenceDecision):
        return granted
    return _escalated(ladder, granted or [Reason("no_mandate")], check.on_the_spot(rows))


def _granted(check: MandateCheck, rows: Sequence[Json]) -> ReferenceDecision | list[Reason]:
    passed: list[Reason] = []
    for row in rows:
        reason = check.shortfall(row)
        if reason is None:
            by = "discretion" if "discretion" in row else "mandate"
            charges = [charge for charge, _ in check.charges_of(row)]
            return ReferenceDecision("approved", by, row["id"], passed, charges)
        passed.append(reason)
    return passed


def _escalated(
    ladder: Ladder, reasons: Sequence[Reason], on_the_spot: str | None = None
) -> ReferenceDecision:
    asked = ladder.ask()
    if asked is None:
        return ReferenceDecision("refused", "ladder", reasons=[*reasons, Reason("nobody_may_grant")])
    step, approvers = asked
    return ReferenceDecision(
        "escalated", reasons=reasons, on_the_spot=on_the_spot, step=step, approvers=approvers
    )


def answer(
    policy: Json,
    staff: Sequence[Json],
    charges: Sequence[Charge],
    waiting: Waiting,
    verdict: Json,
    now: datetime,
) -> ReferenceDecision:
    """The result of a verdict on an open approval. `not_entitled` changes nothing."""
    case, giver = waiting.case, find(staff, verdict["agent_id"])
    if giver is None:
        return ReferenceDecision("not_entitled", reasons=[Reason("unknown_agent")])
    if giver["agent_id"] == case.get("agent_id"):
        return ReferenceDecision("not_entitled", reasons=[Reason("own_request")])
    if absence(giver, now) is not None:
        return ReferenceDecision("not_entitled", reasons=[Reason("absent")])
    ladder = Ladder(policy, staff, case, waiting.team, waiting.since, now)
    if giver["agent_id"] in ladder.stood_in():
        return ReferenceDecision("not_entitled", reasons=[Reason("stood_in")])
    if giver["agent_id"] not in ladder.may_answer(waiting.step):
        return ReferenceDecision("not_entitled", reasons=[Reason("not_an_approver")])
    if not verdict["approves"]:
        return ReferenceDecision("refused", "person")
    if _too_precise(verdict.get("amount"), case["request"].get("currency") or policy["currency"]):
        return ReferenceDecision("not_entitled", reasons=[Reason("amount_unreadable")])
    amount = verdict.get("amount") or case["request"].get("amount")
    check = MandateCheck(policy, charges, case, giver, now, amount, verdict.get("reason"))
    if amount is not None and check.of_case not in (None, policy["currency"]):
        return ReferenceDecision("not_entitled", reasons=[Reason("currency_not_covered")])
    applying, _ = check.prohibitions()
    if applying:
        return ReferenceDecision("refused", "prohibition", reasons=applying)
    granted = _granted(check, candidates(policy, giver["role"], case))
    if isinstance(granted, ReferenceDecision):
        return replace(granted, by="person", amount=amount)
    return ReferenceDecision("not_entitled", reasons=granted or [Reason("no_mandate")])


def _too_precise(amount: str | None, currency: str) -> bool:
    """Whether an amount has more decimals than its currency."""
    return amount is not None and len(amount.partition(".")[2]) > DECIMALS[currency]
