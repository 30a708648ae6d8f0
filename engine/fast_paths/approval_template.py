"""Write the record of a decision.approved without reasons from a template. Most decisions are of this kind.

Approvals under one mandate differ only in a few values. The models write the event once, with a placeholder
for each of these values. After that, the values are filled in.
"""

from __future__ import annotations

from datetime import timedelta
from functools import lru_cache
from json.encoder import encode_basestring as _quoted
from typing import Final, NamedTuple

from engine.events.decision import build_decision, decision_id, event_charge, policy_ref
from engine.events.envelope import EPOCH, SOURCE
from engine.inputs.submission import Submission
from engine.judging.conclusions import Approved, Requester
from engine.policy.book import PolicyName
from schemas.cloud_event import CloudEvent
from schemas.decision import AgentRef, By, Decision
from schemas.model import construct_trusted
from schemas.types import DECISION_TYPES

_TIME: Final = '"time":"1970-01-01T00:00:00Z"'
_APPROVED: Final = DECISION_TYPES["approved"]


class _Kind(NamedTuple):
    """The values that events with one template share. `charges`: budget id, N of an `Nd` window, count."""

    policy: PolicyName
    tenant: str
    mandate: str
    by: By
    currency: str | None
    has_amount: bool
    charges: tuple[tuple[str, int, int | None], ...]


def approved_event(
    submission: Submission, policy: PolicyName, requester: Requester, approved: Approved, seq: int
) -> bytes | None:
    """The event decision.approved as the models write it; None if it has reasons, warnings or rare values."""
    case = submission.case
    rare = submission.traceparent is not None or case.agent_id is None or requester.role is None
    if approved.reasons or approved.warnings or rare:
        return None
    request, money = case.request, case.request.money
    charges = tuple(
        [
            (one.budget.id, one.days, one.amount if one.budget.cap is None else None)
            for one in approved.charges
        ]
    )
    kind = _Kind(
        policy, case.tenant, approved.mandate, approved.by, request.currency, money is not None, charges
    )
    template = _template(kind)
    if template is None:
        return None
    return (template % _values(submission, requester, approved, seq)).encode()


def _values(submission: Submission, requester: Requester, approved: Approved, seq: int) -> dict[str, str]:
    """The values as JSON. Event ids, digests and numbers have no characters that JSON escapes."""
    case, money = submission.case, submission.case.request.money
    moment = (EPOCH + timedelta(microseconds=seq)).isoformat()
    values = {
        "time": moment[:-6] + "Z",
        "sequence": f'"{seq:016d}"',
        "id": f'"{decision_id(case, "approved")}"',
        "digest": f'"{submission.digest}"',
        "case": _quoted(case.case_id),
        "request": _quoted(case.request.request_id),
        "cause": _quoted(submission.event_id),
        "agent": _quoted(case.agent_id or ""),
        "customer": _quoted(case.customer.id),
        "role": _quoted(requester.role or ""),
        "team": _quoted(requester.team or ""),
    }
    amount = None if money is None else f'"{money.text}"'
    if amount is not None:
        values["amount"] = amount
    for place, one in enumerate(approved.charges):
        values[f"scope{place}"] = _quoted(one.scope)
        values[f"window{place}"] = f'"{one.window}"'
        if amount is not None and one.budget.cap is not None:
            values[f"charged{place}"] = amount  # a budget of money is charged the granted amount
    return values


def _mark(name: str) -> str:
    """A placeholder that becomes `%(name)s`."""
    return f"\x01{name}\x02"


@lru_cache(maxsize=10_000)
def _template(kind: _Kind) -> str | None:
    """The event with a `%(name)s` for each value; None if a text of the policy looks like a placeholder."""
    written = _marked(kind).to_bytes().decode().replace("%", "%%")
    marks = 12 + kind.has_amount + sum(2 + (count is None) for _, _, count in kind.charges)
    if written.count("\\u0001") != marks or written.count(_TIME) != 1:
        return None
    written = written.replace(_TIME, '"time":"%(time)s"')
    return written.replace('"\\u0001', "%(").replace('\\u0002"', ")s")


def _marked(kind: _Kind) -> CloudEvent[Decision]:
    decision = build_decision(
        decision_id=_mark("id"),
        case_id=_mark("case"),
        request_id=_mark("request"),
        outcome="approved",
        by=kind.by,
        mandate=kind.mandate,
        amount=_mark("amount") if kind.has_amount else None,
        currency=kind.currency,
        agent_id=_mark("agent"),
        customer_id=_mark("customer"),
        policy=policy_ref(kind.policy),
        charges=tuple(
            event_charge(
                budget=budget,
                scope=_mark(f"scope{place}"),
                window=_mark(f"window{place}"),
                days=days or None,
                amount=_mark(f"charged{place}") if count is None else None,
                count=count,
            )
            for place, (budget, days, count) in enumerate(kind.charges)
        ),
        request_digest=_mark("digest"),
        agent=construct_trusted(AgentRef, role=_mark("role"), team=_mark("team")),
    )
    return construct_trusted(
        CloudEvent,
        specversion="1.0",
        id=_mark("id"),
        source=SOURCE,
        type=_APPROVED,
        subject=_mark("case"),
        time=EPOCH,
        datacontenttype="application/json",
        tenant=kind.tenant,
        traceparent=None,
        sequence=_mark("sequence"),
        cause=_mark("cause"),
        data=decision,
    )
