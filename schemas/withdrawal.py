"""Taking back what was asked (DESIGN.md, Policy 9)."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from schemas.ids import AgentId, CaseId, RequestId, RequestKey, Tenant
from schemas.model import Frozen, Text

WITHDRAWN: Final = "withdrwn"
"""In the place of a digest (8 characters): of a withdrawal, and of a request that was withdrawn unseen."""


class Withdrawal(Frozen):
    """The data of `mandaat.case.withdrawn.v1`: a request is withdrawn, at most once."""

    tenant: Tenant
    case_id: CaseId
    request_id: RequestId
    agent_id: AgentId | None = Field(default=None, description="Who withdraws it, where one of the staff.")
    reason: Text | None = Field(default=None, description="Why.")

    @property
    def key(self) -> RequestKey:
        """The request that is withdrawn."""
        return RequestKey(self.tenant, self.case_id, self.request_id)


class WithdrawalBody(Frozen):
    """The body of `POST /v1/cases/{case_id}/withdrawal`; a key is trusted to name the person."""

    request_id: RequestId = Field(description="The request of that case that is withdrawn.")
    agent_id: AgentId | None = Field(default=None, description="Who withdraws it, where one of the staff.")
    reason: Text | None = Field(default=None, description="Why; colleagues are told, the customer is not.")
    tenant: Tenant | None = Field(default=None, description="The organisation that is served.")


class SubmittedWithdrawal(WithdrawalBody):
    """A withdrawal as it comes in: the tenant may be left out where the caller's key implies it."""

    case_id: CaseId = Field(description="The source's id of the case.")

    def of(self, tenant: str) -> Withdrawal:
        """This withdrawal, of that tenant."""
        return Withdrawal.model_construct(**{**self.__dict__, "tenant": tenant})
