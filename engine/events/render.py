"""Render a conclusion as records of the journal, given its input and its sequence."""

from __future__ import annotations

from typing import Final

from engine.events.decision import agent_ref, closing_decision, event_reasons, first_decision, policy_ref
from engine.events.effects import Counted, Effects, approval_effects
from engine.events.envelope import AboutRequest, InputOutcome, Rendered, key_of
from engine.events.records import about_approval, closed_by, decided
from engine.fast_paths.approval_template import approved_event
from engine.inputs import Reply, Submission
from engine.judging import conclusions
from engine.judging.assessment import RequestAssessment
from engine.judging.budget_warnings import BudgetWarnings
from engine.judging.budgets import Charges
from engine.judging.conclusions import Approved, ClosingConclusion, Conclusion, Escalated, ToldPerson
from engine.policy.book import Per, PolicyBook
from schemas import types
from schemas.approval import Approval, ApprovalEvent, Closing, Cover, Told, without_personal_data
from schemas.case import Case
from schemas.decision import Decision, Reason
from schemas.ids import approval_id
from schemas.model import construct_trusted

_FIRST_VERSION: Final = 1


def render_first(
    submission: Submission, assessment: RequestAssessment, conclusion: Conclusion, seq: int
) -> Rendered:
    """The first decision on a request; if it is escalated, also the opened approval."""
    key = key_of(submission)
    effects = Effects(charges=_counted(conclusion.charges))
    about = _about(submission.case, conclusion.mandate)
    if isinstance(conclusion, Approved):
        approved = approved_event(submission, assessment.policy, assessment.requester, conclusion, seq)
        if approved is not None:
            return Rendered(key, (approved,), effects, conclusion.outcome, about=about)
    decision = first_decision(submission.case, assessment, conclusion, submission.digest)
    record = decided(decision, submission, seq)
    if not isinstance(conclusion, Escalated):
        return Rendered(key, (record,), effects, decision.outcome, _warned(conclusion.warnings), about)
    approval = _opened(submission, assessment, decision, conclusion)
    body = construct_trusted(
        ApprovalEvent,
        approval=approval,
        giver=None,
        reply_id=None,
        reply_digest=None,
        note=None,
        reasons=decision.reasons,
        verdict=None,
    )
    requested = about_approval(types.APPROVAL_REQUESTED, approval, approval.version, body, submission, seq)
    return Rendered(key, (record, requested), approval_effects(approval), decision.outcome, about=about)


def render_closing(
    reply: Reply, approval: Approval, conclusion: ClosingConclusion, book: PolicyBook, seq: int
) -> Rendered:
    """The decision that closes an escalation, and the closed approval."""
    decision = closing_decision(approval, conclusion, reply.verdict, book)
    closing = construct_trusted(
        Closing,
        outcome=conclusion.outcome,
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
    effects = approval_effects(closed)._replace(
        links=(reply.request_key.index_id,), charges=_counted(conclusion.charges)
    )
    warned = _warned(conclusion.warnings)
    about = _about(approval.case, conclusion.mandate)
    return Rendered(key_of(reply), events, effects, conclusion.outcome, warned, about)


def _warned(warnings: BudgetWarnings) -> tuple[Per, ...]:
    return tuple([one.charge.budget.per for one in warnings])


def render_late(reply: Reply, approval: Approval, seq: int) -> Rendered:
    """The event for a reply to a closed approval. Nothing else changes."""
    return _without_effect(types.APPROVAL_LATE, "late", reply, approval, (), seq)


def render_not_entitled(
    reply: Reply, approval: Approval, reasons: tuple[conclusions.Reason, ...], seq: int
) -> Rendered:
    """The event for a reply from a person who may not give it. Nothing else changes."""
    return _without_effect(types.APPROVAL_NOT_ENTITLED, "not_entitled", reply, approval, reasons, seq)


def _without_effect(
    event_type: str,
    outcome: InputOutcome,
    reply: Reply,
    approval: Approval,
    reasons: tuple[conclusions.Reason, ...],
    seq: int,
) -> Rendered:
    body = _body(approval, reply, event_reasons(reasons))
    record = about_approval(event_type, approval, reply.verdict.reply_id, body, reply, seq)
    return Rendered(key_of(reply), (record,), Effects(), outcome, about=_about(approval.case))


def _body(approval: Approval, reply: Reply, reasons: tuple[Reason, ...] = ()) -> ApprovalEvent:
    return construct_trusted(
        ApprovalEvent,
        approval=approval,
        giver=reply.verdict.agent_id,
        reply_id=reply.verdict.reply_id,
        reply_digest=reply.digest,
        note=reply.verdict.reason,
        reasons=reasons,
        verdict=reply.given,
    )


def _about(case: Case, mandate: str | None = None) -> AboutRequest:
    return AboutRequest(case.agent_id, case.request.kind, mandate)


def _opened(
    submission: Submission, assessment: RequestAssessment, decision: Decision, escalated: Escalated
) -> Approval:
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
        agent=agent_ref(assessment.requester),
        step=escalated.step,
        approvers=escalated.approvers,
        escalation=decision.decision_id,
        policy=policy_ref(assessment.policy),
        request_digest=decision.request_digest,
        closing=None,
        told=tuple([_told(one) for one in escalated.told]),
    )


def _told(one: ToldPerson) -> Told:
    own = one.covers
    if own is None:
        return construct_trusted(Told, agent_id=one.agent_id, stands_in_for=one.stands_in_for, covers=None)
    limit = (None, None) if own.limit is None else (own.limit.text, own.limit.currency)
    cover = construct_trusted(
        Cover, mandate=own.mandate, limit=limit[0], currency=limit[1], grants=own.grants
    )
    return construct_trusted(Told, agent_id=one.agent_id, stands_in_for=one.stands_in_for, covers=cover)


def _counted(charges: Charges) -> tuple[Counted, ...]:
    """The charges as the ledger counts them."""
    return tuple([(one.key, one.field, one.amount) for one in charges])
