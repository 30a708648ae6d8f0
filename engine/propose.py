"""Judge an input by the policy and the staff of its tenant, before the ledger has settled it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, Protocol, assert_never

from engine.events.effects import Event
from engine.inputs import ApproveReply, Input, RejectReply, Reply, Submission, WithdrawalInput
from engine.judging.assessment import assess
from engine.judging.staff import StaffDirectory
from engine.judging.verdict import assess_verdict
from engine.policy.book import PolicyBook
from engine.proposals.proposal import Proposal
from engine.proposals.request import RequestProposal
from engine.proposals.verdict import LateProposal, VerdictProposal
from engine.proposals.withdrawal import WithdrawalProposal
from schemas.approval import Approval
from schemas.errors import Unreadable

NOTHING_STORED: Final[Mapping[str, Sequence[Event]]] = MappingProxyType({})


class Authority(Protocol):
    """The active policies and the staff."""

    def book(self, tenant: str) -> PolicyBook | None:
        """The active policy of a tenant."""
        ...

    def staff(self, tenant: str) -> StaffDirectory:
        """The staff of a tenant."""
        ...


def propose(
    one: Input,
    authority: Authority,
    states: Mapping[str, bytes],
    newest: Mapping[str, Sequence[Event]] = NOTHING_STORED,
) -> Proposal:
    """Judge this input.

    `states` and `newest` hold the values that the input's `needs` asks for. `states`: approvals as JSON, by
    `state_id`. `newest`: the events of a request's newest decision as parsed JSON, by its index id.

    Raises Unreadable: unknown_tenant, unknown_approval.
    """
    book = authority.book(one.tenant)
    if book is None:
        raise Unreadable(
            "unknown_tenant",
            f"/tenant: no policy is active for {one.tenant!r}; publish one, then redrive this dead letter.",
        )
    match one:
        case Submission():
            return RequestProposal(one, assess(one.case, book, authority.staff(one.tenant), one.time))
        case WithdrawalInput():
            state = states.get(one.state_id)
            approval = None if state is None else Approval.model_validate_json(state)
            return WithdrawalProposal(one, newest.get(one.request_key.index_id, ()), approval, book)
        case ApproveReply() | RejectReply():
            return _on_verdict(one, _approval(one, states), book, authority.staff(one.tenant))
        case _:
            assert_never(one)


def _approval(reply: Reply, states: Mapping[str, bytes]) -> Approval:
    state = states.get(reply.state_id)
    if state is None:
        raise Unreadable(
            "unknown_approval",
            "/data/approval_id: there is no such approval; send the approval_id of an escalated request.",
        )
    return Approval.model_validate_json(state)


def _on_verdict(
    reply: ApproveReply | RejectReply, approval: Approval, book: PolicyBook, staff: StaffDirectory
) -> VerdictProposal | LateProposal:
    if approval.state == "closed":
        return LateProposal(reply, approval)
    assessment = assess_verdict(approval, reply, book=book, staff=staff)
    return VerdictProposal(reply, approval, assessment, book)
