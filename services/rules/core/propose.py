"""What an input comes to, before the ledger has settled it: where inputs meet policy and staff."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, assert_never

from schemas import types
from schemas.approval import Approval
from schemas.errors import Unreadable
from services.rules.core.approvers import Allowed, Forbidden, NotEntitled, find_approvers, judge_verdict
from services.rules.core.assess import assess
from services.rules.core.envelope import Rendered
from services.rules.core.inputs import Input, Reply, Submission
from services.rules.core.policy.book import PolicyBook
from services.rules.core.proposals import Escalated, Proposal, Reason
from services.rules.core.render import render_closing, render_first, render_unheard
from services.rules.core.staff import StaffDirectory


class Authority(Protocol):
    """The active policies and the staff."""

    def book(self, tenant: str) -> PolicyBook | None:
        """The active policy of a tenant."""
        ...

    def staff(self, tenant: str) -> StaffDirectory:
        """Who works for a tenant."""
        ...


class Proposed(Protocol):
    """What would be published, once the ledger has given the input its sequence."""

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Why, where there is something to say."""
        ...

    @property
    def approvers(self) -> tuple[str, ...]:
        """Whose names it adds to what the input and the approval hold."""
        ...

    def render(self, seq: int) -> Rendered:
        """The records of the journal, and their effects. `seq` is microseconds since 1970."""
        ...


@dataclass(frozen=True)
class First:
    """The first decision on a request."""

    submission: Submission
    proposal: Proposal
    step: str
    approvers: tuple[str, ...]

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Of each prohibition, or each candidate passed over."""
        return self.proposal.only.reasons

    def render(self, seq: int) -> Rendered:
        """decision.*, and approval.requested where it is escalated."""
        return render_first(
            self.submission, self.proposal, self.proposal.only, self.step, self.approvers, seq
        )


@dataclass(frozen=True)
class Closed:
    """The verdict decides."""

    reply: Reply
    approval: Approval
    conclusion: Allowed | Forbidden
    book: PolicyBook
    approvers: tuple[str, ...] = ()

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Of the prohibitions against it."""
        return self.conclusion.reasons if isinstance(self.conclusion, Forbidden) else ()

    def render(self, seq: int) -> Rendered:
        """decision.approved or .refused, and approval.closed."""
        return render_closing(self.reply, self.approval, self.conclusion, self.book, seq)


@dataclass(frozen=True)
class Unheard:
    """The verdict changes nothing: it came late, or from somebody who may not give it."""

    reply: Reply
    approval: Approval
    event_type: str
    why: NotEntitled | None
    approvers: tuple[str, ...] = ()

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Why somebody may not give it."""
        return () if self.why is None else self.why.reasons

    def render(self, seq: int) -> Rendered:
        """approval.late or .not_entitled."""
        return render_unheard(self.reply, self.approval, self.event_type, self.why, seq)


def propose(one: Input, authority: Authority, states: Mapping[str, bytes]) -> Proposed:
    """What this input comes to; `states` holds the approvals that replies are about.

    Raises Unreadable: unknown_tenant, unknown_approval.
    """
    book = authority.book(one.tenant)
    if book is None:
        raise Unreadable(
            "unknown_tenant",
            f"/tenant: no policy is active for {one.tenant!r}; publish one, then redrive this dead letter.",
        )
    staff = authority.staff(one.tenant)
    if isinstance(one, Submission):
        return _on_submission(one, book, staff)
    state = states.get(one.state_id)
    if state is None:
        raise Unreadable(
            "unknown_approval",
            "/data/approval_id: there is no such approval; send the approval_id of an escalated request.",
        )
    return _on_reply(one, Approval.model_validate_json(state), book, staff)


def _on_submission(one: Submission, book: PolicyBook, staff: StaffDirectory) -> First:
    proposal = assess(one.case, book, staff, one.time)
    approvers: tuple[str, ...] = ()
    if isinstance(proposal.only, Escalated):
        approvers = find_approvers(one.case, book, staff, one.time, proposal.asker.team)
    return First(one, proposal, book.step, approvers)


def _on_reply(reply: Reply, approval: Approval, book: PolicyBook, staff: StaffDirectory) -> Closed | Unheard:
    if approval.state == "closed":
        return Unheard(reply, approval, types.APPROVAL_LATE, None)
    answer = judge_verdict(
        approval,
        reply.verdict,
        approves=reply.type == types.VERDICT_APPROVE,
        book=book,
        staff=staff,
        now=reply.time,
    )
    match answer:
        case NotEntitled():
            return Unheard(reply, approval, types.APPROVAL_NOT_ENTITLED, answer)
        case Allowed() | Forbidden():
            return Closed(reply, approval, answer, book)
        case _:
            assert_never(answer)
