"""A file of policy tests as it is written (docs/policy-tests.md)."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Final

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from engine.events.envelope import InputOutcome
from schemas.case import Customer, DecisionRequest, SubmittedCase
from schemas.decision import By
from schemas.ids import NewId
from schemas.moment import Moment

NOTHING: Final = "nothing"
"""The word that expects no value. YAML's null cannot do this: an empty value is an error."""
MAX_NAME: Final = 300


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
    """One expected reason: its code, and optionally more keys. A key that is left out may have any value."""

    model_config = ConfigDict(json_schema_extra=_or_a_code)
    code: ShortText = Field(description="The code of the reason, such as over_limit.")
    mandate: ShortText | None = Field(default=None, description="The mandate of this reason.")
    prohibition: ShortText | None = Field(default=None, description="The prohibition of this reason.")
    figures: dict[str, Figure] | None = Field(default=None, description="Some of its figures, such as limit.")

    @model_validator(mode="before")
    @classmethod
    def _from_a_code(cls, value: Any) -> Any:
        return {"code": value} if isinstance(value, str) else value


class ExpectedCharge(_FilePart):
    """One expected charge. A key that is left out may have any value."""

    budget: ShortText = Field(description="The id of the budget; that of an inline budget is <mandate>.<id>.")
    scope: ShortText | None = Field(
        default=None, description="The scope: agent:<id>, team:<team>, customer:<id> or tenant."
    )
    window: ShortText | None = Field(
        default=None, description="The window, such as 2026-03-02, 2026-W10, 2026-03 or 2026."
    )
    amount: Amount | None = Field(default=None, description="The amount, for a budget of money.")
    count: int | None = Field(default=None, description="The number of decisions, for a budget that counts.")


class Expectation(_FilePart):
    """The expected result. A key that is left out may have any value."""

    outcome: InputOutcome = Field(
        description="The outcome. `late` and `not_entitled` are for verdicts without effect."
    )
    mandate: ShortText | None = Field(default=None, description="The mandate that grants it.")
    by: By | None = Field(
        default=None,
        description="The kind of authority that decides: mandate, discretion, prohibition, person or ladder.",
    )
    amount: Amount | None = Field(
        default=None, description="The granted amount, if a person granted another amount."
    )
    reasons: list[ExpectedReason] | None = Field(
        default=None, description="All reasons in order, each a code or a mapping. [] expects none."
    )
    on_the_spot: Amount | None = Field(
        default=None, description="The amount that could have been granted at once, or `nothing`."
    )
    charges: list[ExpectedCharge] | None = Field(
        default=None, description="All charges in order. [] expects none."
    )
    step: ShortText | None = Field(default=None, description="The role that is asked.")
    approvers: list[NewId] | None = Field(default=None, description="The people who are asked, in any order.")


class VerdictEntry(_FilePart):
    """A verdict on an escalated request."""

    by: NewId = Field(description="The person who gives the verdict.")
    case: NewId | None = Field(default=None, description="The case; by default the last one.")
    amount: Amount | None = Field(default=None, description="The approved amount, if it differs.")
    reason: FreeText | None = Field(default=None, description="The reason.")


class WithdrawalEntry(_FilePart):
    """The withdrawal of a request."""

    case: NewId | None = Field(default=None, description="The case; by default the last one.")


class StepOfTest(_FilePart):
    """One event, and its expected result."""

    case: Part | None = Field(default=None, description="Submits a case.")
    approve: VerdictEntry | None = Field(default=None, description="Approves an escalated request.")
    reject: VerdictEntry | None = Field(default=None, description="Rejects an escalated request.")
    withdraw: WithdrawalEntry | None = Field(default=None, description="Withdraws a request.")
    time: Moment | None = Field(
        default=None,
        description="The time of the event. The default is opened_at for a case, else the time of the"
        " step before.",
    )
    expect: Expectation


class TestEntry(_FilePart):
    """One test: steps in order, starting with unused budgets."""

    test: ShortText = Field(description="The name of the test: a sentence about what the policy does.")
    case: Part | None = Field(default=None, description="Values that every case of this test has.")
    cases: list[StepOfTest] = Field(min_length=1, description="The steps, in order.")


class PolicyTestsDocument(_FilePart):
    """Tests of a policy of Mandaat."""

    policy: ShortText = Field(description="The file of the policy, relative to this one.")
    staff: Any = Field(
        description="A file with one JSON staff record on each line; or a list of records.",
        json_schema_extra={
            "anyOf": [
                {"type": "string"},
                {"type": "array", "items": {"type": "object", "required": ["agent_id", "role", "team"]}},
            ]
        },
    )
    case: Part | None = Field(default=None, description="Values that every case has.")
    tests: list[TestEntry] = Field(min_length=1, description="The tests.")
