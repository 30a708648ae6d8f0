"""What an input comes to, before the ledger has settled it: where inputs meet policy and staff."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Protocol

from engine import reasons
from engine.events.effects import Event
from engine.events.envelope import Rendered
from engine.events.render import render_closing, render_first, render_unheard
from engine.events.withdrawal import render_withdrawn
from engine.inputs import ApproveReply, Input, Reply, Submission, WithdrawalInput
from engine.judging.assessment import Proposal, assess
from engine.judging.budgets import BudgetUse, Charges
from engine.judging.conclusions import Reason
from engine.judging.staff import StaffDirectory
from engine.judging.verdict import NotEntitled, VerdictAssessment, assess_verdict
from engine.policy.book import PolicyBook
from schemas import types
from schemas.approval import Approval
from schemas.errors import Unreadable

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
    def charge_options(self) -> tuple[Charges, ...]:
        """What each variant charges that does charge something, in the order to try them."""
        ...

    @property
    def probes(self) -> Charges:
        """Charges of which only matters what was used, and only where none of `charge_options` had room."""
        ...

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Why, where there is something to say; what the ledger must first tell is not among them."""
        ...

    @property
    def approvers(self) -> tuple[str, ...]:
        """Who is asked, if it is escalated: at most `MOST_NAMED` of :mod:`engine.judging.ladder`."""
        ...

    def render(self, seq: int, chosen_option: int = 0, used: Sequence[BudgetUse] = ()) -> Rendered:
        """The records of the journal, and their effects. `seq` is microseconds since 1970.

        `chosen_option`: which of `charge_options` the ledger charged, from 1; 0 where it charged none.
        `used`: one for each charge of each option that failed before it, in order; for option 0 also one for
        each of `probes`.
        """
        ...


@dataclass(frozen=True)
class First:
    """The first decision on a request."""

    submission: Submission
    proposal: Proposal

    @property
    def charge_options(self) -> tuple[Charges, ...]:
        """Of each candidate."""
        return self.proposal.charge_options

    @property
    def probes(self) -> Charges:
        """Of candidates over their limit."""
        return self.proposal.probes

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Of each prohibition, or each candidate that does not cover the request."""
        return self.proposal.reasons

    @property
    def approvers(self) -> tuple[str, ...]:
        """Who may grant it, or looks all the same. They are looked for when this is first asked."""
        asked = self.proposal.ladder.asked
        return () if asked is None else asked.approvers

    def render(self, seq: int, chosen_option: int = 0, used: Sequence[BudgetUse] = ()) -> Rendered:
        """decision.*, and approval.requested where it is escalated."""
        concluded = self.proposal.conclude(chosen_option, used)
        return render_first(self.submission, self.proposal, concluded, seq)


@dataclass(frozen=True)
class VerdictProposal:
    """A verdict on an open approval: it decides, unless its giver may not give it or has no budget for it."""

    reply: Reply
    approval: Approval
    weighed: VerdictAssessment
    book: PolicyBook
    approvers: tuple[str, ...] = ()
    probes: Charges = ()

    @property
    def charge_options(self) -> tuple[Charges, ...]:
        """Of each mandate of the giver."""
        return self.weighed.charge_options

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Of the prohibitions against it, or of the giver's mandates that do not cover it."""
        return self.weighed.reasons

    def render(self, seq: int, chosen_option: int = 0, used: Sequence[BudgetUse] = ()) -> Rendered:
        """decision.approved or .refused, and approval.closed; or approval.not_entitled."""
        conclusion = self.weighed.conclude(chosen_option, used)
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
    charge_options: tuple[Charges, ...] = ()
    probes: Charges = ()
    reasons: tuple[Reason, ...] = ()
    approvers: tuple[str, ...] = ()

    def render(self, seq: int, chosen_option: int = 0, used: Sequence[BudgetUse] = ()) -> Rendered:
        """approval.late."""
        return render_unheard(self.reply, self.approval, types.APPROVAL_LATE, (), seq)


@dataclass(frozen=True)
class Withdrawn:
    """A request is withdrawn: `newest` are the events of its newest decision, if it has any."""

    withdrawal: WithdrawalInput
    newest: Sequence[Event]
    approval: Approval | None
    book: PolicyBook
    charge_options: tuple[Charges, ...] = ()
    probes: Charges = ()
    approvers: tuple[str, ...] = ()

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Why, in the words of who withdraws it."""
        return (reasons.withdrawn(self.withdrawal.withdrawal),)

    def render(self, seq: int, chosen_option: int = 0, used: Sequence[BudgetUse] = ()) -> Rendered:
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
    if isinstance(one, WithdrawalInput):
        approval = None if state is None else Approval.model_validate_json(state)
        return Withdrawn(one, newest.get(one.request_key.index_id, ()), approval, book)
    if state is None:
        raise Unreadable(
            "unknown_approval",
            "/data/approval_id: there is no such approval; send the approval_id of an escalated request.",
        )
    return _on_reply(one, Approval.model_validate_json(state), book, staff)


def _on_reply(
    reply: Reply, approval: Approval, book: PolicyBook, staff: StaffDirectory
) -> VerdictProposal | Late:
    if approval.state == "closed":
        return Late(reply, approval)
    weighed = assess_verdict(
        approval,
        reply.verdict,
        approves=isinstance(reply, ApproveReply),
        book=book,
        staff=staff,
        now=reply.time,
    )
    return VerdictProposal(reply, approval, weighed, book)
