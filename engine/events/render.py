"""From what is concluded to the bytes of the journal: input, conclusion and sequence in, records out."""

from __future__ import annotations

from typing import Final, Literal

from engine.events.decision import agent_ref, charged, decision_id, first_decision, policy_ref, told
from engine.events.effects import Counted, Effects
from engine.events.envelope import CLOSING, Rendered, key_of
from engine.events.records import about_approval, closed_by, decided, state_of
from engine.fast_paths.approval_template import approved_event
from engine.inputs import ApproveReply, Reply, Submission
from engine.judging import conclusions as proposals
from engine.judging.assessment import Proposal
from engine.judging.conclusions import Approved, Conclusion, Escalated
from engine.judging.verdict import Allowed, Forbidden
from engine.policy.book import PolicyBook
from schemas import types
from schemas.approval import Approval, ApprovalEvent, Closing, without_personal_data
from schemas.decision import Decision, Reason
from schemas.ids import approval_id
from schemas.model import construct_trusted

_FIRST_VERSION: Final = 1


def render_first(submission: Submission, proposal: Proposal, concluded: Conclusion, seq: int) -> Rendered:
    """The first decision on a request; escalated, with the approval that waits for its approvers."""
    key = key_of(submission)
    if isinstance(concluded, Approved):
        approved = approved_event(submission, proposal.policy, proposal.requester, concluded, seq)
        if approved is not None:
            return Rendered(key, (approved,), Effects(charges=_counted(concluded)), "approved")
    decision = first_decision(submission.case, proposal, concluded, submission.digest)
    said = decided(decision, submission, seq)
    if not isinstance(concluded, Escalated):
        effects = Effects(charges=_counted(concluded))
        return Rendered(key, (said,), effects, decision.outcome)
    approval = _opened(submission, proposal, decision, concluded)
    body = construct_trusted(
        ApprovalEvent,
        approval=approval,
        giver=None,
        reply_id=None,
        reply_digest=None,
        note=None,
        reasons=decision.reasons,
    )
    requested = about_approval(types.APPROVAL_REQUESTED, approval, approval.version, body, submission, seq)
    return Rendered(key, (said, requested), Effects((state_of(approval),)), decision.outcome)


def render_closing(
    reply: Reply, approval: Approval, conclusion: Allowed | Forbidden, book: PolicyBook, seq: int
) -> Rendered:
    """The decision that closes an escalation, and the closed approval."""
    decision = _closing_decision(reply, approval, conclusion, book)
    closing = construct_trusted(
        Closing,
        outcome="approved" if decision.outcome == "approved" else "refused",
        decision_id=decision.decision_id,
        decided_by=reply.verdict.agent_id,
        reply_id=reply.verdict.reply_id,
    )
    closed = closed_by(approval, closing)
    body = _body(closed, reply)
    events = (
        decided(decision, reply, seq),
        about_approval(types.APPROVAL_CLOSED, closed, closed.version, body, reply, seq),
    )
    effects = Effects((state_of(closed),), (reply.request_key.index_id,), _counted(conclusion))
    return Rendered(key_of(reply), events, effects, decision.outcome)


def render_unheard(
    reply: Reply, approval: Approval, event_type: str, why: tuple[proposals.Reason, ...], seq: int
) -> Rendered:
    """A verdict that changes nothing; the approval is as it was."""
    body = _body(approval, reply, told(why))
    number = reply.verdict.reply_id
    outcome = "late" if event_type == types.APPROVAL_LATE else "not_entitled"
    return Rendered(
        key_of(reply), (about_approval(event_type, approval, number, body, reply, seq),), Effects(), outcome
    )


def _closing_decision(
    reply: Reply, approval: Approval, conclusion: Allowed | Forbidden, book: PolicyBook
) -> Decision:
    case, verdict = approval.case, reply.verdict
    approved = isinstance(conclusion, Allowed) and isinstance(reply, ApproveReply)
    asked = case.request.money
    money = conclusion.money if isinstance(conclusion, Allowed) and conclusion.money is not None else asked
    outcome: Literal["approved", "refused"] = "approved" if approved else "refused"
    return construct_trusted(
        Decision,
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
    return construct_trusted(
        ApprovalEvent,
        approval=approval,
        giver=reply.verdict.agent_id,
        reply_id=reply.verdict.reply_id,
        reply_digest=reply.digest,
        note=reply.verdict.reason,
        reasons=reasons,
    )


def _opened(submission: Submission, proposal: Proposal, decision: Decision, escalated: Escalated) -> Approval:
    case = submission.case
    return construct_trusted(
        Approval,
        approval_id=approval_id(case.case_id, case.request.request_id),
        tenant=case.tenant,
        case_id=case.case_id,
        request_id=case.request.request_id,
        state="open",
        version=_FIRST_VERSION,
        opened_at=submission.time,
        respond_by=None,
        case=without_personal_data(case),
        agent=agent_ref(proposal.requester),
        step=escalated.step,
        approvers=escalated.approvers,
        escalation=decision.decision_id,
        policy=policy_ref(proposal.policy),
        request_digest=decision.request_digest,
        closing=None,
    )


def _counted(concluded: Conclusion | Allowed | Forbidden) -> tuple[Counted, ...]:
    """What it takes from the ledger's counters."""
    if isinstance(concluded, Approved | Allowed):
        return tuple((one.key, one.field, one.amount) for one in concluded.charges)
    return ()
