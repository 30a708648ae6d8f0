"""Replies to approvals."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, StrictStr

from schemas.ids import AgentId, ApprovalId, CaseId, NewId, PlainId, RequestId
from schemas.model import Frozen, Text
from schemas.money import AMOUNT_PATTERN, check_amount


class ReplyBody(Frozen):
    """The body of `POST /v1/approvals/{id}/approve` and `/reject`. The caller names the person."""

    agent_id: NewId = Field(description="The person who replies.")
    reply_id: NewId = Field(
        description="The id of the reply. A reply that is sent again with the same id counts once."
    )
    amount: Annotated[StrictStr, AfterValidator(check_amount)] | None = Field(
        default=None,
        description="Another amount to approve, in the currency of the request.",
        json_schema_extra={"pattern": AMOUNT_PATTERN},
    )
    reason: Text | None = Field(
        default=None, description="The reason. The asking agent reads it; the customer does not."
    )


class Verdict(ReplyBody):
    """The data of `mandaat.verdict.approve.v1` and `.reject.v1`."""

    agent_id: AgentId = Field(description="The person who replies.")
    reply_id: PlainId = Field(
        description="The id of the reply. A reply that is sent again with the same id counts once."
    )
    approval_id: ApprovalId
    case_id: CaseId
    request_id: RequestId
