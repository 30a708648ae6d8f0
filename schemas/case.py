"""A case and the decision request in it (DESIGN.md, Contracts)."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, StrictStr, model_validator
from pydantic_core import PydanticCustomError

from schemas.ids import AgentId, CaseId, CustomerId, Kind, PlainId, RequestId, RequestKey, Tenant
from schemas.model import Frozen, Line, OpenObject, Text, cached
from schemas.moment import Moment
from schemas.money import AMOUNT_PATTERN, Money, exponent, no_currency, parse_amount


class Customer(Frozen):
    """Who the case is about, and where they can be told."""

    id: CustomerId = Field(description="The source's id of the customer.")
    name: Line | None = Field(default=None, description="As they like to be written to.")
    email: Annotated[Line, Field(max_length=320)] | None = Field(
        default=None, description="Where they are told; without it no mail is sent."
    )
    language: Annotated[Line, Field(max_length=35)] | None = Field(
        default=None, description="The language they read, as a BCP 47 tag: `nl`, `en-GB`."
    )


class DecisionRequest(Frozen):
    """What the agent asks to grant: a kind and mostly an amount."""

    request_id: RequestId = Field(description="New facts or another amount need a new one.")
    kind: Kind = Field(description="`refund`, `goodwill`, `flowers`, ...: a word of the policy.")
    amount: StrictStr | None = Field(
        default=None,
        description='In major units, digits with a point: "45.00". Null for kinds without an amount.',
        json_schema_extra={"pattern": AMOUNT_PATTERN},
    )
    currency: StrictStr | None = Field(default=None, description="ISO 4217; needed with an amount.")
    reason: Text | None = Field(default=None, description="Why the agent asks, in their own words.")
    discretion: bool = Field(default=False, description="Ask under a mandate to step outside the frame.")

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
                self.__dict__["money"] = parse_amount(self.amount, self.currency)  # read once
            except ValueError as flaw:
                raise PydanticCustomError(
                    "amount", "{flaw}", {"flaw": str(flaw), "pointer": "/amount"}
                ) from flaw
        return self

    @cached
    def money(self) -> Money | None:
        """The amount in minor units; None where the request has none."""
        if self.amount is None or self.currency is None:
            return None
        return parse_amount(self.amount, self.currency)


class Origin(Frozen):
    """The CloudEvent in which the case came, if it came in one."""

    id: PlainId = Field(description="The `id` of that event.")
    source: Line = Field(description="The `source` of that event.")


class CaseFields(Frozen):
    """A case without its tenant."""

    case_id: CaseId = Field(description="The source's id of the case.")
    opened_at: Moment = Field(description="When the customer came with it.")
    channel: Line | None = Field(default=None, description="`phone`, `chat`, `email`, ...")
    customer: Customer
    agent_id: AgentId | None = Field(default=None, description="Who asks.")
    category: Annotated[Line, Field(max_length=200)] | None = Field(
        default=None, description="What kind of matter it is; mandates may be for some only."
    )
    subject: Line | None = Field(default=None, description="What it is about, in one line.")
    facts: OpenObject = Field(default_factory=dict, description="What systems say.")
    claims: OpenObject | None = Field(default=None, description="What the customer says.")
    request: DecisionRequest
    origin: Origin | None = Field(default=None, description="Set by intake; null for a bare case.")


class Case(CaseFields):
    """A case: the data of `mandaat.case.submitted.v1`."""

    tenant: Tenant = Field(description="The organisation that is served.")

    @cached
    def key(self) -> RequestKey:
        """What identifies the request in this case for ever."""
        return RequestKey(self.tenant, self.case_id, self.request.request_id)


class SubmittedCase(CaseFields):
    """A case as it comes in: the tenant may be left out where the caller's key implies it."""

    tenant: Tenant | None = Field(default=None, description="The organisation that is served.")

    def of(self, tenant: str, **changes: Any) -> Case:
        """This case, of that tenant."""
        return Case.model_construct(**{**self.__dict__, "tenant": tenant, **changes})
