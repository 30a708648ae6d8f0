"""From what is concluded to the bytes of the journal: input, conclusion and sequence in, records out."""

from __future__ import annotations

from typing import Final, Literal

from schemas import types
from schemas.approval import Approval, ApprovalEvent, Closing, without_personal_data
from schemas.cloud_event import CloudEvent
from schemas.decision import AgentRef, Decision, Reason
from schemas.ids import RequestKey, approval_id
from services.rules.core import proposals
from services.rules.core.approvers import Allowed, Forbidden
from services.rules.core.assess import Proposal
from services.rules.core.decision import charged, decision_id, first_decision, policy_ref, told
from services.rules.core.effects import Counted, Effects
from services.rules.core.envelope import CLOSING, Rendered, envelope, event_id, key_of
from services.rules.core.inputs import Input, Reply, Submission, state_id
from services.rules.core.policy.book import PolicyBook
from services.rules.core.proposals import Approved, Escalated, Variant

_FIRST_VERSION: Final = 1


def render_first(submission: Submission, proposal: Proposal, concluded: Variant, seq: int) -> Rendered:
    """The first decision on a request; escalated, with the approval that waits for its approvers."""
    decision = first_decision(submission.case, proposal, concluded)
    decided = _decided(decision, submission, seq)
    key = key_of(submission)
    if not isinstance(concluded, Escalated):
        effects = Effects(charges=_counted(concluded))
        return Rendered(key, (decided,), effects, decision.outcome)
    approval = _opened(submission, proposal, decision, concluded)
    body = ApprovalEvent.model_construct(approval=approval, reasons=decision.reasons)
    requested = _about(types.APPROVAL_REQUESTED, approval, approval.version, body, submission, seq)
    return Rendered(key, (decided, requested), Effects((_state(approval),)), decision.outcome)


def render_closing(
    reply: Reply, approval: Approval, conclusion: Allowed | Forbidden, book: PolicyBook, seq: int
) -> Rendered:
    """The decision that closes an escalation, and the closed approval."""
    decision = _closing_decision(reply, approval, conclusion, book)
    closing = Closing.model_construct(
        outcome="approved" if decision.outcome == "approved" else "refused",
        decision_id=decision.decision_id,
        decided_by=reply.verdict.agent_id,
        reply_id=reply.verdict.reply_id,
    )
    closed = approval.model_copy(
        update={"state": "closed", "version": approval.version + 1, "closing": closing}
    )
    body = _body(closed, reply)
    events = (
        _decided(decision, reply, seq),
        _about(types.APPROVAL_CLOSED, closed, closed.version, body, reply, seq),
    )
    effects = Effects((_state(closed),), (reply.request_key.index_id,), _counted(conclusion))
    return Rendered(key_of(reply), events, effects, decision.outcome)


def render_unheard(
    reply: Reply, approval: Approval, event_type: str, why: tuple[proposals.Reason, ...], seq: int
) -> Rendered:
    """A verdict that changes nothing; the approval is as it was."""
    body = _body(approval, reply, told(why))
    number = reply.verdict.reply_id
    outcome = "late" if event_type == types.APPROVAL_LATE else "not_entitled"
    return Rendered(
        key_of(reply), (_about(event_type, approval, number, body, reply, seq),), Effects(), outcome
    )


def _closing_decision(
    reply: Reply, approval: Approval, conclusion: Allowed | Forbidden, book: PolicyBook
) -> Decision:
    case, verdict = approval.case, reply.verdict
    approved = isinstance(conclusion, Allowed) and reply.type == types.VERDICT_APPROVE
    asked = case.request.money
    money = conclusion.money if isinstance(conclusion, Allowed) and conclusion.money is not None else asked
    outcome: Literal["approved", "refused"] = "approved" if approved else "refused"
    return Decision.model_construct(
        decision_id=decision_id(case, outcome, CLOSING),
        case_id=approval.case_id,
        request_id=approval.request_id,
        outcome=outcome,
        final=True,
        by="prohibition" if isinstance(conclusion, Forbidden) else "person",
        decided_by=verdict.agent_id,
        mandate=conclusion.mandate if isinstance(conclusion, Allowed) else None,
        amount=None if money is None else money.text,
        currency=case.request.currency if money is None else money.currency,
        agent_id=case.agent_id,
        customer_id=case.customer.id,
        policy=policy_ref(book.ref),
        reasons=told(conclusion.reasons),
        on_the_spot=None,
        charges=charged(conclusion.charges, money.currency if money else None)
        if isinstance(conclusion, Allowed)
        else (),
        request_digest=approval.request_digest,
        agent=approval.agent,
        approval_id=approval.approval_id,
        respond_by=None,
    )


def _body(approval: Approval, reply: Reply, reasons: tuple[Reason, ...] = ()) -> ApprovalEvent:
    return ApprovalEvent.model_construct(
        approval=approval,
        giver=reply.verdict.agent_id,
        reply_id=reply.verdict.reply_id,
        reply_digest=reply.digest,
        note=reply.verdict.reason,
        reasons=reasons,
    )


def _decided(decision: Decision, caused_by: Input, seq: int) -> bytes:
    event_type = types.DECISION_TYPES[decision.outcome]
    return envelope(event_type, decision.decision_id, caused_by, seq, decision).to_bytes()


def _about(
    event_type: str,
    approval: Approval,
    number: int | str,
    body: ApprovalEvent,
    caused_by: Input,
    seq: int,
) -> bytes:
    key = RequestKey(approval.tenant, approval.case_id, approval.request_id)
    event: CloudEvent[ApprovalEvent] = envelope(
        event_type, event_id(event_type, key, number), caused_by, seq, body
    )
    return event.to_bytes()


def _opened(submission: Submission, proposal: Proposal, decision: Decision, escalated: Escalated) -> Approval:
    case = submission.case
    return Approval.model_construct(
        approval_id=approval_id(case.case_id, case.request.request_id),
        tenant=case.tenant,
        case_id=case.case_id,
        request_id=case.request.request_id,
        state="open",
        version=_FIRST_VERSION,
        opened_at=submission.time,
        respond_by=None,
        case=without_personal_data(case),
        agent=AgentRef.model_construct(role=proposal.asker.role, team=proposal.asker.team),
        step=escalated.step,
        approvers=escalated.approvers,
        escalation=decision.decision_id,
        policy=policy_ref(proposal.policy),
        request_digest=decision.request_digest,
        closing=None,
    )


def _counted(concluded: Variant | Allowed | Forbidden) -> tuple[Counted, ...]:
    """What it takes from the ledger's counters."""
    if isinstance(concluded, Approved | Allowed):
        return tuple((one.key, one.field, one.amount) for one in concluded.charges)
    return ()


def _state(approval: Approval) -> tuple[str, bytes]:
    return state_id(approval.tenant, approval.approval_id), approval.__pydantic_serializer__.to_json(approval)
