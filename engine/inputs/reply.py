"""Replies to an approval. Each kind is a class here, and a member of `Reply`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, Self, TypeAlias

from engine.inputs.ledger_ids import reply_index_id, state_id
from engine.inputs.received import FromRecord, Needs, Received, check_event
from schemas import types
from schemas.errors import Unreadable
from schemas.ids import RequestKey, split_approval_id
from schemas.model import cached
from schemas.reading import read
from schemas.reply import Verdict
from schemas.request_digest import reply_digest


@dataclass(frozen=True)
class _Reply(Received):
    """The fields of every reply."""

    tenant: str
    verdict: Verdict

    event_type: ClassVar[str]
    given: ClassVar[Literal["approve", "reject"]]
    """The verdict, as events about the approval name it."""
    alone: ClassVar[bool] = True
    conflict: ClassVar[str] = (
        "/data/reply_id: this reply is known with another verdict, giver, amount or reason; a new reply"
        " needs a new reply_id."
    )

    @classmethod
    def read(cls, origin: FromRecord, key: bytes | None, value: bytes | None) -> Self:
        """Read a record. Raises Unreadable."""
        event = read(types.event_model(cls.event_type), value)
        verdict: Verdict = event.data
        tenant = check_event(event, cls.event_type, origin, key, (event.tenant, verdict.case_id))
        _check_approval_id(verdict)
        return cls(origin, event.id, event.time, event.traceparent, tenant, verdict)

    @property
    def case_key(self) -> tuple[str, str]:
        """The tenant and the id of the case."""
        return self.tenant, self.verdict.case_id

    @property
    def request_key(self) -> RequestKey:
        """The request that the reply is about."""
        return RequestKey(self.tenant, self.verdict.case_id, self.verdict.request_id)

    @property
    def judged_person(self) -> str | None:
        """The person who replies."""
        return self.verdict.agent_id

    @property
    def state_id(self) -> str:
        """The id of its approval in the ledger."""
        return state_id(self.tenant, self.verdict.approval_id)

    @property
    def needs(self) -> Needs:
        """The approval that it is about."""
        return Needs((self.state_id,))

    @cached
    def index_id(self) -> str:
        """The id under which the ledger settles it. Two replies with one reply_id are one reply."""
        return reply_index_id(self.tenant, self.verdict.approval_id, self.verdict.reply_id)

    @cached
    def digest(self) -> str:
        """Equal for the same reply, different for a conflict."""
        return reply_digest(self.event_type, self.verdict)


@dataclass(frozen=True)
class ApproveReply(_Reply):
    """A person approves the request, or another amount."""

    event_type: ClassVar[str] = types.VERDICT_APPROVE
    given: ClassVar[Literal["approve", "reject"]] = "approve"


@dataclass(frozen=True)
class RejectReply(_Reply):
    """A person rejects the request."""

    event_type: ClassVar[str] = types.VERDICT_REJECT
    given: ClassVar[Literal["approve", "reject"]] = "reject"


Reply: TypeAlias = ApproveReply | RejectReply


def _check_approval_id(verdict: Verdict) -> None:
    try:
        named = split_approval_id(verdict.approval_id)
    except ValueError:
        named = None
    if named != (verdict.case_id, verdict.request_id):
        raise Unreadable(
            "unknown_approval",
            "/data/approval_id: is not the approval of this case_id and request_id; copy all three from the"
            " approval.",
        )
