"""A file of policy tests as it is written (docs/policy-tests.md)."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from schemas.case import Customer, DecisionRequest, SubmittedCase
from schemas.decision import By
from schemas.ids import AgentId, CaseId
from schemas.moment import Moment

NOTHING: Final = "nothing"
"""The word that expects no value. YAML's null cannot do this: an empty value is an error."""
MAX_NAME: Final = 300

Outcome = Literal["approved", "escalated", "refused", "withdrawn", "late", "not_entitled"]


def as_text(value: Any) -> Any:
    """A number as text, as the contracts write amounts; anything else unchanged."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return format(Decimal(repr(value)), "f")


def _keys_of(model: type[BaseModel]) -> dict[str, Any]:
    """The keys of a part of a case, for editors. No key is required, because another layer may give it."""
    properties = {
        name: {"description": field.description} if field.description else {}
        for name, field in model.model_fields.items()
    }
    return {"type": "object", "additionalProperties": False, "properties": properties}


_CASE_KEYS: Final = _keys_of(SubmittedCase)
_CASE_KEYS["properties"] |= {"customer": _keys_of(Customer), "request": _keys_of(DecisionRequest)}
Part = Annotated[dict[str, Any], WithJsonSchema(_CASE_KEYS)]
"""A case, or a layer of a case. It is checked after the layers are merged."""
ShortText = Annotated[str, StringConstraints(min_length=1, max_length=MAX_NAME)]
Amount = Annotated[
    str, BeforeValidator(as_text), WithJsonSchema({"type": ["number", "string"], "description": "12.50"})
]
Figure = Annotated[str, BeforeValidator(as_text), WithJsonSchema({"type": ["number", "string"]})]
FreeText = Annotated[str, StringConstraints(min_length=1, max_length=8000)]


class _FilePart(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _or_a_code(schema: dict[str, Any]) -> None:
    whole = dict(schema)
    schema.clear()
    schema["anyOf"] = [{"type": "string"}, whole]


class ExpectedReason(_FilePart):
    """One reason: its code, and optionally more; keys that are left out may have any value."""

    model_config = ConfigDict(json_schema_extra=_or_a_code)
    code: ShortText = Field(description="Such as over_limit.")
    mandate: ShortText | None = Field(default=None, description="The mandate of this reason.")
    prohibition: ShortText | None = Field(default=None, description="The prohibition of this reason.")
    figures: dict[str, Figure] | None = Field(default=None, description="Some of its figures, such as limit.")

    @model_validator(mode="before")
    @classmethod
    def _from_a_code(cls, value: Any) -> Any:
        return {"code": value} if isinstance(value, str) else value


class ExpectedCharge(_FilePart):
    """One charge; keys that are left out may have any value."""

    budget: ShortText = Field(description="The budget's id; an inline one is <mandate>.<id>.")
    scope: ShortText | None = Field(
        default=None, description="agent:<id>, team:<team>, customer:<id> or tenant."
    )
    window: ShortText | None = Field(default=None, description="2026-03-02, 2026-W10, 2026-03 or 2026.")
    amount: Amount | None = Field(default=None, description="The amount, for a budget of money.")
    count: int | None = Field(default=None, description="The number of decisions, for a budget that counts.")


class Expectation(_FilePart):
    """The expected result; keys that are left out may have any value."""

    outcome: Outcome = Field(description="late and not_entitled are for verdicts without effect.")
    mandate: ShortText | None = Field(default=None, description="The mandate that grants it.")
    by: By | None = Field(default=None, description="mandate, discretion, prohibition, person or ladder.")
    amount: Amount | None = Field(
        default=None, description="The amount granted, if a person granted another one."
    )
    reasons: list[ExpectedReason] | None = Field(
        default=None, description="All reasons in order: a code, or more keys. [] is none."
    )
    on_the_spot: Amount | None = Field(
        default=None, description="The amount that could have been granted at once, or `nothing`."
    )
    charges: list[ExpectedCharge] | None = Field(
        default=None, description="All charges in order. [] is none."
    )
    step: ShortText | None = Field(default=None, description="The role that is asked.")
    approvers: list[AgentId] | None = Field(
        default=None, description="The people who are asked, in any order."
    )


class VerdictEntry(_FilePart):
    """A verdict on an escalated request."""

    by: AgentId = Field(description="The person who gives the verdict.")
    case: CaseId | None = Field(default=None, description="The case; by default the last one.")
    amount: Amount | None = Field(default=None, description="The approved amount, if it differs.")
    reason: FreeText | None = Field(default=None, description="The reason.")


class WithdrawalEntry(_FilePart):
    """A request is withdrawn."""

    case: CaseId | None = Field(default=None, description="The case; by default the last one.")


class StepEntry(_FilePart):
    """One event, and its expected result."""

    case: Part | None = Field(default=None, description="A case is submitted.")
    approve: VerdictEntry | None = Field(default=None, description="Somebody approves.")
    reject: VerdictEntry | None = Field(default=None, description="Somebody rejects.")
    withdraw: WithdrawalEntry | None = Field(default=None, description="A request is withdrawn.")
    time: Moment | None = Field(
        default=None, description="The time; by default that of the case, or of the step before."
    )
    expect: Expectation


class TestEntry(_FilePart):
    """Steps in order, starting with unused budgets."""

    test: ShortText = Field(description="The promise, as a sentence.")
    case: Part | None = Field(default=None, description="Values that every case of this test has.")
    cases: list[StepEntry] = Field(min_length=1, description="The steps, in order.")


class PolicyTestsDocument(_FilePart):
    """Tests of a policy of Mandaat."""

    policy: ShortText = Field(description="The file of the policy, relative to this one.")
    staff: Any = Field(
        description="A file of staff, one JSON record a line; or a list of records.",
        json_schema_extra={
            "anyOf": [
                {"type": "string"},
                {"type": "array", "items": {"type": "object", "required": ["agent_id", "role", "team"]}},
            ]
        },
    )
    case: Part | None = Field(default=None, description="Values that every case has.")
    tests: list[TestEntry] = Field(min_length=1, description="The tests.")
