"""The decision on a withdrawal, and the charges that it gives back (docs/concepts.md, What is withdrawn)."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import Final

from engine import reasons
from engine.events.decision import build_decision, event_charge, event_reasons, policy_ref
from engine.events.effects import Effects, Event, approval_effects, charges_in
from engine.events.envelope import FIRST, AboutRequest, Rendered, key_of
from engine.events.records import about_approval, closed_by, decided
from engine.inputs import WithdrawalInput
from engine.policy.book import PolicyBook, PolicyName
from schemas import types
from schemas.approval import Approval, ApprovalEvent, Closing
from schemas.decision import AgentRef, Charge, Decision, PolicyRef
from schemas.ids import derived_id
from schemas.withdrawal import WITHDRAWN

_NO_DECISION: Final[Event] = MappingProxyType(
    {
        "mandate": None,
        "amount": None,
        "currency": None,
        "agent_id": None,
        "customer_id": None,
        "policy": None,
        "charges": (),
        "request_digest": WITHDRAWN,
        "agent": {"role": None, "team": None},
        "approval_id": None,
    }
)
"""The values of `decision.withdrawn` if no request of this id was decided."""


def render_withdrawn(
    caused_by: WithdrawalInput,
    newest: Sequence[Event],
    approval: Approval | None,
    book: PolicyBook,
    seq: int,
) -> Rendered:
    """decision.withdrawn, which gives back the charges of the newest decision; and approval.closed."""
    decision = _decision(caused_by, newest, book.ref)
    record = decided(decision, caused_by, seq)
    links = (caused_by.request_key.index_id,)
    charges = tuple(charges_in(caused_by.tenant, decision.model_dump(include={"charges", "currency"})))
    key = key_of(caused_by)
    kind = None if approval is None else approval.case.request.kind
    about = AboutRequest(decision.agent_id, kind, decision.mandate)
    if approval is None or approval.state == "closed":
        return Rendered(key, (record,), Effects(links=links, charges=charges), decision.outcome, about=about)
    closing = Closing.model_construct(
        outcome="withdrawn",
        decision_id=decision.decision_id,
        decided_by=caused_by.withdrawal.agent_id,
        reply_id=None,
    )
    closed = closed_by(approval, closing)
    body = ApprovalEvent.model_construct(
        approval=closed, giver=caused_by.withdrawal.agent_id, note=caused_by.withdrawal.reason
    )
    closed_record = about_approval(types.APPROVAL_CLOSED, closed, closed.version, body, caused_by, seq)
    effects = approval_effects(closed)._replace(links=links, charges=charges)
    return Rendered(key, (record, closed_record), effects, decision.outcome, about=about)


def _decision(caused_by: WithdrawalInput, newest: Sequence[Event], policy: PolicyName) -> Decision:
    """The decision on a withdrawal. `newest`: the events of the newest decision on the request, or none.

    It names the policy version of the newest decision, because it gives back the charges of that decision.
    If there is no decision, it names the active policy.
    """
    withdrawal = caused_by.withdrawal
    stored = (event["data"] for event in newest if event["type"] in types.DECISION_EVENTS)
    before = next(stored, _NO_DECISION)
    return build_decision(
        decision_id=derived_id(types.DECISION_WITHDRAWN, *withdrawal.key, FIRST),
        case_id=withdrawal.case_id,
        request_id=withdrawal.request_id,
        outcome="withdrawn",
        by="person",
        decided_by=withdrawal.agent_id,
        mandate=before["mandate"],
        amount=before["amount"],
        currency=before["currency"],
        agent_id=before["agent_id"],
        customer_id=before["customer_id"],
        policy=PolicyRef.model_construct(**before["policy"]) if before["policy"] else policy_ref(policy),
        reasons=event_reasons((reasons.withdrawn(withdrawal),)),
        charges=tuple(map(_given_back, before["charges"])),
        request_digest=before["request_digest"],
        agent=AgentRef.model_construct(**before["agent"]),
        approval_id=before["approval_id"],
    )


def _given_back(charge: Event) -> Charge:
    """The charge with the opposite sign."""
    amount, count = charge.get("amount"), charge.get("count")
    return event_charge(
        budget=charge["budget"],
        scope=charge["scope"],
        window=charge["window"],
        days=charge.get("days"),
        amount=None if amount is None else f"-{amount}",
        count=None if count is None else -count,
    )
