"""The withdrawal of a request (docs/concepts.md, What is withdrawn)."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from schemas.ids import AgentId, CaseId, NewId, RequestId, RequestKey, Tenant
from schemas.model import Frozen, Text

WITHDRAWN: Final = "withdrwn"
"""The digest (8 characters) of every withdrawal, and of a request that was withdrawn before it arrived."""


class Withdrawal(Frozen):
    """The data of `mandaat.case.withdrawn.v1`. A request is withdrawn at most once."""

    tenant: Tenant
    case_id: CaseId
    request_id: RequestId
    agent_id: AgentId | None = Field(
        default=None, description="The member of staff who withdraws it, if known."
    )
    reason: Text | None = Field(default=None, description="The reason for withdrawing it.")

    @property
    def key(self) -> RequestKey:
        """The request that is withdrawn."""
        return RequestKey(self.tenant, self.case_id, self.request_id)


class WithdrawalBody(Frozen):
    """The body of `POST /v1/cases/{case_id}/withdrawal`. The caller names the person and is trusted."""

    request_id: NewId = Field(description="The request of the case that is withdrawn.")
    agent_id: NewId | None = Field(
        default=None, description="The member of staff who withdraws it, if known."
    )
    reason: Text | None = Field(
        default=None, description="The reason. Colleagues read it; the customer does not."
    )
    tenant: Tenant | None = Field(default=None, description="The organisation that the case belongs to.")


class SubmittedWithdrawal(WithdrawalBody):
    """A withdrawal as it is submitted. The tenant may be left out if the caller's key implies it."""

    case_id: NewId = Field(description="The id of the case in the source system.")

    def of(self, tenant: str) -> Withdrawal:
        """This withdrawal with its tenant."""
        return Withdrawal.model_construct(**{**self.__dict__, "tenant": tenant})
