"""What people send back on an approval (DESIGN.md, Contracts)."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, StrictStr

from schemas.ids import AgentId, ApprovalId, CaseId, PlainId, RequestId
from schemas.model import Frozen, Text
from schemas.money import AMOUNT_PATTERN, check_amount


class ReplyBody(Frozen):
    """The body of `POST /v1/approvals/{id}/approve` and `/reject`; a key is trusted to name the person."""

    agent_id: AgentId = Field(description="Who replies.")
    reply_id: PlainId = Field(description="The same reply_id is the same reply, however often it is sent.")
    amount: Annotated[StrictStr, AfterValidator(check_amount)] | None = Field(
        default=None,
        description="Approve another amount, in the currency of the request.",
        json_schema_extra={"pattern": AMOUNT_PATTERN},
    )
    reason: Text | None = Field(
        default=None, description="Why; the asking agent is told, the customer is not."
    )


class Verdict(ReplyBody):
    """The data of `mandaat.verdict.approve.v1` and `.reject.v1`."""

    approval_id: ApprovalId
    case_id: CaseId
    request_id: RequestId
