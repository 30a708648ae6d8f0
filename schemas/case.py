"""A case and its decision request."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field, StrictStr, model_validator
from pydantic_core import PydanticCustomError

from schemas.ids import (
    AgentId,
    CaseId,
    CustomerId,
    Kind,
    NewId,
    PlainId,
    RequestId,
    RequestKey,
    Tenant,
    with_new_id,
)
from schemas.model import Frozen, Line, OpenObject, Text, cached
from schemas.moment import Moment
from schemas.money import AMOUNT_PATTERN, Money, exponent, no_currency, parse_amount, withdrawn


class Customer(Frozen):
    """The customer of a case, and their address."""

    id: CustomerId = Field(description="The id of the customer in the source system.")
    name: Line | None = Field(default=None, description="The customer's name, for letters.")
    email: Annotated[Line, Field(max_length=320)] | None = Field(
        default=None, description="The customer's mail address; without it the customer gets no mail."
    )
    language: Annotated[Line, Field(max_length=35)] | None = Field(
        default=None, description="The language of the customer's letters, as a BCP 47 tag: `nl`, `en-GB`."
    )


class DecisionRequest(Frozen):
    """The request of the agent: a kind, and usually an amount."""

    request_id: RequestId = Field(
        description="The id of the request in the source system. New facts or another amount need a new id."
    )
    kind: Kind = Field(description="The kind of request, as the policy names it: `refund`, `goodwill`, ...")
    amount: StrictStr | None = Field(
        default=None,
        description='The amount in major units, as digits with a point: "45.00". Null if there is no amount.',
        json_schema_extra={"pattern": AMOUNT_PATTERN},
    )
    currency: StrictStr | None = Field(default=None, description="An ISO 4217 code; required with an amount.")
    reason: Text | None = Field(default=None, description="The agent's explanation, in their own words.")
    discretion: bool = Field(default=False, description="Whether mandates at discretion may be tried too.")

    @model_validator(mode="after")
    def _money_is_money(self) -> DecisionRequest:
        if self.currency is not None and exponent(self.currency) is None:
            raise PydanticCustomError(
                "unknown_currency", "{flaw}", {"flaw": no_currency(self.currency), "pointer": "/currency"}
            )
        if self.amount is not None:
            if self.currency is None:
                raise PydanticCustomError(
                    "missing", "an amount needs a currency beside it", {"pointer": "/currency"}
                )
            try:
                self.__dict__["money"] = parse_amount(self.amount, self.currency)  # the cached `money`
            except ValueError as flaw:
                raise PydanticCustomError(
                    "amount", "{flaw}", {"flaw": str(flaw), "pointer": "/amount"}
                ) from flaw
        return self

    @cached
    def money(self) -> Money | None:
        """The amount in minor units; None if the request has no amount."""
        if self.amount is None or self.currency is None:
            return None
        return parse_amount(self.amount, self.currency)


class Origin(Frozen):
    """The CloudEvent that brought the case."""

    id: PlainId = Field(description="The `id` of that event.")
    source: Line = Field(description="The `source` of that event.")


class CaseFields(Frozen):
    """A case without its tenant."""

    case_id: CaseId = Field(description="The id of the case in the source system.")
    opened_at: Moment = Field(description="The time at which the customer raised the matter.")
    channel: Line | None = Field(default=None, description="The customer's channel: `phone`, `chat`, ...")
    customer: Customer
    agent_id: AgentId | None = Field(default=None, description="The agent who asks.")
    category: Annotated[Line, Field(max_length=200)] | None = Field(
        default=None, description="The category of the case; a mandate may be limited to some categories."
    )
    subject: Line | None = Field(default=None, description="The subject, in one line.")
    facts: OpenObject = Field(default_factory=dict, description="The facts that systems give.")
    claims: OpenObject | None = Field(default=None, description="The claims that the customer makes.")
    request: DecisionRequest
    origin: Origin | None = Field(
        default=None, description="Set by intake; null if the case did not come in a CloudEvent."
    )


class Case(CaseFields):
    """A case: the data of `mandaat.case.submitted.v1`."""

    tenant: Tenant = Field(description="The organisation that the case belongs to.")

    @cached
    def key(self) -> RequestKey:
        """The identity of the request in this case."""
        return RequestKey(self.tenant, self.case_id, self.request.request_id)


def _of_today(request: DecisionRequest) -> DecisionRequest:
    """Check that the currency of a new request is still in ISO 4217."""
    gone = None if request.currency is None else withdrawn(request.currency)
    if gone is not None:
        raise PydanticCustomError("unknown_currency", "{flaw}", {"flaw": gone, "pointer": "/currency"})
    return request


class SubmittedCase(CaseFields):
    """A case as it is submitted. The tenant may be left out if the caller's key implies it.

    Its ids become ids of this system here (docs/contracts.md, Ids).
    """

    tenant: Tenant | None = Field(default=None, description="The organisation that the case belongs to.")
    case_id: NewId = Field(description="The id of the case in the source system.")
    customer: Annotated[Customer, AfterValidator(with_new_id("id"))]
    agent_id: NewId | None = Field(default=None, description="The agent who asks.")
    request: Annotated[DecisionRequest, AfterValidator(with_new_id("request_id")), AfterValidator(_of_today)]

    def of(self, tenant: str, **changes: Any) -> Case:
        """This case with its tenant."""
        return Case.model_construct(**{**self.__dict__, "tenant": tenant, **changes})
