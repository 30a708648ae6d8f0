"""Reading replies to approvals. A new kind of reply is one row of REPLY_KINDS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from schemas.errors import Flaw, Unreadable
from schemas.ids import RequestKey, new_approval_id, split_approval_id
from schemas.reading import parse_json, read
from schemas.reply import ReplyBody, Verdict
from schemas.types import VERDICT_APPROVE, VERDICT_REJECT


@dataclass(frozen=True)
class ReplyKind:
    """One kind of reply: `POST /v1/approvals/{id}/<name>` publishes an event of its type."""

    name: str
    event_type: str
    takes_amount: bool = False
    body: type[ReplyBody] = ReplyBody
    data: type[Verdict] = Verdict


REPLY_KINDS: Final = (
    ReplyKind("approve", VERDICT_APPROVE, takes_amount=True),
    ReplyKind("reject", VERDICT_REJECT),
)


@dataclass(frozen=True)
class Reply:
    """A reply that was read. The caller's key gives its tenant."""

    tenant: str
    kind: ReplyKind
    verdict: Verdict

    @property
    def case_id(self) -> str:
        """The case of its approval."""
        return self.verdict.case_id

    @property
    def key(self) -> RequestKey:
        """The request of its approval."""
        return RequestKey(self.tenant, self.verdict.case_id, self.verdict.request_id)


def read_reply(kind: ReplyKind, approval: str, body: bytes, tenant: str) -> Reply:
    """The reply in a body, on the approval with that id.

    Raises Unreadable: unknown_approval if no approval can have that id, and all that reading a body raises.
    Only rules can check the decimals of an amount, because it knows the currency of the request.
    """
    parse_json(body)
    given = read(kind.body, body)
    if given.amount is not None and not kind.takes_amount:
        flaw = Flaw("/amount", f"goes with approve, not with {kind.name}; leave it out")
        raise Unreadable("invalid", f"{flaw.pointer}: {flaw.text}", (flaw,))
    try:
        approval = new_approval_id(approval)
        case_id, request_id = split_approval_id(approval)
        verdict = kind.data(
            **given.model_dump(), approval_id=approval, case_id=case_id, request_id=request_id
        )
    except ValueError as flaw:
        raise Unreadable(
            "unknown_approval", f"{approval[:80]!r} is not the id of an approval; take it from the notice."
        ) from flaw
    return Reply(tenant, kind, verdict)


def named_by(approval: str) -> dict[str, str]:
    """The case and request that the id of an approval names, for the log; empty if it is no such id."""
    try:
        case_id, request_id = split_approval_id(approval)
    except ValueError:
        return {}
    return {"case_id": case_id, "request_id": request_id}
