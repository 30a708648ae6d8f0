"""What an input comes to, before the ledger has settled it: where inputs meet policy and staff."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Protocol

from schemas import types
from schemas.approval import Approval
from schemas.errors import Unreadable
from services.rules.core import reasons
from services.rules.core.approvers import NotEntitled, Weighed, weigh_verdict
from services.rules.core.assess import Proposal, assess
from services.rules.core.budgets import Takes, Used
from services.rules.core.effects import Event
from services.rules.core.envelope import Rendered
from services.rules.core.inputs import Input, Reply, Submission, Withdrawal
from services.rules.core.policy.book import PolicyBook
from services.rules.core.proposals import Reason
from services.rules.core.render import render_closing, render_first, render_unheard
from services.rules.core.staff import StaffDirectory
from services.rules.core.withdrawal import render_withdrawn

NOTHING_STORED: Final[Mapping[str, Sequence[Event]]] = MappingProxyType({})


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
    def takes(self) -> tuple[Takes, ...]:
        """What each variant charges that does charge something, in the order to try them."""
        ...

    @property
    def looks(self) -> Takes:
        """Charges of which only matters what was used, and only where none of `takes` had room."""
        ...

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Why, where there is something to say; what the ledger must first tell is not among them."""
        ...

    @property
    def approvers(self) -> tuple[str, ...]:
        """Who is asked, if it is escalated: at most `MOST_NAMED` of :mod:`services.rules.core.ladder`."""
        ...

    def render(self, seq: int, variant: int = 0, used: Sequence[Used] = ()) -> Rendered:
        """The records of the journal, and their effects. `seq` is microseconds since 1970.

        `variant`: which of `takes` was taken, from 1; 0 = none of them, and what comes then charges nothing.
        `used`: of each charge of each of `takes` that failed before it, in order; of variant 0 then of each
        of `looks`.
        """
        ...


@dataclass(frozen=True)
class First:
    """The first decision on a request."""

    submission: Submission
    proposal: Proposal

    @property
    def takes(self) -> tuple[Takes, ...]:
        """Of each candidate."""
        return self.proposal.takes

    @property
    def looks(self) -> Takes:
        """Of candidates over their limit."""
        return self.proposal.looks

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Of each prohibition, or each candidate that does not cover the request."""
        return self.proposal.reasons

    @property
    def approvers(self) -> tuple[str, ...]:
        """Who may grant it, or looks all the same. They are looked for when this is first asked."""
        asked = self.proposal.ladder.asked
        return () if asked is None else asked.approvers

    def render(self, seq: int, variant: int = 0, used: Sequence[Used] = ()) -> Rendered:
        """decision.*, and approval.requested where it is escalated."""
        concluded = self.proposal.conclude(variant, used)
        return render_first(self.submission, self.proposal, concluded, seq)


@dataclass(frozen=True)
class Heard:
    """A verdict on an open approval: it decides, unless its giver may not give it or has no budget for it."""

    reply: Reply
    approval: Approval
    weighed: Weighed
    book: PolicyBook
    approvers: tuple[str, ...] = ()
    looks: Takes = ()

    @property
    def takes(self) -> tuple[Takes, ...]:
        """Of each mandate of the giver."""
        return self.weighed.takes

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Of the prohibitions against it, or of the giver's mandates that do not cover it."""
        return self.weighed.reasons

    def render(self, seq: int, variant: int = 0, used: Sequence[Used] = ()) -> Rendered:
        """decision.approved or .refused, and approval.closed; or approval.not_entitled."""
        conclusion = self.weighed.conclude(variant, used)
        if isinstance(conclusion, NotEntitled):
            return render_unheard(
                self.reply, self.approval, types.APPROVAL_NOT_ENTITLED, conclusion.reasons, seq
            )
        return render_closing(self.reply, self.approval, conclusion, self.book, seq)


@dataclass(frozen=True)
class Late:
    """A verdict on an approval that is closed: it changes nothing."""

    reply: Reply
    approval: Approval
    takes: tuple[Takes, ...] = ()
    looks: Takes = ()
    reasons: tuple[Reason, ...] = ()
    approvers: tuple[str, ...] = ()

    def render(self, seq: int, variant: int = 0, used: Sequence[Used] = ()) -> Rendered:
        """approval.late."""
        return render_unheard(self.reply, self.approval, types.APPROVAL_LATE, (), seq)


@dataclass(frozen=True)
class Withdrawn:
    """A request is withdrawn: `newest` are the events of its newest decision, if it has any."""

    withdrawal: Withdrawal
    newest: Sequence[Event]
    approval: Approval | None
    book: PolicyBook
    takes: tuple[Takes, ...] = ()
    looks: Takes = ()
    approvers: tuple[str, ...] = ()

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Why, in the words of who withdraws it."""
        return (reasons.withdrawn(self.withdrawal.asked),)

    def render(self, seq: int, variant: int = 0, used: Sequence[Used] = ()) -> Rendered:
        """decision.withdrawn, and approval.closed where an approval is open."""
        return render_withdrawn(self.withdrawal, self.newest, self.approval, self.book, seq)


def propose(
    one: Input,
    authority: Authority,
    states: Mapping[str, bytes],
    newest: Mapping[str, Sequence[Event]] = NOTHING_STORED,
) -> Proposed:
    """What this input comes to.

    `states` holds the approvals that replies and withdrawals are about, by `state_id`; `newest` the events of
    the newest decision on each request that is withdrawn, as JSON says them, by the request's index id.

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
        return First(one, assess(one.case, book, staff, one.time))
    state = states.get(one.state_id)
    if isinstance(one, Withdrawal):
        approval = None if state is None else Approval.model_validate_json(state)
        return Withdrawn(one, newest.get(one.request_key.index_id, ()), approval, book)
    if state is None:
        raise Unreadable(
            "unknown_approval",
            "/data/approval_id: there is no such approval; send the approval_id of an escalated request.",
        )
    return _on_reply(one, Approval.model_validate_json(state), book, staff)


def _on_reply(reply: Reply, approval: Approval, book: PolicyBook, staff: StaffDirectory) -> Heard | Late:
    if approval.state == "closed":
        return Late(reply, approval)
    weighed = weigh_verdict(
        approval,
        reply.verdict,
        approves=reply.type == types.VERDICT_APPROVE,
        book=book,
        staff=staff,
        now=reply.time,
    )
    return Heard(reply, approval, weighed, book)
